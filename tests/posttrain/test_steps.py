"""The shared steps: post-train, score and write the scores."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from support import with_gaps

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.posttrain import assess, enhance, load
from ape.posttrain.steps import channel_scores, post_train, write_scores

from .conftest import Killed, killed_at


@pytest.fixture
def few_steps(monkeypatch, quick):
    """Post-train for a few steps only."""
    monkeypatch.setattr("ape.posttrain.steps.enhance", partial(enhance, recipe=replace(quick, steps=30, joint_steps=4)))


@pytest.mark.extended
def test_post_training_resumes_from_its_checkpoint_and_deletes_it(few_steps, detector, bank, series, tmp_path):
    whole = post_train(detector, bank, series, tmp_path / "whole" / "enhanced")
    target = tmp_path / "killed" / "enhanced"
    with pytest.raises(Killed):
        post_train(detector, bank, series, target, progress=killed_at(5))
    assert [path.name for path in target.parent.iterdir()] == ["posttraining.safetensors"]
    resumed = post_train(detector, bank, series, target)
    assert sorted(path.name for path in target.parent.iterdir()) == ["enhanced", "posttrain.json"]
    assert json.loads(target.with_name("posttrain.json").read_text()) == json.loads(json.dumps(resumed))
    assert resumed["training"]["curve"] == whole["training"]["curve"]
    scores = [load(folder).score(series) for folder in (target, tmp_path / "whole" / "enhanced")]
    np.testing.assert_array_equal(*scores)


def test_unaccepted_post_training_saves_the_original_detector(few_steps, detector, bank, series, tmp_path):
    empty = bank.model_copy(update={"rules": []})
    report = post_train(detector, empty, series, tmp_path / "enhanced")
    assert report["accepted"] is False and "no usable rule" in report["reason"]
    np.testing.assert_array_equal(load(tmp_path / "enhanced").score(series), detector.score(series))


def test_own_score_is_that_of_the_backbone_and_refused_for_enhanced_detectors(detector, series, enhanced):
    own = assess(detector, series, own=True)
    np.testing.assert_array_equal(own.score, detector.score(series, own=True))
    assert channel_scores(own, series.channels) == {}  # a single channel
    with pytest.raises(InputError, match="has one score"):
        assess(enhanced.candidate, series, own=True)


@pytest.fixture(scope="module")
def two_channels(wave):
    values = np.stack([wave(), wave(seed=1)], axis=1)
    series = ape.series.from_array(values, channels=["flow", "heat, out"], train_end=1200)
    detector = ape.detectors.create("vae", window=32, device="cpu")
    detector.budget = replace(detector.budget, steps=5)
    return series, detector.fit(series)


def scores_of(detector, series):
    assessment = assess(detector, series)
    return assessment.score, channel_scores(assessment, series.channels)


def test_channel_shares_are_columns_that_add_up_to_the_score(two_channels):
    series, detector = two_channels
    score, shares = scores_of(detector, series)
    assert list(shares) == ["channel flow", "channel heat, out"]
    np.testing.assert_allclose(sum(shares.values()), score, rtol=1e-5)


def test_scores_file_has_position_timestamp_and_a_column_per_score(two_channels, tmp_path):
    series, detector = two_channels
    score, shares = scores_of(detector, series)
    write_scores(tmp_path / "plain.csv", series, {"score": score} | shares)
    frame = pd.read_csv(tmp_path / "plain.csv")
    assert list(frame) == ["position", "score", "channel flow", "channel heat, out"]
    assert list(frame["position"]) == list(range(series.length))
    np.testing.assert_allclose(frame["score"], score, rtol=1e-6)
    timestamps = pd.date_range("2024-01-01", periods=series.length, freq="h").to_numpy()
    timed = replace(series, timestamps=timestamps)
    write_scores(tmp_path / "timed.csv", timed, {"before": np.full(series.length, 1 / 3), "after": score})
    first = (tmp_path / "timed.csv").read_text().splitlines()[:2]
    assert first[0] == "position,timestamp,before,after"
    assert first[1].startswith("0,2024-01-01 00:00:00,0.3333333,")


def test_rows_without_a_score_have_empty_cells(two_channels, tmp_path):
    series, detector = two_channels
    cut = with_gaps(series, 1500, 1520)
    score, shares = scores_of(detector, cut)
    write_scores(tmp_path / "cut.csv", cut, {"score": score} | shares)
    lines = (tmp_path / "cut.csv").read_text().splitlines()[1:]
    assert len(lines) == series.length
    assert [i for i, line in enumerate(lines) if line == f"{i},,,"] == list(range(1500, 1520))
    assert not any(",," in line for line in lines[:1500] + lines[1520:])
