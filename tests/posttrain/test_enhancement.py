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
from ape.posttrain import acceptance, enhance, enhancement, load
from ape.posttrain.discriminator import adaptation
from ape.posttrain.discriminator.training import NotFiniteError
from ape.rules import broad_bank, build_context

from .conftest import TRAIN_END, weights


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_given_detector_and_global_random_state_do_not_change_and_progress_is_reported(
    detector, bank, series, quick, monkeypatch
):
    monkeypatch.setattr(acceptance, "MOST_COPIES", 2)
    steps = []
    before, requires = weights(detector.module), [p.requires_grad for p in detector.module.parameters()]
    random = torch.get_rng_state()
    result = enhance(detector, bank, series, recipe=quick, progress=lambda step, *_: steps.append(step))
    assert list(dict.fromkeys(steps)) == ["profiling", "post-training", "accepting"]
    assert same(before, weights(detector.module)) and not same(before, weights(result.candidate.module))
    assert requires == [p.requires_grad for p in detector.module.parameters()]
    assert torch.equal(random, torch.get_rng_state())


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


@pytest.mark.parametrize("kept", ["original", "rules", "free"])
def test_acceptance_decides_what_is_returned(detector, bank, series, quick, enhanced, monkeypatch, kept):
    decision = {"kept": kept, "accepted": kept != "original", "reason": "as decided"}
    monkeypatch.setattr(enhancement, "judge", lambda *_: (enhanced.candidate, decision))
    result = enhance(detector, bank, series, recipe=replace(quick, steps=2, joint_steps=1))
    assert result.report["reason"] == "as decided" and result.accepted == (kept != "original")
    if kept == "original":
        assert result.detector is detector
    else:
        np.testing.assert_array_equal(result.detector.score(series), enhanced.candidate.voices(series)[kept])


def test_empty_bank_returns_the_original_detector(detector, bank, series, quick):
    result = enhance(detector, bank.model_copy(update={"rules": []}), series, recipe=quick)
    assert result.detector is detector and not result.accepted and result.candidate is None
    assert result.report["kept"] == "original" and "no usable rule" in result.report["reason"]


def test_loss_that_is_not_finite_returns_the_original_detector(detector, bank, series, quick, monkeypatch):
    def fail(*_args, **_kwargs):
        raise NotFiniteError.at(3)

    monkeypatch.setattr(adaptation.PostTraining, "run", fail)
    result = enhance(detector, bank, series, recipe=quick)
    assert result.detector is detector and "not finite at step 3" in result.report["reason"]


def test_short_training_part_returns_the_original_detector(detector, bank, series):
    short = ape.series.from_array(series.values, train_end=150)
    result = enhance(detector, bank, short)
    assert result.detector is detector and "too few to post-train" in result.report["reason"]


def test_training_part_of_less_than_six_windows_takes_a_shorter_window(wave, bank, quick):
    short = ape.series.from_array(wave(700)[:, None], train_end=300)
    detector = ape.detectors.create("vae", window=64, device="cpu")
    detector.budget = replace(detector.budget, steps=20)
    result = enhance(detector.fit(short), bank, short, recipe=quick)
    assert result.candidate is not None, result.report["reason"]
    assert result.candidate.latency == 64 and np.isfinite(result.candidate.score(short)).all()


def test_bank_of_other_channels_is_refused(detector, series):
    two = ape.series.from_array(np.repeat(series.values, 2, axis=1) + np.arange(2, dtype=np.float32))
    with pytest.raises(InputError, match="2 channels, the series 1"):
        enhance(detector, broad_bank(build_context(two)), series)


@pytest.mark.extended
def test_the_training_part_and_the_seed_determine_the_result(enhanced, detector, bank, series, quick):
    values = series.values.copy()
    values[series.train_end :] = 7 * values[series.train_end :] + 3
    changed = ape.series.from_array(values, channels=series.channels, train_end=series.train_end)
    torch.manual_seed(123)  # nothing may depend on the global generator
    again = enhance(detector, bank, changed, recipe=quick).candidate
    assert same(weights(enhanced.candidate.model), weights(again.model))
    np.testing.assert_array_equal(enhanced.candidate.score(series), again.score(series))
    other = enhance(detector, bank, series, seed=1, recipe=quick).candidate
    assert not np.array_equal(enhanced.candidate.score(series), other.score(series))


def test_report_is_plain_and_complete(enhanced):
    report = json.loads(json.dumps(enhanced.report, allow_nan=False))
    assert report["accepted"] and report["kept"] == "both" and "held-out normal data" in report["reason"]
    assert set(report["acceptance"]) == {"bank", "foreign"}
    for kind in report["acceptance"].values():
        assert set(kind["average_precision"]) == {"both", "rules", "free", "original"}
        gain = kind["gain_over_both"]["original"]
        assert gain["mean"] < 0 and gain["n"] >= 3
    assert report["training"]["curve"] and set(report["seconds"]) == {"profile", "train", "accept"}
    assert report["bank_is_of_this_series"] is False and report["device"] == "cpu"


@pytest.mark.extended
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
    recipe = replace(quick, steps=5, joint_steps=2)
    result = enhance(detector, broad.model_copy(update={"rules": rules}), series, recipe=recipe)
    candidate, scale = result.candidate, float(detector.shift_and_scale[1][1])
    scores = candidate.score(series)
    spans = torch.cat([windows.amax(1) - windows.amin(1) for windows in seen]) * scale
    assert len(spans) > 1000 and float(spans.max()) < 50
    assert np.flatnonzero(np.isnan(scores)).tolist() == list(range(300, 310))
    json.dumps(result.report, allow_nan=False)
    candidate.save(tmp_path / "enhanced")
    np.testing.assert_array_equal(load(tmp_path / "enhanced", into=detector).score(series), scores)


def test_held_out_part_of_short_stretches_leaves_the_detector(detector, bank, series, quick):
    gaps = with_gaps(series, *range(880, TRAIN_END, 60))
    result = enhance(detector, bank, gaps, recipe=replace(quick, steps=2, joint_steps=0))
    assert result.detector is detector and "no stretch without a gap" in result.report["reason"]
