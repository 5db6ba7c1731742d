"""Post-training as a whole, through its public calls."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.posttrain import PAPER, enhance, load
from ape.posttrain import trial as trial_module
from ape.posttrain.acceptance import decide
from ape.posttrain.engine import train
from ape.posttrain.freezing import encoder_parameters
from ape.posttrain.losses import contrast
from ape.posttrain.parts import parts_of
from ape.posttrain.recipe import UNTRAINED
from ape.posttrain.score import WEIGHTS_WITHOUT_HEADS
from ape.rules import generic_bank


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def enhanced(detector, bank, series, quick):
    result = enhance(detector, bank, series, recipe=quick)
    assert result.accepted, result.report["reason"]
    return result


def quiet(*_args, **_kwargs):
    pass


@pytest.fixture
def moved(detector, prepared):
    """Names of the backbone's parameters that training with a recipe changes."""

    def names(recipe):
        model, pool, generator = prepared(detector, recipe)
        before = state(model.module)
        train(model, pool, recipe, generator, quiet)
        after = state(model.module)
        return {name for name, _ in model.module.named_parameters() if not torch.equal(before[name], after[name])}

    return names


def test_contrastive_gradient_reaches_backbone_and_head(detector, quick, prepared):
    model, pool, _ = prepared(detector, quick)
    parts = [
        parts_of(model.backbone, branch[:16], near[:16])[0]
        for branch, near in zip(pool.windows, pool.nearest, strict=True)
    ]
    vectors = torch.stack([model.representation(part) for part in parts], 1)
    contrast(vectors, quick, model.representation.centres).backward()
    reached = {name for name, p in model.module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert encoder_parameters(detector, pool.windows[0, :2]) <= reached
    assert all(p.grad is not None for p in model.representation.parameters())


def test_own_positives_pair_a_window_with_its_augmentation(quick):
    # Two windows at right angles: own positives are perfect, the other window would be a bad one.
    axes = torch.eye(2)
    vectors = torch.stack([axes, axes, -axes])[None]
    own, normal = (
        contrast(vectors, replace(quick, positives=p, temperature=1.0), axes[:1]).item() for p in ("own", "normal")
    )
    repulsion = np.log(np.exp(-1) + 1)
    assert own == pytest.approx(np.log1p(np.exp(repulsion - 1)))
    assert normal > own


def test_projection_only_moves_no_backbone_parameter(quick, moved):
    assert moved(replace(quick, freeze="projection-only")) == set()


def test_frozen_decoder_stays_and_encoder_moves(detector, quick, moved):
    encoder = encoder_parameters(detector, torch.zeros(2, 1, detector.window))
    names = moved(replace(quick, freeze="decoder"))
    assert names and names <= encoder


def test_all_but_last_moves_one_layer(quick, moved):
    names = moved(replace(quick, freeze="all-but-last"))
    assert len({name.rpartition(".")[0] for name in names}) == 1
    assert names < moved(quick)


def test_input_detector_and_global_random_state_stay(detector, bank, series, quick):
    before, requires = state(detector.module), [p.requires_grad for p in detector.module.parameters()]
    random = torch.get_rng_state()
    enhance(detector, bank, series, recipe=quick)
    assert same(before, state(detector.module))
    assert requires == [p.requires_grad for p in detector.module.parameters()]
    assert torch.equal(random, torch.get_rng_state())


def test_same_seed_same_scores_other_seed_others(enhanced, detector, bank, series, quick):
    torch.manual_seed(123)  # nothing may hang on the global generator
    again = enhance(detector, bank, series, recipe=quick)
    np.testing.assert_array_equal(enhanced.detector.score(series), again.detector.score(series))
    other = enhance(detector, bank, series, seed=1, recipe=quick)
    assert not np.array_equal(enhanced.detector.score(series), other.detector.score(series))


def test_enhanced_finds_an_anomaly_of_the_banks_kind_better(enhanced, detector, planted):
    series, where = planted
    labels = np.zeros(series.length, bool)
    labels[where] = True
    before, after = (
        average_precision_score(labels[series.train_end :], model.score(series)[series.train_end :])
        for model in (detector, enhanced.detector)
    )
    assert after > before + 0.05
    assert after > 0.8


def test_scores_are_float32_one_a_point_and_follow_the_protocol(enhanced, series):
    model, window = enhanced.detector, enhanced.detector.backbone.window
    for stride in (None, 7):
        score = model.score(series, stride=stride)
        assert score.shape == (series.length,) and score.dtype == np.float32 and np.isfinite(score).all()
    x = torch.from_numpy(series.values[:window].T[None].repeat(3, 0))
    assert model.window == window
    assert model.point_scores(x).shape == (3, window)
    assert model.reconstruct(x).shape == x.shape
    torch.testing.assert_close(model.encode(x).norm(dim=1), torch.ones(3))


def test_rejection_gives_the_original_back(detector, bank, series, quick, monkeypatch):
    monkeypatch.setattr(trial_module, "decide", lambda *_: ("original", "no clear gain"))
    before, scores = state(detector.module), detector.score(series)
    result = enhance(detector, bank, series, recipe=quick)
    assert result.detector is detector and not result.accepted
    assert result.report["reason"] == "no clear gain"
    assert same(before, state(detector.module))
    np.testing.assert_array_equal(scores, detector.score(series))


GAIN, DOUBT, LOSS = ({"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 64} for mean in (0.2, 0.0, -0.2))


@pytest.mark.parametrize(
    ("enhanced", "training_free", "training", "ratio", "kept", "reason"),
    [
        (GAIN, GAIN, GAIN, 1.0, "post-trained", "gains on held-out implants"),
        (GAIN, DOUBT, DOUBT, 1.05, "post-trained", "gains on held-out implants"),
        (DOUBT, GAIN, GAIN, 1.0, "original", "no clear gain on held-out implants"),
        (GAIN, GAIN, LOSS, 1.0, "training-free", "detected better without training"),
        (GAIN, DOUBT, LOSS, 1.0, "original", "without training: no clear gain"),
        (GAIN, GAIN, GAIN, 1.06, "training-free", "reconstruction of held-out normal windows is worse"),
        (GAIN, LOSS, GAIN, float("nan"), "original", "reconstruction of held-out normal windows is worse"),
    ],
)
def test_what_is_kept_gains_and_does_no_harm(enhanced, training_free, training, ratio, kept, reason):
    one_kind = [{"bank": gain, "all": gain} for gain in (enhanced, training_free, training)]
    word, why = decide(*one_kind, ratio)
    assert word == kept and reason in why


def test_a_gain_on_all_implants_is_not_enough_where_a_kind_loses():
    assert decide({"bank": GAIN, "foreign": DOUBT, "all": GAIN}, {}, {}, 1.0)[0] == "post-trained"
    word, why = decide({"bank": GAIN, "foreign": LOSS, "all": GAIN}, {}, {}, 1.0)
    assert word == "original" and "a clear loss on foreign implants" in why


def test_a_backbone_that_training_ruined_comes_back_as_it_came_with_a_score_that_needs_none(
    detector, bank, series, quick, tmp_path
):
    result = enhance(detector, bank, series, recipe=replace(quick, weight=100.0, backbone_rate=0.05))
    assert (
        result.report["kept"] == "training-free"
        and "reconstruction of held-out normal windows is worse" in result.report["reason"]
    )
    assert same(state(detector.module), state(result.detector.module))
    assert not same(state(detector.module), state(result.candidate.module))
    free = enhance(detector, bank, series, recipe=UNTRAINED).candidate
    expected = free.require_calibration().fuse(free.curves(series.values), WEIGHTS_WITHOUT_HEADS).astype(np.float32)
    np.testing.assert_allclose(result.detector.score(series), expected, rtol=1e-5)
    result.detector.save(tmp_path / "kept")
    np.testing.assert_array_equal(load(tmp_path / "kept").score(series), result.detector.score(series))


def test_empty_bank_gives_the_original_back(detector, bank, series, quick):
    result = enhance(detector, bank.model_copy(update={"rules": []}), series, recipe=quick)
    assert result.detector is detector and not result.accepted
    assert "no usable rule" in result.report["reason"]


def test_bank_of_other_channels_is_refused(detector, series):
    from ape.rules import build_context

    two = ape.series.from_array(np.repeat(series.values, 2, axis=1) + np.arange(2, dtype=np.float32))
    with pytest.raises(InputError, match="2 channels, the series 1"):
        enhance(detector, generic_bank(build_context(two)), series)


def test_only_the_training_part_is_used(enhanced, detector, bank, series, quick):
    values = series.values.copy()
    values[series.train_end :] = 7 * values[series.train_end :] + 3
    changed = ape.series.from_array(values, channels=series.channels, train_end=series.train_end)
    other = enhance(detector, bank, changed, recipe=quick).detector
    assert same(state(enhanced.detector.representation), state(other.representation))
    for name in ("knots", "excess"):
        np.testing.assert_array_equal(getattr(enhanced.detector.calibration, name), getattr(other.calibration, name))


def test_report_is_plain_and_whole(enhanced):
    report = json.loads(json.dumps(enhanced.report, allow_nan=False))
    assert report["accepted"] and report["reason"]
    assert report["normal_error"]["ratio"] == pytest.approx(
        report["normal_error"]["after"] / report["normal_error"]["before"]
    )
    for kind in ("bank", "foreign"):
        gains = report["acceptance"][kind]["gain_over"]
        assert {"before", "error", "mahalanobis", "nearest", "training_free"} <= set(gains)
        assert gains["before"]["low"] > 0 and gains["before"]["n"] > 1
    assert set(report["separability"]["before"]) == set(report["separability"]["after"])


def test_paper_recipe_runs_and_decides(detector, bank, series):
    result = enhance(detector, bank, series, recipe=replace(PAPER, joint_steps=20, pool=128))
    assert result.report["recipe"]["positives"] == "own"
    assert result.accepted == (result.detector is not detector)


def test_progress_is_told(detector, bank, series, quick):
    steps = []
    enhance(detector, bank, series, recipe=quick, progress=lambda step, done, total, note="": steps.append(step))
    assert {"profiling", "post-training", "accepting"} <= set(steps)


def test_too_short_a_training_part_gives_the_original_back(detector, bank, series):
    short = ape.series.from_array(series.values, train_end=150)
    result = enhance(detector, bank, short)
    assert result.detector is detector and "too few to post-train" in result.report["reason"]


def test_wrapped_module_with_batch_norm_keeps_its_running_statistics(quick, prepared):
    module = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU()),
        torch.nn.Linear(8, 32),
    )
    wrapped = ape.detectors.wrap(
        module, encoder="0", reconstruct=lambda m, x: m(x).view_as(x), window=32, scale=(0.0, 0.7), device="cpu"
    )
    model, pool, generator = prepared(wrapped, quick)
    before = state(model.module)
    train(model, pool, quick, generator, quiet)
    after = state(model.module)
    assert torch.equal(before["inner.0.2.running_mean"], after["inner.0.2.running_mean"])
    assert not torch.equal(before["inner.0.1.weight"], after["inner.0.1.weight"])


def test_a_score_does_not_change_as_more_data_arrive(enhanced, series):
    values, so_far = series.values, len(series.values) - 150
    whole = enhanced.detector.curves(values)
    part = enhanced.detector.curves(values[:so_far])
    settled = so_far - enhanced.detector.window
    np.testing.assert_allclose(part[:settled], whole[:settled], atol=1e-6)


def test_what_was_seen_earlier_in_the_scored_series_is_less_of_an_anomaly(enhanced, series):
    values, window = series.values.copy(), enhanced.detector.window
    twice = series.train_end + 2 * window
    values[twice : twice + window // 2] += 2
    again = twice + 5 * window
    values[again : again + window] = values[twice : twice + window]
    score = enhanced.detector.score(replace(series, values=values))
    assert score[again : again + window // 2].max() < score[twice : twice + window // 2].max()


def test_memory_of_scoring_is_that_of_the_result_and_a_batch(enhanced):
    def peak(length):
        long = ape.series.from_array(np.resize(enhanced.detector.values, (length, 1)))
        tracemalloc.start()
        enhanced.detector.score(long, stride=8)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken - 8 * length  # the result, and the pieces that it is put together from

    assert peak(60_000) < peak(20_000) + 200_000  # bytes
