"""The discriminability check: figures of good, duplicate and ineffective rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import with_gaps

from ape.core.errors import InputError
from ape.rules import THRESHOLDS, broad_rule, build_context, discriminability, draw_hosts, failures
from ape.rules.placement import allowed_starts
from ape.rules.schema import ContextualPrior, Range, ScalePrior
from ape.series import from_array

T = 2000


@pytest.fixture(scope="module")
def series():
    noise = 0.05 * np.random.default_rng(0).normal(size=T)
    return from_array(np.sin(2 * np.pi * np.arange(T) / 40) + noise, train_end=1500)


@pytest.fixture(scope="module")
def context(series):
    return build_context(series)


def test_hosts_are_from_the_requested_end_of_the_training_part(series, context):
    held_out, design = draw_hosts(series, context, 0), draw_hosts(series, context, 0, held_out=False)
    window = held_out.windows.shape[2]
    assert design.starts.max() + window <= held_out.starts.min() and held_out.starts.max() + window <= 1500
    for hosts in (held_out, design):
        for values, starts in ((hosts.windows.numpy(), hosts.starts), (hosts.normal, hosts.normal_starts)):
            expected = [series.values[start : start + window].T for start in starts]
            np.testing.assert_array_equal(values, expected)


def test_a_good_rule_passes_and_its_duplicate_is_not_new(series, context):
    hosts, rule = draw_hosts(series, context, 0), broad_rule("level_shift")
    figures = discriminability([rule], [], context, hosts)[rule.id]
    assert failures(figures) == [] and set(THRESHOLDS) < set(figures)
    assert failures(discriminability([rule], [rule], context, hosts)[rule.id]) == ["new"]


def test_sizes_are_in_the_unit_of_the_scale_prior(series, context):
    rule = broad_rule("level_shift").model_copy(update={"scale": ScalePrior(low=0.5, high=0.5, unit="data")})
    figures = discriminability([rule], [], context, draw_hosts(series, context, 0))[rule.id]
    assert [figures[name] for name in ("realised_low", "realised_scale", "realised_high")] == pytest.approx([0.5] * 3)


def test_anomalies_without_an_effect_are_replaced_and_reported(series, context):
    tiny = ScalePrior(low=0.01, high=0.02, unit="residual_sd")
    rule = broad_rule("noise_burst").model_copy(update={"scale": tiny})
    figures = discriminability([rule], [], context, draw_hosts(series, context, 0))[rule.id]
    assert {"plausible", "own"} <= set(failures(figures)) and figures["own"] == 0


def test_a_rule_for_an_hour_is_checked_in_windows_that_have_it(series):
    clock = build_context(series).model_copy(update={"first_hour": 0.0, "hours_per_step": 0.1})  # a day is 240 samples
    hosts = draw_hosts(series, clock, 0)
    prior = ContextualPrior(hours=Range(low=2, high=3))
    rule = broad_rule("level_shift").model_copy(update={"context": prior})
    has_it = allowed_starts(prior, clock, hosts.windows, hosts.starts).any(dim=1)
    assert has_it.double().mean() < 0.6  # most hosts have no such hour
    figures = discriminability([rule], [], clock, hosts)[rule.id]
    assert figures["own"] > 0.9 and figures["placed"] > 0.9 and failures(figures) == []
    never = rule.model_copy(update={"context": ContextualPrior(after_change=Range(low=1e6, high=2e6))})
    assert "own" in failures(discriminability([never], [], clock, hosts)[never.id])


@pytest.mark.parametrize("gaps", [(700,), (300, 320, 900, 1200, 1480)])
def test_no_host_crosses_a_gap_or_covers_missing_values(series, gaps):
    level = 100.0 * np.searchsorted(gaps, np.arange(T), side="right")
    missing = np.zeros((T, 2), dtype=bool)
    missing[1000:1020, 0] = True
    two = from_array(np.stack([series.values[:, 0], level], axis=1), train_end=1500)
    two = replace(with_gaps(two, *gaps), missing=missing)
    context = build_context(two)
    for held_out in (True, False):
        hosts = draw_hosts(two, context, 0, held_out=held_out)
        for values in (hosts.windows.numpy(), hosts.normal, hosts.reference.reshape(-1, *hosts.normal.shape[1:])):
            assert np.ptp(values[:, 1], axis=1).max() == 0
        for starts in (hosts.starts.numpy(), hosts.normal_starts):
            assert not ((starts < 1020) & (starts + hosts.windows.shape[2] > 1000)).any()
    assert hosts.windows.shape[2] >= 32 and len(context.gaps) == len(gaps)


def test_two_windows_must_fit_between_gaps(series):
    cut = with_gaps(series, *range(25, 1500, 25))
    with pytest.raises(InputError, match="0 training points in stretches of 32 or more are too few"):
        draw_hosts(cut, build_context(cut), 0)
