"""Conversion of results to plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.tools.plain import to_plain


@dataclass(frozen=True)
class Pair:
    left: np.float32
    right: tuple[float, ...]


def test_values_by_hand():
    given_values = {
        "a": np.float64(1.23456),
        2: np.array([np.nan, np.inf, 123456.0]),
        "n": np.int64(123456),
        "t": np.True_,
        "max": 1.7976e308,
    }
    assert to_plain(given_values) == {"a": 1.235, "2": [None, None, 123500.0], "n": 123456, "t": True, "max": None}
    assert to_plain(Pair(np.float32(0.1), (1e-9, -0.0))) == {"left": 0.1, "right": [1e-9, 0.0]}


@pytest.mark.parametrize("handle", [object(), {1, 2}, b"bytes", np.datetime64("2024-01-01"), Pair])
def test_other_types_are_refused(handle):
    with pytest.raises(TypeError):
        to_plain({"inner": [handle]})


@given(st.floats(-1e300, 1e300))
def test_floats_keep_four_digits(value):
    plain = to_plain(np.float64(value))
    assert type(plain) is float
    assert plain == pytest.approx(value, rel=5.1e-4)
