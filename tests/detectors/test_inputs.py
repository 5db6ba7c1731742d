"""Detectors score new series by channel names and training offsets, and faults high."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from foreign_network import Foreign, wrapped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import unverified

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.series import from_array

NAMES = ["temp_C", "p_bar", "flow"]
LENGTH = 900
FAULT = slice(500, 560)


def make(seed=1, length=LENGTH):
    t = np.arange(length)[:, None]
    noise = 0.1 * np.random.default_rng(seed).standard_normal((length, 3))
    return np.sin(2 * np.pi * t / 24 + np.arange(3)) * [1, 5, 0.2] + noise * [1, 5, 0.2] + [20, 3, 0]


@pytest.fixture(scope="module")
def trained(shortened):
    """A backbone trained on three channels."""
    return shortened(ape.detectors.create("vae", window=24, device="cpu"), 150).fit(from_array(make(0), NAMES))


@pytest.fixture(scope="module")
def foreign():
    """A wrapped network, trained on three channels."""
    detector = wrapped(Foreign(3), scale="train")
    detector.budget = replace(detector.budget, steps=100)
    return detector.fit(from_array(make(0), NAMES))


@pytest.fixture(scope="module", params=["trained", "foreign"])
def any_detector(request):
    return request.getfixturevalue(request.param)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(4)))
def test_the_order_of_columns_does_not_change_scores(any_detector, order):
    values = np.column_stack([make(), np.arange(LENGTH) % 5])
    names = [*NAMES, "more"]
    expected = any_detector.score(from_array(make(), NAMES))
    given_ = any_detector.score(from_array(values[:, order], [names[k] for k in order]))
    np.testing.assert_array_equal(given_, expected)


def test_a_renamed_channel_is_refused(any_detector):
    with pytest.raises(InputError, match="no channel 'flow'; the detector does not know 'level'"):
        any_detector.score(from_array(make(), ["temp_C", "p_bar", "level"]))


@pytest.mark.parametrize("level", [2e7, -1e9, 101325.0])
def test_an_offset_of_training_and_new_data_does_not_change_scores(trained, shortened, level):
    new = shortened(ape.detectors.create("vae", window=24, device="cpu"), 150).fit(from_array(make(0) + level, NAMES))
    shifted, plain = (d.score(from_array(make() + x, NAMES)) for d, x in ((new, level), (trained, 0.0)))
    np.testing.assert_allclose(shifted, plain, rtol=2e-2 if level == 101325.0 else 5e-3)


def test_a_series_without_the_level_of_training_is_far_away(shortened):
    detector = shortened(ape.detectors.create("vae", window=24, device="cpu"), 150)
    detector.fit(from_array(make(0) + 2e7, NAMES))
    same, without = (detector.score(from_array(make() + level, NAMES)) for level in (2e7, 0.0))
    assert without.min() > 1e6 * same.max()
    assert np.isfinite(without).all()


def broken(fault):
    values = make()
    if fault in ("dead", "missing"):
        values[FAULT, 1] = values[FAULT.start, 1] if fault == "dead" else np.nan
    elif fault == "all dead":
        values[FAULT] = values[FAULT.start]
    elif fault == "all missing":
        values[FAULT] = np.nan
    else:
        values[FAULT, 1] = fault
    return from_array(values, NAMES, scoring=True)


@pytest.mark.parametrize("fault", ["dead", "missing", "all dead", "all missing", 100.0, 1e9, -1e30, np.inf])
def test_faults_score_higher_than_normal_points(any_detector, fault):
    score = any_detector.score(broken(fault))
    assert np.isfinite(score).all()
    normal = np.concatenate([score[: FAULT.start - 24], score[FAULT.stop + 24 :]])
    assert score[FAULT].min() > np.quantile(normal, 0.99)
    if "missing" in str(fault):
        assert score[FAULT].min() >= score[: FAULT.start].max()


@pytest.mark.parametrize("values", [np.full((LENGTH, 3), 7.0), np.full((LENGTH, 3), np.nan)])
def test_a_series_without_any_variation_scores_high(any_detector, values):
    usual = any_detector.score(from_array(make(), NAMES))
    score = any_detector.score(from_array(values, NAMES, scoring=True))
    assert score.min() > usual.max()


def test_a_window_is_enough(any_detector):
    assert any_detector.score(from_array(make()[:24], NAMES, scoring=True)).shape == (24,)
    with pytest.raises(InputError, match="23 points are fewer than a window of 24"):
        any_detector.score(from_array(make()[:23], NAMES, scoring=True))


def test_requirements_are_saved(trained, tmp_path):
    trained.save(tmp_path / "d")
    loaded = ape.detectors.load(tmp_path / "d", device="cpu")
    assert loaded.required == trained.required
    assert loaded.required.channels == tuple(NAMES)


def test_wrapped_requirements_are_saved(foreign, tmp_path):
    foreign.save(tmp_path / "d")
    assert ape.detectors.load(tmp_path / "d", into=wrapped(Foreign(3), scale="train")).required == foreign.required


def test_folders_of_earlier_versions_match_by_position(trained, tmp_path):
    trained.save(tmp_path / "d")
    path = tmp_path / "d" / "detector.json"
    fields = json.loads(path.read_text())
    del fields["required"]
    path.write_text(json.dumps(fields))
    unverified(tmp_path)
    old = ape.detectors.load(tmp_path / "d", device="cpu")
    series = from_array(make(), ["x", "y", "z"])
    np.testing.assert_array_equal(old.score(series), trained.score(from_array(make(), NAMES)))
    with pytest.raises(InputError, match="2 channels"):
        old.score(from_array(make()[:, :2]))


@pytest.mark.parametrize(
    "field",
    [
        {"channels": ["a"]}, {"offset": [1.0]}, {"offset": [float("nan")] * 3}, {"offset": [1e300] * 3}, {"step": -1},
        {"named": "yes"}, {"counters": ["other"]}, {"standstills": []}, {"standstills": [0] * 3},
        {"standstills": [1.5] * 3}, {"changes": "1"}, {"changes": [-1.0] * 3}, [],
        {"lowest": [0.0] * 3, "highest": []}, {"lowest": ["a"] * 3}, {"zone": 1}, {"errors": [-1.0] * 3},
        {"errors": [1.0]}, {"more": 1},
    ],
)  # fmt: skip
def test_damaged_requirements_are_refused(trained, tmp_path, field):
    trained.save(tmp_path / "d")
    path = tmp_path / "d" / "detector.json"
    fields = json.loads(path.read_text())
    fields["required"] = {**fields["required"], **field} if field else field
    path.write_text(json.dumps(fields))
    unverified(tmp_path)
    with pytest.raises(InputError, match="required"):
        ape.detectors.load(tmp_path / "d")
