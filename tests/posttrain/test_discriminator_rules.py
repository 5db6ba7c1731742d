"""What the rules of a bank say, and the prototypes that they start from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ape.posttrain.discriminator.inputs import INPUTS
from ape.posttrain.discriminator.network import NAMES, RuleDiscriminator, condition
from ape.posttrain.discriminator.rules import BankDiscriminator, Question, generic_discriminator
from ape.rules import broad_bank, build_context
from ape.rules.schema import ContextualPrior, Response, Step
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


def test_benign_rules_and_other_anomalies_are_asked_for_after_the_rules(bank):
    benign = [rule.model_copy(update={"id": f"benign-{rule.id}", "weight": 2.0}) for rule in bank.rules[:2]]
    question, plain = Question.of(bank.model_copy(update={"benign": benign})), Question.of(bank)
    assert (question.rules, question.benign, plain.rules, plain.benign) == (3, 2, 3, 0)
    assert question.weight.tolist() == pytest.approx([0.2, 0.6, 0.2, 0.5, 0.5, 1.0])
    assert torch.equal(question.operator[:3], plain.operator) and question.rule[:5].tolist() == [0, 1, 2, 3, 4]
    others = question.operator[question.rule == 5]
    assert len(others) == len(broad_bank(bank.context).rules) and question.size[5:].isnan().all()
    assert question.channels[3].tolist() == [False, True] and question.channels[5].all()
    model = BankDiscriminator(RuleDiscriminator(), question).eval()
    assert model.log_odds(torch.randn(1, 2, INPUTS, 64), 1).shape == (1, 2, 6, 64)


def test_a_rule_of_the_process_may_change_the_channels_that_follow(bank):
    first = bank.context.channels[0].model_copy(update={"responses": []})
    second = bank.context.channels[1].model_copy(update={"responses": [Response(channel="a", slope=1.0)]})
    context = bank.context.model_copy(update={"channels": [first, second]})
    for acts_on in ("sensor", "process"):
        rule = bank.rules[0].model_copy(update={"acts_on": acts_on})
        question = Question.of(bank.model_copy(update={"rules": [rule], "context": context}))
        assert question.channels.tolist() == [[acts_on == "process", True]]


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


def test_rules_count_less_at_channels_that_they_do_not_name():
    """The first rule names one channel of four, so that the other three have a tenth of its anomalies each."""
    rng = np.random.default_rng(1)
    wide = from_array(rng.standard_normal((2400, 4)).astype(np.float32), list("abcd"), 1600)
    bank = broad_bank(build_context(wide), ["level_shift", "flatline_hold"])
    bank.rules[0].context = ContextualPrior(channels=["b"])
    less = np.log(7)  # .7 to .1
    assert Question.of(bank).handicap().tolist() == [pytest.approx([less, 0, less, less]), [0] * 4]
    bank.rules[1].context = ContextualPrior(channels=["a", "b", "c"])
    assert Question.of(bank).handicap()[1].tolist() == [0, 0, 0, 0]  # .3 in "d" would be more than .7 / 3
    bank = bank.model_copy(update={"benign": bank.rules[:1]})
    assert Question.of(bank).handicap()[2:].tolist() == [[np.inf, 0, np.inf, np.inf], [0] * 4]  # benign, and any other
    torch.manual_seed(0)
    network, seen = RuleDiscriminator(), torch.randn(2, 4, INPUTS, 64)
    question = Question.of(bank)
    anywhere = replace(question, channels=torch.ones_like(question.channels))
    own, every = (BankDiscriminator(network, each).eval().log_odds(seen, 1) for each in (question, anywhere))
    assert own.shape == (2, 4, 4, 64)
    np.testing.assert_allclose(own.detach(), every.detach() - question.handicap().T[..., None], rtol=1e-5)


def test_the_generic_discriminator_asks_for_every_operator(series):
    model = generic_discriminator(RuleDiscriminator(), build_context(series))
    assert [NAMES[k] for k in model.question.operator] == list(NAMES)
    assert not model.training
