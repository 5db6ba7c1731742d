"""Sampling: the gates, for every operator and kind of series, and the choice of rules."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ape.rules import OPERATORS, EmptyBankError, RuleBank, broad_bank, broad_rule
from ape.rules.sampling import MIN_EFFECT_RESIDUAL, MIN_EFFECT_SERIES
from ape.rules.schema import Context, ContextualPrior, Range, Response, ScalePrior

FAMILIES = [
    "sine", "noisy pulses", "white noise", "random walk", "counts", "rare bursts", "huge units", "two channels",
    "flat stretches",
]  # fmt: skip
# Changed values, sum of rule times window, and sum of the changes in robust sd: of the broad bank before rules had
# directions, weekdays and responses, which must not change what older banks make.
BEFORE = {
    "sine": (4052, 59730, -340.82901),
    "noisy pulses": (4435, 59730, 1101.93887),
    "white noise": (2938, 59730, -0.12188),
    "random walk": (3148, 59730, 36.97027),
    "counts": (2708, 59730, 30.25199),
    "rare bursts": (3031, 59730, 2748.25961),
    "huge units": (5973, 59730, -18048.49834),
    "two channels": (6320, 65462, 537.66364),
    "flat stretches": (7425, 59730, -4054.45448),
}
SMOOTH = [name for name, op in OPERATORS.items() if not op.relational and not op.jumps]
RELATIONAL = [name for name, op in OPERATORS.items() if op.relational]


def test_every_family_is_sampled(families):
    assert list(families) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(sorted(OPERATORS)), seed=st.integers(0, 2**31))
def test_every_sample_passes_the_gates(hosts, generator, family, name, seed):
    context, windows, starts = hosts(family)
    assume(len(context.channels) > 1 or not OPERATORS[name].relational)
    before = windows.clone()
    pseudo, mask, rule_id = RuleBank(context=context, rules=[broad_rule(name)]).sample(windows, generator(seed), starts)
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


@pytest.mark.parametrize("name", SMOOTH)
def test_borders_of_smooth_operators_jump_no_more_than_normal_data(hosts, generator, name):
    context, windows, starts = hosts("noisy pulses", stride=5)
    pseudo, mask, _ = RuleBank(context=context, rules=[broad_rule(name)]).sample(windows, generator(0), starts)
    jump = (pseudo[:, :, 1:] - pseudo[:, :, :-1]).abs()
    normal = torch.maximum((windows[:, :, 1:] - windows[:, :, :-1]).abs(), torch.tensor(context.channels[0].step))
    border = mask[:, :, 1:] ^ mask[:, :, :-1]
    loud = (border & (jump > normal * 1.0001)).any(dim=2).any(dim=1)
    assert loud.float().mean() <= 0.05  # only for the fallback bump


@pytest.mark.parametrize("name", ["cut_add_paste", "time_reverse", "phase_shift", "cycle_repeat"])
def test_anomalies_differ_from_the_host_one_period_away(hosts, generator, name):
    context, windows, starts = hosts("sine", stride=3)
    pseudo, mask, _ = RuleBank(context=context, rules=[broad_rule(name)]).sample(windows, generator(2), starts)
    period, length = context.period, windows.shape[2]
    inner = slice(period, length - period)
    nearest = torch.full((len(windows),), torch.inf)
    for lag in (-period, 0, period):
        rolled = torch.roll(windows, lag, 2)[:, :, inner]
        inside = mask[:, :, inner]
        distance = (((pseudo[:, :, inner] - rolled) ** 2 * inside).sum((1, 2)) / inside.sum((1, 2))).sqrt()
        nearest = torch.minimum(nearest, torch.where(inside.sum((1, 2)) > 5, distance, torch.inf))
    assert (nearest > 0.05).float().mean() > 0.95


def test_creep_builds_up_over_its_share(hosts, generator):
    context, windows, starts = hosts("white noise", stride=3)
    rule = broad_rule("level_shift").model_copy(update={"creep": Range(low=1, high=1)})
    pseudo, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    change, inside = (pseudo - windows).abs()[:, 0], mask[:, 0]
    length = inside.sum(1)
    first = inside.float().argmax(1)
    rows = torch.arange(len(first))
    early, late = change[rows, first + length // 4], change[rows, first + 3 * length // 4]
    assert (early[length > 20] < 0.5 * late[length > 20]).float().mean() > 0.9


def test_the_seed_determines_the_anomalies(hosts, generator):
    context, windows, starts = hosts("sine")
    bank = broad_bank(context)
    first, again, other = (bank.sample(windows, generator(seed), starts) for seed in (5, 5, 6))
    assert torch.equal(first.pseudo, again.pseudo) and torch.equal(first.rule_id, again.rule_id)
    assert not torch.equal(first.pseudo, other.pseudo)


def test_rules_are_drawn_by_weight(hosts, generator):
    context, windows, starts = hosts("sine", stride=1)
    heavy = broad_rule("level_shift").model_copy(update={"weight": 9.0})
    bank = RuleBank(context=context, rules=[broad_rule("value_flip"), heavy])
    share = (bank.sample(windows, generator(0), starts).rule_id == 1).float().mean()
    assert 0.85 < share < 0.95


def test_rules_with_a_phase_prior_need_starts(hosts, generator):
    context, windows, _ = hosts("sine")
    bound = broad_rule("level_shift").model_copy(update={"context": ContextualPrior(phase=Range(low=0, high=0.2))})
    with pytest.raises(EmptyBankError):
        RuleBank(context=context, rules=[bound]).sample(windows, generator(0))
    both = RuleBank(context=context, rules=[bound, broad_rule("noise_burst")])
    assert (both.sample(windows, generator(0)).rule_id == 1).all()


def test_an_empty_bank_is_refused(hosts, generator):
    context, windows, _ = hosts("sine")
    with pytest.raises(EmptyBankError, match="no usable rule"):
        RuleBank(context=context).sample(windows, generator(0))


@pytest.mark.parametrize("name", RELATIONAL)
def test_relational_operators_leave_one_channel_unchanged_and_keep_the_range(hosts, generator, name):
    context, windows, starts = hosts("two channels")
    rule = broad_rule(name)
    rule = rule.model_copy(update={"context": rule.context.model_copy(update={"spread": "all"})})
    pseudo, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    assert (mask.any(dim=2).sum(dim=1) == 1).all()
    for channel in range(2):
        low, high = windows[:, channel].min(), windows[:, channel].max()
        assert (pseudo[:, channel] >= low - 0.05).all() and (pseudo[:, channel] <= high + 0.05).all()


def test_relational_rules_are_left_out_for_a_single_channel(hosts, generator):
    context, windows, starts = hosts("sine")
    bank = RuleBank(context=context, rules=[broad_rule("channel_swap"), broad_rule("noise_burst")])
    assert (bank.sample(windows, generator(0), starts).rule_id == 1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_older_banks_make_the_same_anomalies(hosts, generator, family):
    context, windows, starts = hosts(family)
    pseudo, mask, rule_id = broad_bank(context).sample(windows, generator(7), starts)
    scale = torch.tensor([channel.scale for channel in context.channels])[None, :, None]
    changed, rules, change = BEFORE[family]
    # Processors round differently, which can move an anomaly that starts at the edge of where it may.
    assert int(mask.sum()) == pytest.approx(changed, rel=1e-3)
    assert int((rule_id * torch.arange(len(windows))).sum()) == rules
    assert float(((pseudo - windows) / scale).double().sum()) == pytest.approx(change, rel=0.05, abs=0.1)


@pytest.mark.parametrize("name", ["level_shift", "trend_drift", "spike_global"])
@pytest.mark.parametrize(("direction", "sign"), [("up", 1), ("down", -1)])
def test_direction_of_the_change(hosts, generator, name, direction, sign):
    context, windows, starts = hosts("white noise", stride=3)
    rule = broad_rule(name)
    rule = rule.model_copy(update={"scale": rule.scale.model_copy(update={"direction": direction})})
    pseudo, mask, _ = RuleBank(context=context, rules=[rule]).sample(windows, generator(0), starts)
    assert (sign * (pseudo - windows)[mask] > 0).float().mean() > 0.98  # all but fallback bumps
    either, _, _ = RuleBank(context=context, rules=[broad_rule(name)]).sample(windows, generator(0), starts)
    upwards = ((either - windows).sum((1, 2)) > 0).float().mean()
    assert 0.3 < upwards < 0.7


def process_rule(**update):
    """A level shift of two units up in the first channel."""
    rule = broad_rule("level_shift")
    prior = rule.context.model_copy(update={"channels": ["channel0"], "spread": "one"})
    scale = ScalePrior(low=2, high=2, unit="data", direction="up")
    return rule.model_copy(update={"context": prior, "scale": scale, "acts_on": "process"} | update)


def with_responses(context: Context, *responses: Response) -> Context:
    first = context.channels[0].model_copy(update={"responses": list(responses)})
    return context.model_copy(update={"channels": [first, *context.channels[1:]]})


def test_other_channels_follow_a_fault_of_the_process(hosts, generator):
    context, windows, starts = hosts("two channels")
    context = with_responses(context, Response(channel="channel1", slope=-0.25, lag=3))
    bank = RuleBank(context=context, rules=[process_rule()])
    pseudo, mask, _ = bank.sample(windows, generator(0), starts)
    change = (pseudo - windows).double()
    follow = torch.nn.functional.pad(change[:, 0, :-3], (3, 0)) * -0.25
    limits = context.channels[1]
    followed = (windows[:, 1] + follow).clamp(limits.limit_low, limits.limit_high)
    torch.testing.assert_close(pseudo[:, 1].double(), followed, atol=1e-5, rtol=0)
    assert mask[:, 1].any(dim=1).all()


def test_a_fault_of_the_sensor_leaves_other_channels_alone(hosts, generator):
    context, windows, starts = hosts("two channels")
    context = with_responses(context, Response(channel="channel1", slope=-0.25))
    own = [
        RuleBank(context=context, rules=[process_rule(acts_on=acts_on)]).sample(windows, generator(0), starts)
        for acts_on in ("sensor", "process")
    ]
    assert not own[0].mask[:, 1].any() and own[1].mask[:, 1].any()
    assert torch.equal(own[0].pseudo[:, 0], own[1].pseudo[:, 0])
