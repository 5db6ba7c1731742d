"""The picture of the contrastive space: how many points, always the same, and apart where the vectors are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ape.posttrain import DEFAULT, enhance
from ape.posttrain.candidates import profile
from ape.posttrain.enhancement import untrained
from ape.posttrain.picture import BRANCHES, POINTS, Subjects, plane
from ape.series.numerics import auc


@pytest.fixture(scope="module")
def report(detector, bank, series, quick):
    return enhance(detector, bank, series, recipe=quick).report


def points(drawn, branch):
    return np.column_stack([drawn["branches"][branch][axis] for axis in ("x", "y")])


def test_report_has_all_branches_before_and_after_as_finite_numbers(report):
    told = json.loads(json.dumps(report["picture"], allow_nan=False))
    assert list(told) == ["before", "after"]
    for drawn in told.values():
        assert tuple(drawn["branches"]) == BRANCHES
        shapes = {points(drawn, branch).shape for branch in BRANCHES}
        assert shapes == {(POINTS, 2)}
        assert 0 < drawn["variance"] <= 1


def test_picture_is_the_same_for_the_same_seed(detector, bank, series):
    candidates = profile(series, detector.window, *detector.scale_shift)
    model = untrained(detector.clone(), candidates, DEFAULT, torch.Generator().manual_seed(0))
    first, again, other = (
        plane(Subjects.draw(bank, candidates, detector.window, seed).vectors(model)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_picture_leaves_the_global_random_state_alone(detector, bank, series):
    candidates = profile(series, detector.window, *detector.scale_shift)
    model = untrained(detector.clone(), candidates, DEFAULT, torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    Subjects.draw(bank, candidates, detector.window, 0).vectors(model)
    assert torch.equal(before, torch.get_rng_state())


def test_training_moves_pseudo_anomalies_away_in_the_picture(report):
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
    assert gap > 0.5  # the first axis points to where they differ, upwards
    assert drawn["variance"] > 0.9


def test_distances_are_kept_where_two_axes_hold_everything():
    corners = np.zeros((3, 1, 4))
    corners[1, 0, 2], corners[2, 0, 3] = 3, 4
    drawn = plane(corners)
    raw, augmented, pseudo = (points(drawn, branch)[0] for branch in BRANCHES)
    lengths = [np.linalg.norm(a - b) for a, b in ((raw, augmented), (raw, pseudo), (augmented, pseudo))]
    assert lengths == pytest.approx([3, 4, 5], abs=1e-3)
    assert drawn["variance"] == 1


def test_vectors_that_are_all_alike_lie_in_one_point():
    drawn = plane(np.ones((3, 5, 4)))
    assert all((points(drawn, branch) == 0).all() for branch in BRANCHES)
    assert drawn["variance"] == 0
