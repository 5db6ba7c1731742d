"""Scores of a bank without training: what a rule says, mixtures and posteriors by hand."""

import math

import numpy as np
import pytest
import torch

from ape.core.errors import InputError
from ape.posttrain.discriminator.network import NAMES, RuleDiscriminator, condition
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.discriminator.rules import BankDiscriminator, Question, generic_discriminator
from ape.posttrain.discriminator.scoring import evidence, known, log_odds, posterior, together, usual_odds
from ape.rules import broad_bank, build_context
from ape.rules.schema import ContextualPrior, Step
from ape.series import from_array


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(2400) / 40)
    values = np.stack([wave, -wave], axis=1) + 0.1 * rng.standard_normal((2400, 2))
    return from_array(values.astype(np.float32), ["a", "b"], 1600)


@pytest.fixture(scope="module")
def bank(series):
    bank = broad_bank(build_context(series), ["level_shift", "flatline_hold", "channel_lag"])
    bank.rules[0].context = ContextualPrior(channels=["b"])
    bank.rules[1].weight = 3.0
    return bank


def test_question_reads_the_rules(bank):
    question = Question.of(bank)
    assert [NAMES[k] for k in question.operator] == ["level_shift", "flatline_hold", "channel_lag"]
    assert question.channels.tolist() == [[False, True], [True, True], [True, True]]
    assert question.weight.tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert question.length[0].tolist() == pytest.approx([10, 80])  # a quarter to two periods of 40
    assert question.size[0].tolist() == pytest.approx([0.75, 3.0])
    assert question.creep.isnan().all()


def test_what_is_unsaid_does_not_move_a_prototype():
    torch.manual_seed(0)
    network = RuleDiscriminator()
    network.shift.data.normal_()
    nothing = condition(torch.full((1, 2), torch.nan), torch.full((1, 2), torch.nan), torch.tensor([torch.nan]))
    something = condition(torch.tensor([[1.0, 2.0]]), torch.full((1, 2), torch.nan), torch.tensor([torch.nan]))
    operator = torch.tensor([4])
    assert torch.equal(network.rule_prototypes(operator, nothing)[0], network.prototypes[operator])
    assert not torch.allclose(network.rule_prototypes(operator, something)[0], network.prototypes[operator])


def test_the_prototype_of_a_program_is_the_mean_of_its_operators(series):
    torch.manual_seed(0)
    bank = broad_bank(build_context(series), ["level_shift", "flatline_hold"])
    bank.rules[1].program = [Step(operator="level_shift"), Step(operator="noise_burst")]
    network = RuleDiscriminator()
    prototypes, bias = BankDiscriminator(network, Question.of(bank, say=False)).prototypes(2)
    shift, burst = (network.prototypes[NAMES.index(name)] for name in ("level_shift", "noise_burst"))
    assert torch.allclose(prototypes, torch.stack([shift, (shift + burst) / 2]))
    assert bias.tolist() == pytest.approx([-3, -3])


def test_known_is_the_mixture_by_hand():
    odds = torch.tensor([[[-torch.inf, 1.0, 0.0], [2.0, 0.0, -1.0]]])  # one sample, channels a and b
    weight = torch.tensor([0.2, 0.6, 0.2])
    expected = math.log(0.2 * math.exp(2 - 1) + 0.6 * math.exp(1 + 3) + 0.2 * math.exp(0 - 0))
    assert known(odds, weight, torch.tensor([1.0, -3.0, 0.0])).tolist() == pytest.approx([expected])


def test_evidence_of_operators_that_no_rule_names_counts_less():
    bank, generic = torch.tensor([2.0, -50.0]), torch.tensor([3.0, 4.0])
    assert together(bank, generic).tolist() == pytest.approx([2 + math.log(2), 3])


def test_usual_odds_are_the_99_percent_quantile_of_the_training_part():
    odds = torch.stack([torch.arange(200.0), torch.full((200,), 50.0)], 1)[:, :, None]  # one rule, two channels
    assert usual_odds(odds, 101).tolist() == [99]
    assert usual_odds(odds[torch.randperm(200, generator=torch.Generator().manual_seed(0))], 200).tolist() == [197]


def test_posterior_adds_up_and_follows_the_odds():
    odds = torch.tensor([[[-torch.inf, 0.0, 0.0], [20.0, 0.0, 0.0]]])
    probability = posterior(odds, torch.tensor([0.2, 0.6, 0.2]))
    assert probability.sum(2).tolist() == [pytest.approx([1, 1])]
    assert probability[0, 0, 0] > 0.98
    assert probability[0, 0, 1] == 0
    assert probability[0, 1, 1] > 0.99


def test_log_odds_cover_every_sample_and_see_only_the_past_and_the_training_part(series, bank):
    torch.manual_seed(0)
    model = BankDiscriminator(RuleDiscriminator(), Question.of(bank))
    odds = log_odds(model, series.values, 1600, bank.context, factors=(1, 2, 64))
    assert set(odds) == {1, 2}  # the training part is too short for 64
    named = torch.tensor([[False, True, True], [True, True, True]])  # the first rule does not name channel a
    assert all(x.shape == (2400, 2, 3) and (x.isfinite() == named).all() for x in odds.values())
    changed = series.values.copy()
    changed[2300:] += 5
    other = log_odds(model, changed, 1600, bank.context, factors=(1, 2))
    assert torch.allclose(odds[1][: 2300 - 128], other[1][: 2300 - 128], atol=1e-3)
    assert not torch.allclose(odds[1][2300:], other[1][2300:], atol=1e-3)


def test_evidence_of_all_operators_covers_every_sample_and_finds_a_spike(series):
    model = generic_discriminator(load_pretrained(), build_context(series))
    assert len(model.weight) == len(NAMES)
    values = series.values.copy()
    values[2000, 0] += 4
    scores = evidence(model, values, 1600, build_context(series))
    assert scores.shape == (2400,) and scores.isfinite().all()
    assert abs(int(scores[1600:].argmax()) - 400) <= 2


def test_a_training_part_that_is_too_short_is_refused(series, bank):
    model = BankDiscriminator(load_pretrained(), Question.of(bank))
    with pytest.raises(InputError, match="300 training points are too few"):
        evidence(model, series.values, 300, bank.context)
