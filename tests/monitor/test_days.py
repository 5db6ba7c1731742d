"""Holidays that look like another day of the week."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ape.monitor.days import looks_like
from ape.monitor.quiet import quiet_events
from ape.rules import RuleBank, broad_rule, build_context
from ape.rules.schema import ContextualPrior
from ape.series import from_array

DAY, TRAINING_DAYS, DAYS = 96, 28, 42  # points of a day; the first day is a Monday
HOLIDAY = 31  # a Thursday
NOON = slice(HOLIDAY * DAY + 32, HOLIDAY * DAY + 72)
SUNDAY = 6


def load(holiday: bool = True, fault: float = 0.0, fault_points: int = 12):
    """Load every 15 minutes: high at midday on working days, low on Sundays, and on the holiday if there is one."""
    rng = np.random.default_rng(0)
    hour, day = np.arange(DAYS * DAY) % DAY / 4, np.arange(DAYS * DAY) // DAY
    low = (day % 7 == SUNDAY) | (holiday & (day == HOLIDAY))
    values = 100 + np.where(low, 20, 100) * np.exp(-(((hour - 13) / 4) ** 2)) + rng.normal(size=len(hour))
    values[NOON.start : NOON.start + fault_points] += fault
    return values


@pytest.fixture
def context_with_days(context_of):
    """Return the context of a load with a clock, and a rule that other days look like Sundays."""

    def make(values, training_days=TRAINING_DAYS):
        clock = np.datetime64("2026-03-02T00:00") + np.arange(len(values)) * np.timedelta64(15, "m")
        trained = from_array(values, train_end=training_days * DAY, timestamps=clock)
        rule = broad_rule("level_shift").model_copy(
            update={"id": "holiday", "context": ContextualPrior(like_weekdays=[SUNDAY])}
        )
        context = context_of(values, NOON.start, NOON.stop, timestamps=clock)
        return replace(
            context,
            normal=trained.train,
            usable=np.ones(training_days * DAY, dtype=bool),
            segments=[(0, training_days * DAY)],
            bank=RuleBank(context=build_context(trained), benign=[rule]),
        )

    return make


@pytest.mark.parametrize(
    ("changes", "is_quiet"),
    [
        ({}, True),
        ({"holiday": False}, False),  # the load of a working day
        ({"fault": 40}, False),
        ({"fault": -40, "fault_points": 1}, False),  # too short to change the day
        ({"fault": 10, "fault_points": 40}, False),  # small, but all day
    ],
)
def test_events_of_a_holiday_are_quiet_where_the_day_looks_like_a_sunday(
    context_with_days, event_of, changes, is_quiet
):
    context = context_with_days(load(**changes))
    event = event_of(context, NOON.start, NOON.stop)
    assert looks_like(event, [SUNDAY], context.series.channels, context, 4) is is_quiet
    kept, quiet = quiet_events([event], context)
    assert kept == ([] if is_quiet else [event])
    assert [each.rule for each in quiet] == (["holiday"] if is_quiet else [])


def test_an_event_on_a_sunday_is_no_holiday(context_with_days, event_of):
    context = context_with_days(load())
    begin = 34 * DAY
    assert begin // DAY % 7 == SUNDAY
    assert not looks_like(event_of(context, begin + 32, begin + 72), [SUNDAY], context.series.channels, context, 4)


def test_one_sunday_is_too_few_to_compare_with(context_with_days, event_of):
    for days, enough in ((7, False), (14, True)):
        context = context_with_days(load(), days)
        event = event_of(context, NOON.start, NOON.stop)
        assert looks_like(event, [SUNDAY], context.series.channels, context, 4) is enough


def test_without_times_no_day_looks_like_another(context_of, event_of):
    values = load()
    context = context_of(values, bank=RuleBank(context=build_context(from_array(values))))
    event = event_of(context, NOON.start, NOON.stop)
    assert not looks_like(event, [SUNDAY], context.series.channels, context, 4)
