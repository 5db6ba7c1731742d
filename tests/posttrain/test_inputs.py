"""Enhanced detectors and post-training match channels by name, and faults score high."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ape.detectors
import ape.posttrain
from ape.core.errors import InputError
from ape.posttrain import DEFAULT, assess, enhance
from ape.rules import broad_bank, build_context
from ape.series import from_array

LENGTH, FAULT = 1500, slice(700, 760)
NAMES = ["a_C", "b"]


def make(seed=0, level=0.0):
    t = np.arange(LENGTH)[:, None]
    noise = np.random.default_rng(seed).standard_normal((LENGTH, 2))
    return np.sin(2 * np.pi * t / 25 + [0, 1]) + 0.1 * noise + level


def post_trained(detector, series):
    bank = broad_bank(build_context(series), ["time_reverse", "amplitude_scale"])
    recipe = replace(DEFAULT, steps=20, joint_steps=3)
    return enhance(detector, bank, series, recipe=recipe)


@pytest.fixture(scope="module")
def trained():
    detector = ape.detectors.create("vae", window=32, device="cpu")
    detector.budget = replace(detector.budget, steps=200)
    return detector.fit(from_array(make(level=2e7), NAMES))


@pytest.fixture(scope="module")
def candidate(trained):
    return post_trained(trained, from_array(make(level=2e7), NAMES)).candidate


@pytest.mark.extended
def test_another_file_is_matched_by_name_and_offset(trained, candidate):
    turned = from_array(make(level=2e7)[:, ::-1] + [0.5, 0], NAMES[::-1])  # its offset differs from that of training
    result = post_trained(trained, turned)
    assert result.candidate.required == trained.required
    values = make(3, 2e7)
    expected, score = (
        candidate.score(from_array(values, NAMES)),
        result.candidate.score(from_array(values + np.array([0, 0.5]), NAMES)),
    )
    assert np.quantile(score, 0.9) < 3 * np.quantile(expected, 0.9)  # the data are normal to both


def test_names_and_offsets_give_the_same_scores(candidate, tmp_path):
    candidate.save(tmp_path / "e")
    loaded = ape.posttrain.load(tmp_path / "e")
    assert loaded.required == candidate.required
    values = np.column_stack([make(1, 2e7)[:, ::-1], np.arange(LENGTH)])
    np.testing.assert_allclose(
        loaded.score(from_array(values, ["b", "a_F", "more"])), loaded.score(from_array(make(1, 2e7), NAMES)), rtol=1e-4
    )
    with pytest.raises(InputError, match="no channel 'b'"):
        loaded.score(from_array(make(1), ["a_C", "c"]))


@pytest.mark.parametrize("fault", ["dead", "missing", 1e3, 1e9, -1e30])
def test_faults_score_higher_than_normal_points(candidate, fault):
    values = make(1, 2e7)
    values[FAULT, 1] = {"dead": values[FAULT.start, 1], "missing": np.nan}.get(fault, fault)
    assessment = assess(candidate, from_array(values, NAMES, required=candidate.required, scoring=True))
    score = assessment.score
    assert np.isfinite(score).all()
    normal = np.concatenate([score[: FAULT.start - 32], score[FAULT.stop + 32 :]])
    assert score[FAULT].min() > np.quantile(normal, 0.99)
    assert (assessment.shares[FAULT, NAMES.index("b")] > 0.9).all()


def test_a_long_dead_stretch_is_no_reference_for_itself(candidate):
    values = make(1, 2e7)
    values[500:, 1] = values[500, 1]
    score = candidate.score(from_array(values, NAMES))
    assert score[500:].min() > np.quantile(score[:460], 0.99)


def test_a_series_without_the_level_of_training_is_far_away(candidate):
    usual, far = (candidate.score(from_array(make(1, level), NAMES)) for level in (2e7, 0.0))
    assert far.min() > np.quantile(usual, 0.99)
