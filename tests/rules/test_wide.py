"""Rules of a wide series: they name groups, change one group at a time, and are checked on some channels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ape.core.errors import InputError
from ape.rules import RuleBank, broad_bank, broad_rule, build_context
from ape.rules.check import discriminability
from ape.rules.hosts import draw_hosts
from ape.rules.naming import STUDIED, channel_indices, named_channels, narrowed, studied_channels
from ape.rules.schema import ContextualPrior
from ape.series import from_array
from ape.series.windows import sliding

SIZES = (10, 8, 6)


@pytest.fixture(scope="module")
def series():
    rng, t = np.random.default_rng(0), np.arange(1500)
    columns = []
    for number, size in enumerate(SIZES):
        load = np.sin(2 * np.pi * t / (40 + 15 * number)) + np.repeat(rng.normal(size=150), 10)
        columns += [(k + 1) * (load + 0.1 * rng.normal(size=len(t))) for k in range(size)]
    columns.append(rng.normal(size=len(t)))
    return from_array(np.stack(columns, axis=1))


@pytest.fixture(scope="module")
def context(series):
    return build_context(series)


@pytest.fixture(scope="module")
def windows(series):
    return torch.from_numpy(sliding(series.values, 100)[::40].copy())


def rule(operator="level_shift", **prior):
    return broad_rule(operator).model_copy(update={"context": ContextualPrior(**prior)})


def members(context, group):
    return [channel.name in context.groups[group].channels for channel in context.channels]


def test_the_context_has_the_groups_and_json_keeps_them(context):
    assert [len(group.channels) for group in context.groups] == list(SIZES)
    bank = RuleBank(context=context, rules=[rule(groups=[context.groups[1].name])])
    again = RuleBank.model_validate_json(bank.to_json())
    assert again.context.groups == context.groups and again.rules[0].context.groups == [context.groups[1].name]


def test_a_bank_without_groups_is_as_before(hosts):
    context, _, _ = hosts("two channels")
    plain = json.loads(RuleBank(context=context, rules=[rule()]).to_json())
    assert "groups" not in plain["context"] and "groups" not in plain["rules"][0]["context"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bank: bank["rules"][0]["context"].update(groups=["g9"]), r"unknown groups \['g9'\]; there are g1"),
        (lambda bank: bank["context"]["groups"][0]["channels"].append("x"), r"unknown channels \['x'\]"),
        (lambda bank: bank["context"]["groups"][0].update(representative="x"), "'x' is not among"),
        (lambda bank: bank["context"]["groups"].append(bank["context"]["groups"][0]), "in two"),
    ],
)
def test_wrong_groups_are_refused_with_one_line(context, tmp_path, change, message):
    bank = json.loads(RuleBank(context=context, rules=[rule()]).to_json())
    change(bank)
    (tmp_path / "bank.json").write_text(json.dumps(bank))
    with pytest.raises(InputError, match=message) as refused:
        RuleBank.load(tmp_path / "bank.json")
    assert "\n" not in str(refused.value)


def test_a_series_without_groups_says_so(hosts):
    context, _, _ = hosts("two channels")
    with pytest.raises(ValidationError, match="has no groups"):
        RuleBank(context=context, rules=[rule(groups=["g1"])])


def test_names_of_groups_and_channels_add_up(context):
    first, second = context.groups[:2]
    prior = ContextualPrior(channels=[second.channels[0], first.channels[0]], groups=[first.name])
    assert set(named_channels(prior, context)) == {second.channels[0], *first.channels}
    assert len(channel_indices(prior, context)) == 1 + len(first.channels)
    assert named_channels(ContextualPrior(), context) == []


@pytest.mark.parametrize("spread", ["one", "some", "all"])
def test_a_rule_that_names_a_group_changes_it_alone(context, windows, generator, spread):
    bank = RuleBank(context=context, rules=[rule(groups=[context.groups[1].name], spread=spread)])
    pseudo, mask, _ = bank.sample(windows, generator(0))
    changed, own = mask.any(2), torch.tensor(members(context, 1))
    assert changed.any(1).all() and not changed[:, ~own].any()
    assert torch.equal(pseudo[~mask], windows[~mask])
    counts = {"one": 1, "all": SIZES[1]}
    assert spread == "some" or (changed.sum(1) == counts[spread]).all()


@pytest.mark.parametrize("operator", ["level_shift", "channel_lag", "channel_swap", "dropout_zero"])
def test_without_names_the_channels_of_an_anomaly_are_of_one_group(context, windows, generator, operator):
    bank = RuleBank(context=context, rules=[rule(operator, spread="some")])
    pseudo, mask, _ = bank.sample(windows, generator(0))
    changed = mask.any(2)
    groups = torch.tensor([members(context, k) for k in range(len(SIZES))])
    assert torch.equal(pseudo[~mask], windows[~mask]) and changed.any(1).all()
    for row in changed:
        assert int(row.sum()) == 1 or any(not row[~group].any() for group in groups)
    assert (changed.sum(1) > 1).any()


def test_the_draws_are_reproducible_and_every_operator_works(context, windows, generator):
    bank = broad_bank(context)
    once, again = (bank.sample(windows, generator(3)) for _ in range(2))
    assert torch.equal(once.pseudo, again.pseudo)
    assert once.mask.any(2).any(1).all() and once.pseudo.isfinite().all()


def test_the_others_follow_a_change_of_the_process(context, windows, generator):
    process = rule(groups=[context.groups[0].name], spread="one").model_copy(update={"acts_on": "process"})
    _, mask, _ = RuleBank(context=context, rules=[process]).sample(windows, generator(0))
    changed = mask.any(2)
    assert (changed.sum(1) > 1).all() and not changed[:, ~torch.tensor(members(context, 0))].any()


def test_few_channels_stand_for_all(context):
    every = studied_channels(ContextualPrior(), context)
    assert len(every) == STUDIED == len(set(every))
    names = {context.channels[column].name for column in every}
    assert all(group.representative in names for group in context.groups)
    named = studied_channels(ContextualPrior(groups=[group.name for group in context.groups[:2]]), context)
    assert len(named) == STUDIED and not set(named) - set(range(sum(SIZES[:2])))
    assert studied_channels(ContextualPrior(channels=[context.channels[3].name]), context) == [3]


def test_a_narrowed_rule_is_valid_with_its_context(context):
    for prior in ({}, {"groups": [context.groups[0].name]}, {"channels": [context.channels[2].name]}):
        narrow, part, columns = narrowed(rule("channel_lag", **prior), context)
        RuleBank.model_validate_json(RuleBank(context=part, rules=[narrow]).to_json())
        assert [channel.name for channel in part.channels] == [context.channels[column].name for column in columns]
        assert len(columns) > 1


def test_a_rule_for_one_group_is_checked_there(series, context):
    hosts = draw_hosts(series, context, seed=0)
    rules = [
        rule(groups=[context.groups[1].name], spread="some"),
        rule("channel_swap", spread="some"),
        rule("noise_burst", channels=[context.channels[-1].name]),
    ]
    figures = discriminability(rules, [], context, hosts)
    assert all(figures[each.id]["placed"] == 1.0 and figures[each.id]["own"] > 0.5 for each in rules)
    assert figures["level_shift"]["visible"] > 0.8
