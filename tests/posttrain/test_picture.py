"""The picture of the contrastive space."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ape.posttrain import DEFAULT
from ape.posttrain.candidates import profile
from ape.posttrain.enhancement import untrained
from ape.posttrain.picture import BRANCHES, POINTS, Subjects, plane
from ape.series.numerics import auc


@pytest.fixture
def report(enhanced):
    return enhanced.report


def points(drawn, branch):
    return np.column_stack([drawn["branches"][branch][axis] for axis in ("x", "y")])


def test_report_contains_all_branches_before_and_after(report):
    pictures = json.loads(json.dumps(report["picture"], allow_nan=False))
    assert list(pictures) == ["before", "after"]
    for drawn in pictures.values():
        assert tuple(drawn["branches"]) == BRANCHES
        shapes = {points(drawn, branch).shape for branch in BRANCHES}
        assert shapes == {(POINTS, 2)}
        assert 0 < drawn["variance"] <= 1


def test_seed_determines_the_picture(detector, bank, series):
    candidates = profile(series, detector.window, *detector.shift_and_scale)
    model = untrained(detector.clone(), candidates, DEFAULT, torch.Generator().manual_seed(0))
    first, again, other = (
        plane(Subjects.draw(bank, candidates, detector.window, seed).vectors(model)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_global_random_state_does_not_change(detector, bank, series):
    candidates = profile(series, detector.window, *detector.shift_and_scale)
    model = untrained(detector.clone(), candidates, DEFAULT, torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    Subjects.draw(bank, candidates, detector.window, 0).vectors(model)
    assert torch.equal(before, torch.get_rng_state())


def test_training_separates_pseudo_anomalies(report):
    def apart(drawn):
        centre = points(drawn, "raw").mean(0)
        far = {branch: np.linalg.norm(points(drawn, branch) - centre, axis=1) for branch in BRANCHES}
        return auc(far["raw"], far["pseudo-anomalous"])

    assert apart(report["picture"]["after"]) > max(0.9, apart(report["picture"]["before"]))


def test_separated_sets_are_separated_on_the_plane():
    generator = np.random.default_rng(0)
    vectors = 0.05 * generator.normal(size=(3, 40, 8))
    vectors[2, :, 5] += 1
    drawn = plane(vectors)
    normal = np.concatenate([points(drawn, "raw"), points(drawn, "augmented")])[:, 0]
    gap = points(drawn, "pseudo-anomalous")[:, 0].min() - normal.max()
    assert gap > 0.5  # the first axis separates them, upwards
    assert drawn["variance"] > 0.9


def test_two_dimensional_distances_are_preserved():
    corners = np.zeros((3, 1, 4))
    corners[1, 0, 2], corners[2, 0, 3] = 3, 4
    drawn = plane(corners)
    raw, augmented, pseudo = (points(drawn, branch)[0] for branch in BRANCHES)
    lengths = [np.linalg.norm(a - b) for a, b in ((raw, augmented), (raw, pseudo), (augmented, pseudo))]
    assert lengths == pytest.approx([3, 4, 5], abs=1e-3)
    assert drawn["variance"] == 1


def test_equal_vectors_give_one_point():
    drawn = plane(np.ones((3, 5, 4)))
    assert all((points(drawn, branch) == 0).all() for branch in BRANCHES)
    assert drawn["variance"] == 0
