"""A Rule Bank for the channels and offsets of another series."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.posttrain.bank_channels import bank_for
from ape.rules import RuleBank, broad_bank, build_context
from ape.series import Requirements, aligned, from_array

T = 600
VALUES = np.stack([np.sin(np.arange(T) / 7), np.cos(np.arange(T) / 9)], 1) + np.array([0, 2e7])
VALUES[:, 1] += 0.1 * np.sin(np.arange(T) / 3)


@pytest.fixture(scope="module")
def bank():
    return broad_bank(build_context(from_array(VALUES, ["a", "b"])), ["level_shift"])


def test_channels_are_put_into_the_order_of_the_series(bank):
    turned = bank_for(bank, from_array(VALUES[:, ::-1], ["b", "a"]))
    assert [channel.name for channel in turned.context.channels] == ["b", "a"]
    assert turned.context.channels[::-1] == bank.context.channels


def test_levels_are_relative_to_the_offset_of_the_series(bank):
    series = aligned(from_array(VALUES, ["a", "b"]), Requirements(("a", "b"), (0.0, 2e7 - 300)))
    channel, expected = bank_for(bank, series).context.channels[1], build_context(series).channels[1]
    assert channel.offset == 2e7 - 300
    for name in ("quantile_low", "quantile_high", "limit_low", "limit_high", "level_cuts"):
        assert getattr(channel, name) == pytest.approx(getattr(expected, name), abs=1e-3)
    assert bank_for(bank, from_array(VALUES, ["a", "b"])).context == bank.context


def test_an_offset_survives_the_file_exactly(bank, tmp_path):
    moved = from_array(VALUES + np.array([0, 1234567.0]), ["a", "b"])
    other = bank.model_copy(update={"context": build_context(moved)})
    other.save(tmp_path / "bank.json")
    loaded = RuleBank.load(tmp_path / "bank.json")
    assert [channel.offset for channel in loaded.context.channels] == [0.0, moved.offset[1]]


def test_other_channels_are_refused(bank):
    with pytest.raises(InputError, match="does not know channel 'c'"):
        bank_for(bank, from_array(VALUES, ["a", "c"]))
    with pytest.raises(InputError, match="2 channels, the series 1"):
        bank_for(bank, from_array(VALUES[:, 0], ["a"]))
    assert bank_for(bank, from_array(VALUES)).context == bank.context  # names that nobody gave
