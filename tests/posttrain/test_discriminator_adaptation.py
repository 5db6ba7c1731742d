"""Post-training with a bank: what is drawn, what is kept, and that the bank's rules are found better."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score as average_precision

from ape.posttrain.discriminator import adaptation
from ape.posttrain.discriminator.adaptation import Recipe, Rows, adapt, balanced, chosen_rows, contrast, draw_crops
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.discriminator.rules import BankDiscriminator, Question
from ape.posttrain.discriminator.scoring import known, log_odds, usual_odds
from ape.rules import broad_bank, build_context
from ape.rules.schema import ContextualPrior, ScalePrior
from ape.series import from_array

TRAINED = 1600


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(2400) / 40)
    values = np.stack([wave, 0.5 * wave], axis=1) + 0.1 * rng.standard_normal((2400, 2))
    return from_array(values.astype(np.float32), ["a", "b"], TRAINED)


@pytest.fixture(scope="module")
def bank(series):
    bank = broad_bank(build_context(series), ["level_shift", "noise_burst"])
    bank.rules[0].context = ContextualPrior(channels=["a"])
    bank.rules[0].scale = ScalePrior(low=0.2, high=0.4, unit="series_sd")
    bank.rules[1].scale = ScalePrior(low=0.1, high=0.2, unit="series_sd")
    return bank


@pytest.fixture(scope="module")
def quick():
    return Recipe(steps=40, frozen=5)


@pytest.fixture(scope="module", autouse=True)
def small_pool():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation, "STRETCHES", 40)
        patch.setattr(adaptation, "NORMALS", 20)
        yield


@pytest.fixture(scope="module")
def adapted(series, bank, quick):
    return adapt(load_pretrained(), series.train, bank, torch.Generator().manual_seed(0), quick)


def test_loss_on_held_out_rows_falls_and_normal_points_do_not_rise(adapted):
    _, report = adapted
    steps, losses, alarms = (list(column) for column in zip(*report["curve"], strict=True))
    assert steps == [0, 8, 16, 24, 32, 40]
    assert min(losses) < 0.8 * losses[0]
    assert steps[losses.index(min(losses))] == report["kept"]
    assert alarms[steps.index(report["kept"])] <= max(alarms[0], 0.01)


@pytest.mark.extended  # trains once more
def test_same_seed_same_weights(series, bank, quick, adapted):
    again, report = adapt(load_pretrained(), series.train, bank, torch.Generator().manual_seed(0), quick)
    assert report == adapted[1]
    assert all(
        torch.equal(x, y) for x, y in zip(again.state_dict().values(), adapted[0].state_dict().values(), strict=True)
    )


@pytest.mark.extended  # trains once more
def test_the_shipped_network_and_frozen_blocks_keep_their_weights(series, bank, quick, adapted):
    network = load_pretrained()
    adapt(network, series.train, bank, torch.Generator().manual_seed(0), quick)
    fresh, model = load_pretrained(), adapted[0]
    assert all(torch.equal(x, y) for x, y in zip(network.parameters(), fresh.parameters(), strict=True))
    first, last = model.network.blocks[quick.frozen - 1], model.network.blocks[quick.frozen]
    assert torch.equal(first.wide.weight, fresh.blocks[quick.frozen - 1].wide.weight)
    assert not torch.equal(last.wide.weight, fresh.blocks[quick.frozen].wide.weight)


def test_pseudo_anomalies_of_the_bank_are_found_better_than_without_training(series, bank, adapted):
    test = torch.from_numpy(series.values[TRAINED:].T.copy())
    hosts = test.unflatten(1, (-1, 200)).transpose(0, 1)
    sample = bank.sample(hosts, torch.Generator().manual_seed(1), TRAINED + 200 * torch.arange(len(hosts)))
    values, labels = series.values.copy(), sample.mask.any(1).flatten().numpy()
    values[TRAINED:] = sample.pseudo.transpose(0, 1).flatten(1).T.numpy()

    def precision(model):
        odds = log_odds(model, values, TRAINED, bank.context, factors=(1,))[1]
        return average_precision(labels, known(odds, model.weight, usual_odds(odds, TRAINED))[TRAINED:].numpy())

    before = BankDiscriminator(load_pretrained(), Question.of(bank)).eval()
    assert precision(adapted[0]) > precision(before) + 0.02


def test_without_steps_or_enough_data_nothing_changes(series, bank):
    for values, recipe in ((series.train, Recipe(steps=0)), (series.train[:200], Recipe())):
        model, report = adapt(load_pretrained(), values, bank, torch.Generator().manual_seed(0), recipe)
        assert report == {"curve": [], "kept": 0}
        assert (model.moved == 0).all()


def test_crops_overlap_the_anomaly():
    inside = torch.zeros(300, 256, dtype=torch.bool)
    inside[:100, 3:5] = True
    inside[100:200, 100:180] = True
    inside[200:, :] = True
    crop = draw_crops(inside, 64, torch.Generator().manual_seed(0))
    seen = inside.gather(1, crop[:, None] + torch.arange(64)).sum(1)
    assert (crop >= 0).all() and (crop <= 192).all()
    assert seen.tolist()[:100] == [2] * 100
    assert seen[100:200].min() >= 4
    assert seen[200:].min() == 64
    assert len(crop[100:200].unique()) > 50


def rows(rule, share):
    count = len(rule)
    nothing = torch.zeros(count, dtype=torch.int64)
    return Rows(torch.zeros(count, 1, 1), nothing, nothing, torch.tensor(rule), torch.tensor(share), nothing.bool())


def test_rules_and_branches_are_balanced():
    weights = balanced(rows([0, 0, 0, 1, 1, -1, -1], [[1.0], [1.0], [1.0], [0.2], [0.0], [0.0], [0.0]]))
    assert weights.tolist() == pytest.approx([0.275 / 3] * 3 + [0.275, 0.1, 0.175, 0.175])


def test_contrast_is_the_soft_cross_entropy_by_hand():
    odds = torch.tensor([[[0.0], [np.log(2.0)]]])  # one row, two rules, one point: chances 1/4, 1/4, 1/2
    loss = contrast(odds, rows([1], [[0.25]]))
    assert loss.tolist() == pytest.approx([-(0.75 * np.log(0.25) + 0.25 * np.log(0.5))])


def test_all_changed_channels_and_one_other_are_chosen():
    share = torch.zeros(3, 4, 2)
    share[0, 1:3, 0] = 1
    window, channel = chosen_rows(torch.tensor([5, 5, -1]), share, 100, torch.Generator().manual_seed(0))
    assert (window == 0).sum() == 3
    assert {1, 2} < set(channel[window == 0].tolist())
    assert (window == 1).sum() == 1
    assert (window == 2).sum() == 4
