"""What every pseudo-anomaly must be, on every kind of input, for every operator and many seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ape.rules import OPERATORS, EmptyBankError, RuleBank, augment, build_context, generic_bank, generic_rule
from ape.rules.placement import allowed_starts
from ape.rules.sampling import MIN_EFFECT_RESIDUAL, MIN_EFFECT_SERIES
from ape.rules.schema import ContextualPrior, Range
from ape.series import from_array
from ape.series.windows import sliding

T, L = 1500, 120
t = np.arange(T)
rng = np.random.default_rng(3)
FAMILIES = {
    "sine": np.sin(2 * np.pi * t / 48),
    "noisy pulses": np.maximum(np.sin(2 * np.pi * t / 60), 0) ** 6 + 0.02 * rng.normal(size=T),
    "white noise": rng.normal(size=T),
    "random walk": np.cumsum(rng.normal(size=T)),
    "counts": rng.poisson(2.0, size=T).astype(float),
    "rare bursts": np.where(rng.random(T) < 0.02, 50.0, 0.0) + 0.01 * rng.normal(size=T),
    "huge units": 1e7 + 1e4 * np.sin(2 * np.pi * t / 80),
    "two channels": np.stack([np.sin(t / 9), np.cos(t / 9) + 0.1 * rng.normal(size=T)], 1),
    "flat stretches": np.where((t // 100) % 2 == 0, 5.0, 5 + np.sin(t / 5)),
}


def hosts(family, stride=13):
    series = from_array(FAMILIES[family])
    cut = sliding(series.values, L)[::stride].copy()
    return build_context(series), torch.from_numpy(cut), torch.arange(len(cut)) * stride


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(sorted(OPERATORS)), seed=st.integers(0, 2**31))
def test_gates_hold_for_every_sample(family, name, seed):
    context, windows, starts = hosts(family)
    assume(len(context.channels) > 1 or not OPERATORS[name].relational)
    before = windows.clone()
    pseudo, mask, rule_id = RuleBank(context=context, rules=[generic_rule(name)]).sample(
        windows, generator(seed), starts
    )
    assert torch.equal(windows, before), "hosts are not changed"
    assert torch.isfinite(pseudo).all()
    assert mask.any(dim=2).any(dim=1).all(), "no empty anomaly"
    assert torch.equal(pseudo[~mask], windows[~mask]), "bit-identical outside the mask"
    assert (pseudo[mask] != windows[mask]).all(), "the mask is exact"
    assert (rule_id == 0).all()
    change = (pseudo - windows).abs()
    rms = ((change**2).sum(2) / mask.sum(2).clamp(min=1)).sqrt()
    floor = torch.tensor(
        [max(MIN_EFFECT_RESIDUAL * c.residual_scale, MIN_EFFECT_SERIES * c.scale) for c in context.channels]
    )
    assert (rms >= 0.999 * floor).any(dim=1).all(), "no anomaly without an effect"
    for index, channel in enumerate(context.channels):
        values = pseudo[:, index][mask[:, index]]
        slack = 1e-4 * (channel.limit_high - channel.limit_low)
        assert (values >= channel.limit_low - slack).all() and (values <= channel.limit_high + slack).all()


SINGLE = [name for name, op in OPERATORS.items() if not op.relational]


@pytest.mark.parametrize("name", [name for name in SINGLE if not OPERATORS[name].jumps])
def test_borders_of_smooth_operators_jump_no_more_than_normal_data(name):
    context, windows, starts = hosts("noisy pulses", stride=5)
    pseudo, mask, _ = RuleBank(context=context, rules=[generic_rule(name)]).sample(windows, generator(0), starts)
    jump = (pseudo[:, :, 1:] - pseudo[:, :, :-1]).abs()
    normal = torch.maximum((windows[:, :, 1:] - windows[:, :, :-1]).abs(), torch.tensor(context.channels[0].step))
    border = mask[:, :, 1:] ^ mask[:, :, :-1]
    loud = (border & (jump > normal * 1.0001)).any(dim=2).any(dim=1)
    assert loud.float().mean() <= 0.05  # only where the last resort had to step in


def test_same_seed_same_anomalies_other_seed_others():
    context, windows, starts = hosts("sine")
    bank = generic_bank(context)
    first, again, other = (bank.sample(windows, generator(s), starts) for s in (5, 5, 6))
    assert torch.equal(first.pseudo, again.pseudo) and torch.equal(first.rule_id, again.rule_id)
    assert not torch.equal(first.pseudo, other.pseudo)


def test_weights_steer_which_rule_is_drawn():
    context, windows, starts = hosts("sine", stride=1)
    heavy = generic_rule("level_shift").model_copy(update={"weight": 9.0})
    bank = RuleBank(context=context, rules=[generic_rule("value_flip"), heavy])
    share = (bank.sample(windows, generator(0), starts).rule_id == 1).float().mean()
    assert 0.85 < share < 0.95


def test_phase_prior_is_kept():
    context, windows, starts = hosts("sine", stride=1)
    prior = ContextualPrior(phase=Range(low=0.9, high=1.1))
    rule = generic_rule("level_shift").model_copy(update={"context": prior})
    _, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(1), starts)
    first = mask[:, 0].float().argmax(dim=1)
    phase = ((starts + first) % context.period) / context.period
    distance = torch.minimum(phase, 1 - phase)
    assert (distance <= 0.1 + 3 / context.period).all()


def test_rules_bound_to_a_phase_need_starts():
    context, windows, _ = hosts("sine")
    bound = generic_rule("level_shift").model_copy(update={"context": ContextualPrior(phase=Range(low=0, high=0.2))})
    with pytest.raises(EmptyBankError):
        RuleBank(context=context, rules=[bound]).sample(windows, generator(0))
    both = RuleBank(context=context, rules=[bound, generic_rule("noise_burst")])
    assert (both.sample(windows, generator(0)).rule_id == 1).all()


def test_activity_regime_is_kept():
    context, windows, starts = hosts("flat stretches", stride=3)
    prior = ContextualPrior(activity=["high"])
    rule = generic_rule("level_shift").model_copy(update={"context": prior})
    _, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    allowed = allowed_starts(prior, context, windows, starts)
    possible = allowed[:, : L // 8].any(dim=1)  # there is room for the anomaly at an allowed start
    first = mask[:, 0].float().argmax(dim=1)
    inside = allowed[torch.arange(len(first)), first] | allowed[torch.arange(len(first)), (first - 1).clamp(min=0)]
    assert inside[possible].float().mean() > 0.95


def test_one_channel_only():
    context, windows, starts = hosts("two channels")
    rule = generic_rule("level_shift").model_copy(update={"context": ContextualPrior(channels=["channel1"])})
    _, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    assert not mask[:, 0].any() and mask[:, 1].any(dim=1).all()


def test_empty_bank_is_an_error():
    context, windows, _ = hosts("sine")
    with pytest.raises(EmptyBankError, match="no usable rule"):
        RuleBank(context=context).sample(windows, generator(0))


@pytest.mark.parametrize("family", ["sine", "noisy pulses", "white noise", "two channels"])
def test_augmentations_are_weaker_than_the_weakest_anomaly(family):
    context, windows, starts = hosts(family, stride=3)
    scale = torch.tensor([c.scale for c in context.channels]).view(1, -1, 1)

    def strength(changed):
        """Root mean square change at the best alignment within two samples: a tiny shift is no anomaly."""
        aligned = [torch.roll(changed, shift, dims=2)[:, :, 2:-2] - windows[:, :, 2:-2] for shift in range(-2, 3)]
        return torch.stack([((a / scale) ** 2).mean(dim=(1, 2)).sqrt() for a in aligned]).amin(0).median()

    weak = strength(augment(windows, generator(0), context))
    for name in OPERATORS if len(context.channels) > 1 else SINGLE:
        if not name.startswith("spike"):  # a point is small in the mean by nature
            bank = RuleBank(context=context, rules=[generic_rule(name)])
            assert strength(bank.sample(windows, generator(1), starts).pseudo) > weak, name


@pytest.mark.parametrize("name", [name for name, op in OPERATORS.items() if op.relational])
def test_a_relational_operator_leaves_a_channel_alone_and_keeps_each_channels_values(name):
    context, windows, starts = hosts("two channels")
    rule = generic_rule(name)
    rule = rule.model_copy(update={"context": rule.context.model_copy(update={"spread": "all"})})
    pseudo, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    assert (mask.any(dim=2).sum(dim=1) == 1).all()
    for channel in range(2):
        low, high = windows[:, channel].min(), windows[:, channel].max()
        assert (pseudo[:, channel] >= low - 0.05).all() and (pseudo[:, channel] <= high + 0.05).all()


def test_a_relational_rule_is_left_out_of_a_single_channel():
    context, windows, starts = hosts("sine")
    bank = RuleBank(context=context, rules=[generic_rule("channel_swap"), generic_rule("noise_burst")])
    assert (bank.sample(windows, generator(0), starts).rule_id == 1).all()


@pytest.mark.parametrize("name", ["cut_add_paste", "time_reverse", "phase_shift", "cycle_repeat"])
def test_what_falls_on_its_own_phase_is_no_anomaly(name):
    context, windows, starts = hosts("sine", stride=3)
    pseudo, mask, _ = RuleBank(context=context, rules=[generic_rule(name)]).sample(windows, generator(2), starts)
    period = context.period
    nearest = torch.full((len(windows),), torch.inf)
    for lag in (-period, 0, period):  # a sine is the same a period on
        rolled = torch.roll(windows, lag, 2)[:, :, period : L - period]
        inside = mask[:, :, period : L - period]
        away = (((pseudo[:, :, period : L - period] - rolled) ** 2 * inside).sum((1, 2)) / inside.sum((1, 2))).sqrt()
        nearest = torch.minimum(nearest, torch.where(inside.sum((1, 2)) > 5, away, torch.inf))
    assert (nearest > 0.05).float().mean() > 0.95


def test_creep_builds_up_over_its_share():
    context, windows, starts = hosts("white noise", stride=3)
    rule = generic_rule("level_shift").model_copy(update={"creep": Range(low=1, high=1)})
    pseudo, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    change, inside = (pseudo - windows).abs()[:, 0], mask[:, 0]
    length = inside.sum(1)
    first = inside.float().argmax(1)
    rows = torch.arange(len(first))
    early, late = change[rows, first + length // 4], change[rows, first + 3 * length // 4]
    assert (early[length > 20] < 0.5 * late[length > 20]).float().mean() > 0.9


def test_hours_are_kept_where_there_are_times():
    times = np.datetime64("2024-03-01T06:00") + np.arange(T) * np.timedelta64(30, "m")
    series = from_array(FAMILIES["white noise"], timestamps=times)
    windows = torch.from_numpy(sliding(series.values, L)[::7].copy())
    starts = torch.arange(len(windows)) * 7
    rule = generic_rule("level_shift").model_copy(update={"context": ContextualPrior(hours=Range(low=22, high=26))})
    _, mask, _ = RuleBank(context=build_context(series), rules=[rule]).sample(windows, generator(0), starts)
    hour = (6 + 0.5 * (starts + mask[:, 0].float().argmax(1))) % 24
    assert ((hour >= 22) | (hour <= 2)).all()


def test_distance_to_the_last_change_is_kept():
    values = 0.01 * np.random.default_rng(0).normal(size=T) + (np.arange(T) // 250 % 2)
    series = from_array(values)
    windows, starts = torch.from_numpy(sliding(series.values, L)[::3].copy()), torch.arange(0, T - L + 1, 3)
    prior = ContextualPrior(after_change=Range(low=5, high=15))
    rule = generic_rule("noise_burst").model_copy(update={"context": prior})
    _, mask, _ = RuleBank(context=build_context(series), rules=[rule]).sample(windows, generator(0), starts)
    holds_change = (starts % 250 > 250 - L // 2) & (starts + L < T)
    since = (starts + mask[:, 0].float().argmax(1)) % 250
    assert holds_change.sum() > 50 and ((since >= 5) & (since <= 17))[holds_change].float().mean() > 0.8
