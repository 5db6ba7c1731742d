"""The verdict: where events were looked for, the worst of them, and what chance alone would raise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from run_results import result_of

from ape.runs.verdict import channels_text, false_alarms, lasts, searched_text, verdict
from ape.series import Series, from_array, from_dataframe


@pytest.fixture
def minutes() -> Series:
    """Three days, of which two are the training part."""
    times = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.arange(4320), unit="min")
    return from_dataframe(pd.DataFrame({"time": times, "load": np.sin(np.arange(4320) / 9)}), train_end=2880)


def test_one_event(minutes):
    found, chance = verdict(result_of(minutes, (3600, 3645, 9.0, ("load",))))
    assert found == "One event was found in the day after the training part: 2026-03-04 12:00 to 12:44 (UTC), in load."
    assert chance.startswith("The threshold accepts 1 false alarm in a time as long as the training part: by chance")
    assert chance.endswith("about 1.4 here, and a score as high as that of this event less than once in 5 years.")


def test_the_worst_of_several_events_is_named(minutes):
    found, chance = verdict(result_of(minutes, (3600, 3645, 4.0, ("load",)), (4000, 4001, 3.2, ("load",))))
    assert found.startswith("2 events were found in the day after the training part; the worst: 2026-03-04 12:00")
    assert ", and a score as high as that of the worst event once in a week." in chance


def test_an_event_that_goes_on(minutes):
    found, _ = verdict(result_of(minutes, (4300, 4320, 9.0, ("load",))))
    assert found.endswith("in load, and it still goes on at the end of the data.")


def test_no_event_names_the_highest_score(minutes):
    quiet = result_of(minutes)
    quiet.score[3000] = 2.5
    found, chance = verdict(quiet)
    assert found.startswith("No event was found in the day after") and "2.5 at 2026-03-04 02:00" in found
    assert found.endswith("is below 3.0.") and chance.endswith("here.")


def test_a_series_without_scores_after_its_training_part():
    series = from_array(np.sin(np.arange(400) / 7), train_end=300)
    result = result_of(series)
    result.score[300:] = np.nan
    assert (
        verdict(result)[0]
        == "No event was found in the 100 points after the training part, because no point of it has a score."
    )


def test_positions_and_counts_without_times():
    series = from_array(np.sin(np.arange(4000) / 7))
    result = result_of(series, (1000, 1001, 8.0, ("value",)))
    assert searched_text(result) == "all 4,000 points" and lasts(result, 0) == "1 point"
    assert "position 1000, in value" in verdict(result)[0]


def test_expected_false_alarms_count_scored_points():
    result = result_of(from_array(np.sin(np.arange(4000) / 7), train_end=1000), level=2.0)
    assert false_alarms(result) == pytest.approx(30)
    result.score[3000:] = np.nan
    assert false_alarms(result) == pytest.approx(20)


def test_many_channels_are_counted():
    assert channels_text(["a"]) == "a" and channels_text(list("abc")) == "a, b, c"
    assert channels_text(list("abcde")) == "a, b, c and 2 more"


def test_channels_at_fault_come_first():
    series = from_array(np.random.default_rng(0).normal(size=(400, 4)), train_end=200)
    a, b, c, d = series.channels
    result = result_of(series, (250, 260, 9.0, (d,)), (300, 310, 4.0, (b, d)))
    assert result.order == [3, 1, 0, 2] and [a, c] == [series.channels[k] for k in result.order[2:]]
    assert result_of(replace(series)).order == [0, 1, 2, 3]
