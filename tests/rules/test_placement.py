"""Placement: anomalies start where the contextual prior allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from support import with_gaps

from ape.rules import RuleBank, broad_rule, build_context
from ape.rules.placement import allowed_starts, needs_starts
from ape.rules.schema import ContextualPrior, Range
from ape.series import from_array


def first_samples(operator, prior, hosts, seed):
    """Sample one rule with this prior. Return the mask and the first changed sample of each window's first channel."""
    context, windows, starts = hosts
    rule = broad_rule(operator).model_copy(update={"context": prior})
    generator = torch.Generator().manual_seed(seed)
    _, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator, starts)
    return mask, mask[:, 0].float().argmax(dim=1)


def test_phase_prior(hosts):
    context, _, starts = sine = hosts("sine", stride=1)
    _, first = first_samples("level_shift", ContextualPrior(phase=Range(low=0.9, high=1.1)), sine, seed=1)
    phase = ((starts + first) % context.period) / context.period
    distance = torch.minimum(phase, 1 - phase)
    assert (distance <= 0.1 + 3 / context.period).all()


def test_activity_prior(hosts):
    context, windows, starts = flat = hosts("flat stretches", stride=3)
    prior = ContextualPrior(activity=["high"])
    _, first = first_samples("level_shift", prior, flat, seed=0)
    allowed = allowed_starts(prior, context, windows, starts)
    possible = allowed[:, : windows.shape[2] // 8].any(dim=1)  # the anomaly fits at an allowed start
    rows = torch.arange(len(first))
    inside = allowed[rows, first] | allowed[rows, (first - 1).clamp(min=0)]
    assert inside[possible].float().mean() > 0.95


def test_channel_prior(hosts):
    mask, _ = first_samples("level_shift", ContextualPrior(channels=["channel1"]), hosts("two channels"), seed=0)
    assert not mask[:, 0].any() and mask[:, 1].any(dim=1).all()


def test_hour_prior(families, cut):
    values = families["white noise"]
    times = np.datetime64("2024-03-01T06:00") + np.arange(len(values)) * np.timedelta64(30, "m")
    _, _, starts = timed = cut(from_array(values, timestamps=times), stride=7)
    _, first = first_samples("level_shift", ContextualPrior(hours=Range(low=22, high=26)), timed, seed=0)
    hour = (6 + 0.5 * (starts + first)) % 24
    assert ((hour >= 22) | (hour <= 2)).all()


def test_after_change_prior(cut):
    length = 1500
    values = 0.01 * np.random.default_rng(0).normal(size=length) + (np.arange(length) // 250 % 2)
    _, windows, starts = steps = cut(from_array(values), stride=3)
    _, first = first_samples("noise_burst", ContextualPrior(after_change=Range(low=5, high=15)), steps, seed=0)
    window = windows.shape[2]
    contains_change = (starts % 250 > 250 - window // 2) & (starts + window < length)
    since = (starts + first) % 250
    assert contains_change.sum() > 50 and ((since >= 5) & (since <= 17))[contains_change].float().mean() > 0.8


def test_hours_and_phases_go_on_during_a_gap(families):
    values = families["sine"]  # period 48
    times = np.datetime64("2024-03-01T06:00") + np.arange(len(values)) * np.timedelta64(30, "m")
    times[700:] += np.timedelta64(82, "h")  # 3.4 days: 164 missing rows, three periods and 20 samples
    context = build_context(with_gaps(from_array(values, timestamps=times), 700, missing=164))
    starts = torch.tensor([100, 580, 700, 900])
    windows = torch.zeros(4, 1, 120)
    step = (times[starts[:, None] + np.arange(120)] - times[0]) / np.timedelta64(30, "m")
    night = allowed_starts(ContextualPrior(hours=Range(low=2, high=3)), context, windows, starts)
    np.testing.assert_array_equal(night, (6 + step / 2 - 2) % 24 <= 1)
    assert context.period == 48
    first_quarter = allowed_starts(ContextualPrior(phase=Range(low=0, high=0.25)), context, windows, starts)
    np.testing.assert_array_equal(first_quarter, step % 48 <= 12)


def test_weekday_prior(families):
    values = families["white noise"]
    times = np.datetime64("2024-03-01T06:00") + np.arange(len(values)) * np.timedelta64(3, "h")  # a Friday
    context = build_context(from_array(values, timestamps=times))
    assert context.first_weekday == 4
    starts = torch.tensor([0, 137, 900])
    prior = ContextualPrior(weekdays=[0, 6])
    allowed = allowed_starts(prior, context, torch.zeros(3, 1, 120), starts)
    weekday = (times[starts[:, None] + np.arange(120)].astype("datetime64[D]").astype(int) + 3) % 7
    np.testing.assert_array_equal(allowed, np.isin(weekday, [0, 6]))
    assert needs_starts(prior) and not needs_starts(ContextualPrior())


def test_hours_follow_the_clock_after_it_is_put_forward(families):
    values = families["white noise"]
    times = np.datetime64("2024-03-29T00:00") + np.arange(len(values)) * np.timedelta64(30, "m")  # UTC
    summer = times >= np.datetime64("2024-03-31T01:00")
    offset = np.where(summer, 7200, 3600).astype(np.int32)
    series = replace(from_array(values, timestamps=times), clock_offset=offset, zone="Europe/Berlin")
    context = build_context(series)
    (change,) = context.clock_changes
    assert (change.position, change.hours) == (int(summer.argmax()), 1.0)
    assert context.first_hour == 1.0 and context.hours_per_step == 0.5
    starts = torch.tensor([20, 60, 300])
    night = allowed_starts(ContextualPrior(hours=Range(low=2, high=3)), context, torch.zeros(3, 1, 120), starts)
    clock = series.clock[starts[:, None] + np.arange(120)]
    hour = (clock - clock.astype("datetime64[D]")) / np.timedelta64(1, "h")
    np.testing.assert_array_equal(night, (hour >= 2) & (hour <= 3))
