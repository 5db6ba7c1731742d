"""The decision whether the post-trained detector is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from support import with_gaps

from ape.posttrain.acceptance import Implants, average_precision, decide, implant
from ape.posttrain.normal_part import profile
from ape.rules import broad_bank, build_context
from ape.series import from_array

KINDS = np.array(["bank", "foreign"] * 20)


def precisions(**means):
    """Average precisions of 40 implants with these means."""
    spread = np.linspace(-0.1, 0.1, 40)
    return {name: mean + spread * (name != "both") for name, mean in ({"both": 0.6} | means).items()}


@pytest.mark.parametrize(
    ("means", "kept", "words"),
    [
        ({"rules": 0.5, "free": 0.5, "original": 0.3}, "both", "the original detector is not clearly better"),
        ({"rules": 0.5, "free": 0.5, "original": 0.61}, "both", "the original detector is not clearly better"),
        ({"rules": 0.7, "free": 0.8, "original": 0.3}, "both", "the rules alone 0.70"),
        ({"rules": 0.5, "free": 0.5, "original": 0.8}, "original", "the original detector finds clearly more"),
        ({"rules": 0.9, "free": 0.5, "original": 0.8}, "original", "the original detector finds clearly more"),
    ],
)
def test_voices_are_dropped_only_for_an_original_that_is_clearly_better(means, kept, words):
    report = decide(precisions(**means), KINDS, seed=0)
    assert report["kept"] == kept and words in report["reason"]
    assert report["accepted"] == (kept != "original")


def test_figures_are_those_of_each_kind():
    values = precisions(rules=0.5, free=0.5, original=0.3)
    values["free"] = values["free"] + 0.2 * (KINDS == "foreign")
    figures = decide(values, KINDS, seed=0)["acceptance"]
    assert list(figures) == ["bank", "foreign"]
    for kind, mean in (("bank", 0.5), ("foreign", 0.7)):
        assert figures[kind]["average_precision"]["free"] == pytest.approx(mean, abs=0.01)
        gain = figures[kind]["gain_over_both"]["free"]
        assert gain["low"] < gain["mean"] < gain["high"] and gain["n"] == 20


def test_average_precision_by_hand():
    # one normal point is above the first, two above the second; a tie counts as above
    ranked = np.array([0.2, 0.7, 0.95])
    assert average_precision(np.array([0.9, 0.5]), ranked) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert average_precision(np.array([0.2]), ranked) == pytest.approx(1 / 4)
    assert average_precision(np.array([np.nan, 1.0]), ranked) == pytest.approx((1 + 2 / 5) / 2)


def test_average_precision_agrees_with_sklearn():
    generator = np.random.default_rng(0)
    for _ in range(20):
        anomalous, normal = (generator.integers(0, 12, size).astype(float) for size in (10, 40))
        expected = average_precision_score(np.repeat([1, 0], [10, 40]), np.concatenate([anomalous, normal]))
        assert average_precision(anomalous, np.sort(normal)) == pytest.approx(expected)


def test_points_outside_the_implants_do_not_count():
    labels = np.zeros((2, 20), dtype=bool)
    labels[0, 3:5] = labels[1, 12:14] = True
    implants = Implants(np.zeros((2, 20, 1)), np.array([[0, 0, 10], [1, 10, 20]]), labels, KINDS[:2])
    scores = np.full((2, 20), 9.0)
    scores[1, 12:14] = [0.5, 9]
    np.testing.assert_allclose(implants.precisions(scores, np.array([np.nan, 1.0, 2.0])), [1, (1 + 2 / 4) / 2])


@pytest.fixture(scope="module")
def gappy(wave):
    values = np.stack([wave(1600), wave(1600, seed=1)], axis=1)
    values[1400:1410, 0] += 6
    return with_gaps(from_array(values, train_end=1600), 1250)


@pytest.mark.parametrize("operators", [["level_shift"], None])
def test_implants_are_clean_stretches_with_an_anomaly_each(gappy, operators):
    found = profile(gappy, 32, torch.zeros(2), torch.ones(2))
    bank = broad_bank(build_context(gappy), operators)
    implants = implant(bank, found.normal, found.held_out, 32, torch.Generator().manual_seed(0))
    again = implant(bank, found.normal, found.held_out, 32, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(implants.copies, again.copies)
    held = found.normal.values[found.held_out :]
    changed = (implants.copies != held).any(axis=2)
    np.testing.assert_array_equal(changed, implants.labels)
    assert set(implants.kinds) == ({"bank", "foreign"} if operators else {"bank"})
    assert 20 <= len(implants.places) == len(implants.kinds)
    covered = np.zeros_like(changed, dtype=int)
    for copy, begin, end in implants.places:
        covered[copy, begin:end] += 1
        assert implants.labels[copy, begin:end].any()
        assert not begin + found.held_out < 1250 < end + found.held_out
    assert covered.max() == 1 and not changed[covered == 0].any()
    assert not covered[:, ~found.normal.is_clean[found.held_out :]].any()
