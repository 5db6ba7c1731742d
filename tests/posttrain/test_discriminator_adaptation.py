"""Post-training with a bank: what is drawn, what is kept, what stays as it was, and that rules are found better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score as average_precision

import ape.detectors
from ape.core.errors import InputError
from ape.detectors.registry import BACKBONES
from ape.detectors.schedule import Budget
from ape.posttrain.backbone_inputs import BACKBONE_INPUTS
from ape.posttrain.discriminator import branches
from ape.posttrain.discriminator.adaptation import adapt, no_inputs
from ape.posttrain.discriminator.branches import Rows, chosen_rows, draw_branches, draw_crops
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.discriminator.rules import BankDiscriminator, Question
from ape.posttrain.discriminator.training import NotFiniteError, PostTraining, balanced, contrast
from ape.posttrain.normal_part import NormalPart
from ape.posttrain.recipe import Recipe
from ape.rules import broad_bank, build_context
from ape.rules.schema import ContextualPrior, ScalePrior
from ape.series import from_array

TRAINED, WINDOW = 2000, 32
QUICK = Recipe(steps=30, joint_steps=5, rate=1e-2, anchor=0.0)


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(3000) / 40)
    values = np.stack([wave, 0.5 * wave], axis=1) + 0.1 * rng.standard_normal((3000, 2))
    return from_array(values.astype(np.float32), ["a", "b"], TRAINED)


@pytest.fixture(scope="module")
def normal(series):
    return NormalPart(series.train, [(0, TRAINED)], [(0, TRAINED)])


@pytest.fixture(scope="module")
def bank(series):
    bank = broad_bank(build_context(series), ["level_shift", "noise_burst"])
    bank.rules[0].context = ContextualPrior(channels=["a"])
    bank.rules[0].scale = ScalePrior(low=0.2, high=0.4, unit="series_sd")
    bank.rules[1].scale = ScalePrior(low=0.1, high=0.2, unit="series_sd")
    return bank


def trained(name, series, steps):
    detector = ape.detectors.create(name, window=WINDOW, device="cpu")
    detector.budget = Budget(steps=steps, batch=32, check_every=steps)
    return detector.fit(series)


@pytest.fixture(scope="module")
def detector(series):
    return trained("vae", series, 60)


@pytest.fixture(scope="module", autouse=True)
def small_pool():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branches, "STRETCHES", 30)
        patch.setattr(branches, "NORMALS", 16)
        yield


def run(normal, bank, backbone, recipe=QUICK, **options):
    return adapt(load_pretrained(), normal, bank, backbone, torch.Generator().manual_seed(0), recipe, **options)


def tensors(adapted):
    parts = [adapted.model] if adapted.backbone is None else [adapted.model, adapted.backbone.module]
    return [tensor.clone() for part in parts for tensor in part.state_dict().values()]


def same(one, other):
    return len(one) == len(other) and all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def adapted(normal, bank, detector):
    return run(normal, bank, detector)


def test_held_out_loss_falls_and_the_best_check_is_kept(adapted):
    curve = adapted.report["curve"]
    assert [check["step"] for check in curve] == [0, 6, 12, 18, 24, 30, 31, 32, 33, 34, 35]
    judged = [check["reconstruction"] + QUICK.weight * check["loss"] for check in curve]
    kept = [check["step"] for check in curve].index(adapted.report["kept"])
    assert judged[kept] == pytest.approx(min(judged), abs=2e-5)
    assert curve[kept]["loss"] < 0.8 * curve[0]["loss"]
    assert curve[kept]["normal_above_zero"] <= max(curve[0]["normal_above_zero"], 0.01)


def test_the_error_of_the_backbone_is_the_same_until_it_learns(adapted):
    errors = [check["reconstruction"] for check in adapted.report["curve"]]
    assert len(set(errors[:6])) == 1
    assert len(set(errors[6:])) > 1


def test_rules_of_the_bank_are_found_better_than_without_post_training(series, bank, normal):
    """On pseudo-anomalies in data after the training part."""
    later = NormalPart(series.values[TRAINED - 600 :], [(0, 1600)], [(0, 1600)])
    before = BankDiscriminator(load_pretrained(), Question.of(bank)).eval()
    drawn = draw_branches(before, no_inputs, later, bank, torch.Generator().manual_seed(1))

    def precision(model):
        with torch.no_grad():
            odds = PostTraining(model, drawn, QUICK, 0, None).log_odds(drawn.rows)
        return average_precision(drawn.rows.share.flatten() > 0.5, odds.logsumexp(1).flatten())

    after = run(normal, bank, None).model
    assert precision(after) > precision(before) + 0.02


def test_a_fresh_adapter_changes_no_bit(bank):
    plain = BankDiscriminator(load_pretrained(), Question.of(bank)).eval()
    extended = BankDiscriminator(load_pretrained(), Question.of(bank), BACKBONE_INPUTS).eval()
    seen = torch.randn(3, 2, 19 + BACKBONE_INPUTS, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = plain.log_odds(seen[:, :, :19], 2)
        assert torch.equal(extended.log_odds(seen, 2), expected)
        assert torch.equal(plain.log_odds(seen, 2), expected)  # further inputs are ignored
        assert torch.equal(extended.log_odds_of(extended.trunk(seen), seen, extended.prototypes(2)), expected)


def test_the_adapter_uses_what_the_backbone_says(adapted):
    seen = torch.randn(1, 2, 19 + BACKBONE_INPUTS, 64, generator=torch.Generator().manual_seed(0))
    silent = torch.cat([seen[:, :, :19], torch.zeros_like(seen[:, :, 19:])], 2)
    with torch.no_grad():
        assert not torch.equal(adapted.model.log_odds(seen, 1), adapted.model.log_odds(silent, 1))


def test_inputs_and_the_trunk_are_never_changed(normal, bank, detector):
    network, before = load_pretrained(), {k: v.clone() for k, v in detector.module.state_dict().items()}
    detector.module.train()
    result = adapt(network, normal, bank, detector, torch.Generator().manual_seed(0), replace(QUICK, steps=5))
    assert detector.module.training
    detector.module.eval()
    assert all(torch.equal(before[name], tensor) for name, tensor in detector.module.state_dict().items())
    assert same([*network.state_dict().values()], [*load_pretrained().state_dict().values()])
    for part in ("enter", "blocks"):
        kept = getattr(result.model.network, part).state_dict().values()
        assert same([*kept], [*getattr(network, part).state_dict().values()])


class Killed(Exception):
    pass


@pytest.mark.parametrize("call", [3, 8])  # on stored rows, and in joint steps
def test_resumed_equals_uninterrupted(normal, bank, detector, adapted, tmp_path, call):
    calls = iter(range(1, 100))

    def progress(step, done, total, note=""):
        assert (step, total) == ("post-training", 35)
        if next(calls) == call:
            raise Killed

    with pytest.raises(Killed):
        run(normal, bank, detector, progress=progress, checkpoint=tmp_path / "state")
    again = run(normal, bank, detector, checkpoint=tmp_path / "state")
    assert same(tensors(again), tensors(adapted))
    assert {**again.report, "seconds": 0} == {**adapted.report, "seconds": 0}


def test_a_checkpoint_of_another_post_training_is_refused(normal, bank, detector, tmp_path):
    quick = replace(QUICK, steps=2, joint_steps=0)
    run(normal, bank, detector, quick, checkpoint=tmp_path / "state")
    with pytest.raises(InputError, match="belongs to another"):
        run(normal, bank, detector, replace(quick, rate=1e-3), checkpoint=tmp_path / "state")


@pytest.mark.parametrize("broken", [{"rate": float("inf")}, {"steps": 0, "backbone_rate": float("inf")}])
def test_not_finite_is_an_error(normal, bank, detector, broken):
    before = [tensor.clone() for tensor in detector.module.state_dict().values()]
    with pytest.raises(NotFiniteError, match="step"):
        run(normal, bank, detector, replace(QUICK, **broken))
    assert same(before, [*detector.module.state_dict().values()])


def test_without_steps_or_enough_data_nothing_changes(normal, bank, detector):
    none = Recipe(steps=0, joint_steps=0)
    for part, recipe in ((normal, none), (NormalPart(normal.values[:100], [(0, 100)], [(0, 100)]), QUICK)):
        result = run(part, bank, detector, recipe)
        assert result.report["curve"] == []
        assert not result.model.moved.any()
        assert same([*result.backbone.module.state_dict().values()], [*detector.module.state_dict().values()])


@pytest.mark.parametrize("length", [400, 800])
def test_short_parts_take_shorter_windows(normal, bank, length):
    result = run(NormalPart(normal.values[:length], [(0, length)], [(0, length)]), bank, None)
    assert result.report["curve"][-1]["loss"] < result.report["curve"][0]["loss"]


def test_a_full_anchor_is_the_network_without_post_training(normal, bank, detector):
    result = run(normal, bank, detector, replace(QUICK, steps=10, joint_steps=0, anchor=1e9))
    fresh = BankDiscriminator(load_pretrained(), Question.of(bank)).eval()
    seen = torch.randn(1, 2, 19 + BACKBONE_INPUTS, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        odds, expected = result.model.log_odds(seen, 1)[:, 0], fresh.log_odds(seen, 1)[:, 0]
    assert odds.numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_other_negatives_have_a_single_output(normal, bank, detector):
    seen = []

    def negatives(hosts, generator, starts):
        seen.append(starts)
        return hosts + 3.0 * (torch.arange(hosts.shape[2]) > hosts.shape[2] // 2)

    result = run(normal, bank, detector, negatives=negatives)
    assert (seen[0] >= 0.6 * TRAINED).all()
    assert result.model.log_odds(torch.randn(1, 2, 19 + BACKBONE_INPUTS, 128), 1).shape == (1, 2, 1, 128)
    assert result.report["curve"][-1]["loss"] < result.report["curve"][0]["loss"]


def drawn(part, bank):
    model = BankDiscriminator(load_pretrained(), Question.of(bank)).eval()
    return draw_branches(model, no_inputs, part, bank, torch.Generator().manual_seed(0))


def test_windows_avoid_suspicious_places_and_gaps(normal, bank):
    values = normal.values.copy()
    values[300:320] = values[1500:1510] = 1e6  # suspicious
    clean = [(0, 300), (320, 1400), (1400, 1500), (1510, TRAINED)]
    result = drawn(NormalPart(values, [(0, 1400), (1400, TRAINED)], clean), bank)
    assert result.factors
    assert max(float(windows.abs().max()) for windows in result.windows) < 100
    assert result.rows.hidden.isfinite().all()


def test_some_anomalies_are_where_the_rule_does_not_say_and_the_other_way(normal, series):
    bank = broad_bank(build_context(series), ["level_shift"])
    bank.rules[0].scale = ScalePrior(low=20, high=21, unit="series_sd", direction="up")
    bank.rules[0].context = ContextualPrior(channels=["a"], level=["high"])
    windows = drawn(normal, bank).windows[0][:30, 0]
    down, up = (windows < -3).any(1).float().mean(), (windows > 3).any(1).float().mean()
    assert up > 0.5 and 0.05 < down < 0.5  # a quarter is expected: half have any direction, and half of these go down


def benign_rule(context, **update):
    rule = broad_bank(context, ["level_shift"]).rules[0]
    scale = ScalePrior(low=20, high=21, unit="series_sd", direction="up")
    return rule.model_copy(update={"id": "benign", "scale": scale} | update)


def test_each_benign_rule_is_a_class_of_its_own_and_so_are_other_anomalies(normal, bank, series):
    count, known = len(bank.rules), bank.model_copy(update={"benign": [benign_rule(build_context(series))]})
    rows = drawn(normal, known).rows
    assert set(rows.rule.tolist()) == {-1, *range(count + 2)}
    assert rows.share[rows.rule == count].any() and not rows.share[rows.rule < 0].any()
    without = drawn(normal, bank).rows
    assert set(without.rule.tolist()) == {-1, *range(count)}
    again = drawn(normal, bank.model_copy(update={"benign": []})).rows
    assert torch.equal(without.hidden, again.hidden)


def test_controls_see_benign_variants_as_normal_windows(normal, bank, series):
    def windows(benign):
        model = BankDiscriminator(load_pretrained(), Question.any_anomaly(bank.context)).eval()
        known, generator = bank.model_copy(update={"benign": benign}), torch.Generator().manual_seed(0)
        return draw_branches(model, no_inputs, normal, known, generator, lambda hosts, *_: hosts + 1).windows

    for benign in [benign_rule(build_context(series))], []:
        change = [(some[46:] - some[30:46]).flatten(1).abs().amax(1) for some in windows(benign)]
        changed = (torch.cat(change) > 2).float().mean()
        assert changed > 0.2 if benign else changed == 0


def test_a_model_tells_benign_variants_from_near_misses(normal, bank, series):
    context = build_context(series)
    known = bank.model_copy(
        update={"benign": [benign_rule(context, scale=ScalePrior(low=2, high=3, unit="series_sd", direction="up"))]}
    )
    result = run(normal, known, None)
    assert result.model.question.rules == len(bank.rules)
    assert result.model.channels.shape[0] == len(bank.rules) + 2
    assert result.report["curve"][-1]["loss"] < result.report["curve"][0]["loss"]


@pytest.mark.extended  # fits and post-trains nine detectors
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_post_trained(name, series, normal, bank):
    detector = trained(name, series, 2)
    result = run(normal, bank, detector, Recipe(steps=0, joint_steps=2, backbone_rate=1e-2))
    assert result.report["free_parameters"] > 0
    for check in result.report["curve"]:
        assert all(np.isfinite(value) for value in check.values())
    errors = [check["reconstruction"] for check in result.report["curve"]]
    assert errors[-1] != errors[0]


def test_a_wrapped_module_is_post_trained(normal, bank):
    module = torch.nn.Sequential(torch.nn.Linear(WINDOW, 6), torch.nn.Tanh(), torch.nn.Linear(6, WINDOW))
    wrapped = ape.detectors.wrap(module, "0", lambda m, x: m(x), WINDOW, scale=(0.0, 1.0), device="cpu")
    result = run(normal, bank, wrapped, Recipe(steps=0, joint_steps=4, backbone_rate=1e-3))
    errors = [check["reconstruction"] for check in result.report["curve"]]
    assert errors[-1] < errors[0]


def test_a_backbone_without_gradient_is_refused_only_if_it_has_to_learn(normal, bank, detector):
    frozen = detector.clone()
    frozen.module.requires_grad_(False)
    with pytest.raises(InputError, match="requires a gradient"):
        run(normal, bank, frozen)
    assert run(normal, bank, frozen, replace(QUICK, steps=2, freeze="projection-only")).report["free_parameters"] == 0


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
    nothing, empty = torch.zeros(count, dtype=torch.int64), torch.zeros(count, 0, 1)
    return Rows(empty, empty, nothing, nothing, nothing, torch.tensor(rule), torch.tensor(share), nothing.bool())


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


def test_at_most_eight_changed_channels_of_a_window_are_chosen():
    share = torch.ones(2, 30, 2)
    share[:, 20:] = 0
    window, channel = chosen_rows(torch.tensor([5, 6]), share, 0, torch.Generator().manual_seed(0))
    assert window.bincount().tolist() == [9, 9]
    assert (channel < 20).sum() == 16
    assert len(set(channel.tolist())) > 9
