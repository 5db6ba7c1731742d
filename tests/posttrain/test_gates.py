"""When benign rules can hold, against a plain count over all starts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.posttrain.gates import SLACK, Gates
from ape.rules import broad_rule, build_context
from ape.rules.schema import ContextualPrior, DurationPrior, Range
from ape.series import from_array
from ape.series.series import Gap, Series

LENGTH, STEP = 2000, 10  # points, minutes
TIMES = np.datetime64("2024-03-01T06:00") + np.arange(LENGTH) * np.timedelta64(STEP, "m")  # a Friday


def make_series(values=None, times=TIMES):
    values = np.random.default_rng(0).normal(size=LENGTH) if values is None else values
    return from_array(values, timestamps=times)


def rule(prior, longest=6.0):
    duration = DurationPrior(low=1, high=longest, unit="samples")
    return broad_rule("level_shift").model_copy(update={"context": prior, "duration": duration})


def can_hold(gates, series):
    return np.isfinite(gates.priors(series))


def opened(prior, series, longest=6.0, position=0):
    return can_hold(Gates([rule(prior, longest)], build_context(series), position), series)[:, 0]


def reached(starts, longest):
    """Return where a start lies at most the slack later, or the longest duration and the slack earlier."""
    at = np.arange(len(starts))
    return np.array([starts[max(0, t - longest - SLACK) : t + SLACK + 1].any() for t in at])


def hour(times):
    return (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h")


def weekday(times):
    return (times.astype("datetime64[D]").astype(int) + 3) % 7


INNER = slice(40, LENGTH - 40)  # the series begins in the middle of a day


def test_a_rule_without_conditions_can_hold_anywhere():
    assert opened(ContextualPrior(), make_series()).all()


@settings(max_examples=10, deadline=None)
@given(low=st.sampled_from([0.0, 2.0, 21.5, 23.0]), width=st.sampled_from([0.5, 2.0, 5.0]), longest=st.integers(1, 20))
def test_hours_and_the_longest_duration(low, width, longest):
    open_ = opened(ContextualPrior(hours=Range(low=low, high=low + width)), make_series(), longest)
    starts = (hour(TIMES) - low) % 24 <= width
    np.testing.assert_array_equal(open_[INNER], reached(starts, longest)[INNER])


def test_an_hour_on_the_minute_can_hold():
    open_ = opened(ContextualPrior(hours=Range(low=2, high=2)), make_series())
    starts = hour(TIMES) == 2
    np.testing.assert_array_equal(open_[INNER], reached(starts, 6)[INNER])


def test_weekdays_with_hours():
    prior = ContextualPrior(weekdays=[5, 6], hours=Range(low=22, high=23))
    starts = np.isin(weekday(TIMES), [5, 6]) & (hour(TIMES) >= 22) & (hour(TIMES) <= 23)
    np.testing.assert_array_equal(opened(prior, make_series())[INNER], reached(starts, 6)[INNER])
    assert 0.02 < opened(prior, make_series()).mean() < 0.2


def test_nothing_is_known_without_times():
    context = build_context(make_series())
    without = from_array(np.arange(200.0) % 7)
    prior = ContextualPrior(hours=Range(low=0, high=23.9))
    assert not can_hold(Gates([rule(prior)], context, None), without).any()


def test_phase_needs_a_position_and_goes_on_during_gaps():
    values = np.sin(2 * np.pi * np.arange(LENGTH) / 50)
    context = build_context(from_array(values))
    assert context.period == 50
    prior = ContextualPrior(phase=Range(low=0.5, high=0.6))
    series = Series(values[:, None].astype(np.float32), ("x",), gaps=(Gap(700, 20, 0.0),))
    own = [rule(prior, 2)]
    assert not can_hold(Gates(own, context, None), series).any()
    open_ = can_hold(Gates(own, context, 0), series)[:, 0]
    step = np.arange(LENGTH) + 20 * (np.arange(LENGTH) >= 700)
    phase = step % 50
    assert open_[(phase >= 25) & (phase <= 32)].all()
    assert not open_[(phase < 25 - SLACK - 1) | (phase > 32 + SLACK + 1)].any()


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, LENGTH - 1), max_size=5))
def test_pieces_say_the_same_as_the_whole(cuts):
    values = (np.arange(LENGTH) // 300 % 2) * 5.0 + np.sin(2 * np.pi * np.arange(LENGTH) / 50)
    series = make_series(values)
    context = build_context(series, 50)
    priors = [
        ContextualPrior(hours=Range(low=1, high=2)),
        ContextualPrior(phase=Range(low=0.1, high=0.2)),
        ContextualPrior(after_change=Range(low=0, high=10)),
    ]
    rules = [rule(prior) for prior in priors]
    whole = can_hold(Gates(rules, context, 0), series)
    gates, edges = Gates(rules, context, 0), [0, *sorted(set(cuts)), LENGTH]
    parts = [
        can_hold(gates, Series(series.values[a:b], series.channels, timestamps=TIMES[a:b])) for a, b in pairwise(edges)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    changed = np.flatnonzero(np.diff(values) > 3)[0] + 1
    np.testing.assert_array_equal(np.flatnonzero(whole[:600, 2]), np.arange(changed, changed + 10 + 6 + SLACK + 1))


def test_a_gap_ends_what_follows_a_change():
    values = (np.arange(LENGTH) >= 500) * 5.0 + 0.1 * np.random.default_rng(0).normal(size=LENGTH)
    series, prior = from_array(values), ContextualPrior(after_change=Range(low=0, high=100))
    context = build_context(series)
    cut = Series(series.values, series.channels, gaps=(Gap(520, 1000, 0.0),))
    open_ = can_hold(Gates([rule(prior)], context, 0), cut)[:, 0]
    assert open_[500:520].all() and not open_[520:560].any()
    jump_at_gap = Series(series.values, series.channels, gaps=(Gap(500, 1000, 0.0),))
    assert not can_hold(Gates([rule(prior)], context, 0), jump_at_gap)[500:540].any()


@pytest.mark.parametrize("direction", [1, -1])
def test_hours_follow_the_clock_of_the_series(direction):
    moved = TIMES.copy()
    moved[1000:] += direction * np.timedelta64(1, "h")
    prior = ContextualPrior(hours=Range(low=2, high=3))
    context = build_context(make_series())
    open_ = can_hold(Gates([rule(prior)], context, 0), Series(make_series().values, ("x",), timestamps=moved))[:, 0]
    later = slice(1100, LENGTH - 100)
    inside = (hour(moved) >= 2) & (hour(moved) <= 3)
    assert open_[later][inside[later]].all() and not open_[later][(hour(moved) > 6)[later]].any()


def test_a_rule_is_the_more_likely_the_less_often_it_can_hold():
    prior, series = ContextualPrior(hours=Range(low=2, high=3)), make_series()
    priors = Gates([rule(prior), rule(ContextualPrior())], build_context(series), 0).priors(series)
    share = np.isfinite(priors[144:1872, 0]).mean()  # twelve whole days
    assert priors[:, 0].max() == pytest.approx(-np.log(share), rel=0.05) and (priors[:, 1] == 0).all()


def test_a_rule_that_can_hold_most_of_the_time_has_no_times_of_its_own():
    series = make_series()
    rules = [
        rule(ContextualPrior(hours=Range(low=6, high=22))),
        rule(ContextualPrior(hours=Range(low=2, high=3)), longest=140),
        rule(ContextualPrior(after_change=Range(low=0, high=10))),
        rule(ContextualPrior(after_change=Range(low=0, high=100))),
    ]
    priors = Gates(rules, build_context(series), 0).priors(series).max(axis=0)
    share = 0.005 * (10 + 6 + SLACK + 1)
    np.testing.assert_allclose(priors, [0, 0, -np.log(share), 0], rtol=1e-6)
