"""Post-training as a whole, through its public functions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from support import with_gaps

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.posttrain import PAPER, enhance, load
from ape.posttrain import trial as trial_module
from ape.posttrain.recipe import UNTRAINED
from ape.posttrain.score import WEIGHTS_WITHOUT_HEADS
from ape.rules import broad_bank, build_context

from .conftest import weights


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_given_detector_and_global_random_state_do_not_change(detector, bank, series, quick):
    before, requires = weights(detector.module), [p.requires_grad for p in detector.module.parameters()]
    random = torch.get_rng_state()
    enhance(detector, bank, series, recipe=quick)
    assert same(before, weights(detector.module))
    assert requires == [p.requires_grad for p in detector.module.parameters()]
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.extended
def test_seed_determines_the_scores(enhanced, detector, bank, series, quick):
    torch.manual_seed(123)  # nothing may depend on the global generator
    again = enhance(detector, bank, series, recipe=quick)
    np.testing.assert_array_equal(enhanced.detector.score(series), again.detector.score(series))
    other = enhance(detector, bank, series, seed=1, recipe=quick)
    assert not np.array_equal(enhanced.detector.score(series), other.detector.score(series))


def test_enhanced_detector_detects_anomalies_of_the_bank_better(enhanced, detector, planted):
    series, where = planted
    labels = np.zeros(series.length, bool)
    labels[where] = True
    before, after = (
        average_precision_score(labels[series.train_end :], model.score(series)[series.train_end :])
        for model in (detector, enhanced.detector)
    )
    assert after > before + 0.05
    assert after > 0.8


def test_rejection_returns_the_original_detector(detector, bank, series, quick, monkeypatch):
    monkeypatch.setattr(trial_module, "decide", lambda *_: ("original", "no clear gain"))
    before, scores = weights(detector.module), detector.score(series)
    result = enhance(detector, bank, series, recipe=quick)
    assert result.detector is detector and not result.accepted
    assert result.report["reason"] == "no clear gain"
    assert same(before, weights(detector.module))
    np.testing.assert_array_equal(scores, detector.score(series))


def test_harmful_training_returns_the_original_backbone_with_a_score_without_heads(
    detector, bank, series, quick, tmp_path
):
    result = enhance(detector, bank, series, recipe=replace(quick, weight=100.0, backbone_rate=0.05))
    assert (
        result.report["kept"] == "training-free"
        and "reconstruction of held-out normal windows is worse" in result.report["reason"]
    )
    assert same(weights(detector.module), weights(result.detector.module))
    assert not same(weights(detector.module), weights(result.candidate.module))
    free = enhance(detector, bank, series, recipe=replace(UNTRAINED, pool=64)).candidate
    expected = free.require_calibration().fuse(free.curves(series), WEIGHTS_WITHOUT_HEADS).astype(np.float32)
    np.testing.assert_allclose(result.detector.score(series), expected, rtol=1e-5)
    result.detector.save(tmp_path / "kept")
    np.testing.assert_array_equal(load(tmp_path / "kept").score(series), result.detector.score(series))


def test_empty_bank_returns_the_original_detector(detector, bank, series, quick):
    result = enhance(detector, bank.model_copy(update={"rules": []}), series, recipe=quick)
    assert result.detector is detector and not result.accepted
    assert "no usable rule" in result.report["reason"]


def test_bank_of_other_channels_is_refused(detector, series):
    from ape.rules import build_context

    two = ape.series.from_array(np.repeat(series.values, 2, axis=1) + np.arange(2, dtype=np.float32))
    with pytest.raises(InputError, match="2 channels, the series 1"):
        enhance(detector, broad_bank(build_context(two)), series)


def test_only_the_training_part_is_used(enhanced, detector, bank, series, quick):
    values = series.values.copy()
    values[series.train_end :] = 7 * values[series.train_end :] + 3
    changed = ape.series.from_array(values, channels=series.channels, train_end=series.train_end)
    other = enhance(detector, bank, changed, recipe=quick).detector
    assert same(weights(enhanced.detector.representation), weights(other.representation))
    for name in ("knots", "excess"):
        np.testing.assert_array_equal(getattr(enhanced.detector.calibration, name), getattr(other.calibration, name))


def test_report_is_plain_and_complete(enhanced):
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


def test_progress_is_reported(detector, bank, series, quick):
    steps = []
    enhance(detector, bank, series, recipe=quick, progress=lambda step, done, total, note="": steps.append(step))
    assert {"profiling", "post-training", "accepting"} <= set(steps)


def test_short_training_part_returns_the_original_detector(detector, bank, series):
    short = ape.series.from_array(series.values, train_end=150)
    result = enhance(detector, bank, short)
    assert result.detector is detector and "too few to post-train" in result.report["reason"]


def test_nothing_crosses_a_gap(wave, quick, tmp_path):
    gaps = 300, 310, 700, 1250, 1600
    level = 100.0 * np.searchsorted(gaps, np.arange(2000), side="right")  # tells the stretches apart
    series = ape.series.from_array(np.stack([wave(), level], axis=1), ["wave", "level"], train_end=1200)
    series, seen = with_gaps(series, *gaps), []

    def reconstruct(module, x):
        seen.append(x[:, 1].detach())
        return module(x)

    module = torch.nn.Sequential(torch.nn.Linear(32, 8), torch.nn.Tanh(), torch.nn.Linear(8, 32))
    detector = ape.detectors.wrap(module, "1", reconstruct, window=32, device="cpu")
    detector.budget = replace(detector.budget, steps=200)
    detector.fit(series)
    broad = broad_bank(build_context(series))
    placed = [rule.context.model_copy(update={"channels": ["wave"], "spread": "one"}) for rule in broad.rules]
    rules = [rule.model_copy(update={"context": at}) for rule, at in zip(broad.rules, placed, strict=True)]
    result = enhance(detector, broad.model_copy(update={"rules": rules}), series, recipe=replace(quick, jitter=0.0))
    candidate, scale = result.candidate, float(detector.shift_and_scale[1][1])
    scores = candidate.score(series)
    spans = torch.cat([windows.amax(1) - windows.amin(1) for windows in seen]) * scale
    assert len(spans) > 1000 and float(spans.max()) < 50
    assert np.flatnonzero(np.isnan(scores)).tolist() == list(range(300, 310))
    json.dumps(result.report, allow_nan=False)
    candidate.save(tmp_path / "enhanced")
    np.testing.assert_allclose(load(tmp_path / "enhanced", into=detector).score(series), scores, rtol=1e-5)
