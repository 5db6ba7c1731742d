"""Rows in the order of time: long pauses of irregular clocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.series import from_dataframe
from ape.series.reading.report import reading_block

T = 600


def irregular(pauses):
    """Return a series whose steps are 1 to 9 minutes, with pauses of some minutes before some rows."""
    minutes = np.random.default_rng(0).integers(1, 10, T)
    minutes[list(pauses)] = list(pauses.values())
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.cumsum(minutes), unit="min")
    return from_dataframe(pd.DataFrame({"time": times, "value": np.sin(np.arange(T) / 7)}))


def test_a_pause_of_many_usual_steps_is_a_gap():
    series = irregular({200: 600, 400: 91})
    assert series.step is None and series.length == T
    assert [gap.position for gap in series.gaps] == [200, 400]
    assert [gap.seconds for gap in series.gaps] == [36_000, 91 * 60]
    assert series.segments == series.train_segments == ((0, 200), (200, 400), (400, T))
    assert "2 pauses, the longest of 10 h: no window spans a long pause" in series.notes
    block = reading_block(series)["gaps"]
    assert block.count("no row after") == 2 and "missing" not in block


@pytest.mark.parametrize("minutes", [10, 60, 89])
def test_a_pause_that_is_not_much_longer_than_the_steps_is_none(minutes):
    series = irregular({200: minutes})
    assert series.gaps == () and series.segments == ((0, T),)
    assert reading_block(series)["gaps"] == "none"
