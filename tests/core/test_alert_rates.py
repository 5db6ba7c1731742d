"""Rates of accepted false alarms."""

from __future__ import annotations

import pytest

from ape.core.alert_rates import AlertRate
from ape.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "rate"),
    [("day", (1, "day")), ("week=0.5", (0.5, "week")), ("training=3", (3, "training part"))],
)
def test_a_rate_is_a_number_and_a_period(text, rate):
    assert AlertRate.parse(text) == AlertRate(*rate)


@pytest.mark.parametrize("text", ["", "month", "week=x", "week=0", "day=-1", "day=inf", "day=nan", "=3", "day="])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InputError, match="no rate of alarms"):
        AlertRate.parse(text)
