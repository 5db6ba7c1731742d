"""Which rule a point looks like: by hand, on evidence of chosen log-odds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.posttrain.calibration import GENERIC, Calibration
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import GRID, Tail
from ape.posttrain.explanation import Explanation, channel_shares, explain

FLAT = Tail(np.linspace(0, 1, GRID), 1.0)
QUIET = -50.0  # log-odds


def calibration(bank=(0.0, 0.0), generic=(0.0, 0.0)):
    scores = dict.fromkeys(("rules", "free", "both"), (FLAT,) * 6) | {"subspace": (FLAT, FLAT)}
    return Calibration(np.array(bank), np.array(generic), FLAT, (FLAT,), FLAT, 8, scores)


def evidence(bank, generic=None, free=None, subspace=None):
    """Evidence of n points and C channels from nested lists [n][C][R], [n][C][2], and twice [n][C]."""
    bank = torch.tensor(bank)
    n, channels = bank.shape[:2]
    generic = torch.full((n, channels, 2), QUIET) if generic is None else torch.tensor(generic)
    free = torch.full((n, 1, channels), -1.0) if free is None else torch.tensor(free)[:, None]
    subspace = torch.full((n, channels), -1.0) if subspace is None else torch.tensor(subspace)
    return Evidence(bank, generic, free, subspace, torch.arange(n), torch.full((n,), 8), bank[..., :0])


NOTHING_NAMED = np.zeros((1, 2), dtype=bool)


def test_posterior_and_probability_by_hand():
    # odds 30 and 10 of two rules, 9 of an operator, 1 of the nearest window, which is as near as it usually is
    odds, posterior = explain(
        evidence(np.log([[[30.0, 10.0]]]).tolist(), [[[np.log(9) + GENERIC, QUIET]]]), calibration(), NOTHING_NAMED
    )
    np.testing.assert_allclose(posterior[0, 0], [0.6, 0.2, 0.2], rtol=1e-5)
    shown = Explanation(0, ("a",), ("x", "y"), odds, posterior)
    assert shown.probability[0, 0] == pytest.approx(50 / 149, rel=1e-5)  # prior odds 1 to 99


def test_operator_that_a_rule_names_is_no_evidence_of_none():
    named = np.array([[True, False]])
    loud = evidence([[[0.0, 0.0]]], [[[20.0, QUIET]]])
    assert explain(loud, calibration(), NOTHING_NAMED)[1][0, 0, 2] > 0.99
    assert explain(loud, calibration(), named)[1][0, 0, 2] == pytest.approx(1 / 3, rel=1e-5)


def test_what_is_usual_for_a_rule_is_taken_off():
    posterior = explain(evidence([[[5.0, 5.0]]]), calibration(bank=(0, 4)), NOTHING_NAMED)[1][0, 0]
    assert posterior[0] / posterior[1] == pytest.approx(np.exp(4), rel=1e-4)


def test_far_windows_are_evidence_of_none():
    near, far = (explain(evidence([[[0.0, 0.0]]], free=[[x]]), calibration(), NOTHING_NAMED) for x in (-1.0, 30.0))
    assert far[1][0, 0, 2] > near[1][0, 0, 2] == pytest.approx(1 / 3, rel=1e-5)
    assert far[0][0, 0] > near[0][0, 0]


def test_rule_has_no_posterior_at_a_channel_that_it_does_not_name():
    bank = [[[-np.inf, 2.0], [3.0, 2.0]]]
    posterior = explain(evidence(bank), calibration(), np.zeros((2, 2), dtype=bool))[1]
    assert posterior[0, 0, 0] == 0 and posterior[0, 1, 0] > 0.5
    np.testing.assert_allclose(posterior.sum(2), 1, rtol=1e-5)


def test_points_without_evidence_are_nan():
    odds, posterior = explain(evidence([[[np.nan, np.nan]]], free=[[np.nan]]), calibration(), NOTHING_NAMED)
    assert np.isnan(odds).all() and np.isnan(posterior).all()


def ranked(odds, posterior, begin=0):
    odds, posterior = np.array(odds, np.float32), np.array(posterior, np.float32)
    return Explanation(begin, tuple("abc"[: odds.shape[1]]), ("x", "y"), odds, posterior)


def test_ranking_is_the_mean_over_the_stronger_half():
    posterior = [[[0.8, 0.1, 0.1]], [[0.0, 1.0, 0.0]], [[0.6, 0.3, 0.1]], [[0.0, 1.0, 0.0]]]
    shown = ranked([[5.0], [1.0], [4.0], [-2.0]], posterior, begin=100)
    assert shown.ranking(100, 104) == [("x", pytest.approx(0.7)), ("y", pytest.approx(0.2)), (None, pytest.approx(0.1))]
    assert shown.ranking(101, 102)[0] == ("y", 1.0)


def test_channels_count_by_their_odds_in_a_ranking():
    shown = ranked([[np.log(3), 0.0]], [[[1, 0, 0], [0, 0, 1]]])
    assert shown.ranking(0, 1) == [("x", pytest.approx(0.75)), (None, pytest.approx(0.25)), ("y", 0)]


def test_ranking_leaves_out_points_without_a_score_and_outside_the_range():
    shown = ranked([[np.nan], [1.0]], [[[np.nan] * 3], [[0.2, 0.5, 0.3]]], begin=10)
    assert shown.ranking(0, 50)[0] == ("y", pytest.approx(0.5))
    assert shown.ranking(10, 11) == shown.ranking(50, 60) == []


def test_shares_of_channels_by_hand():
    two = evidence([[np.log([3.0, 1e-20]).tolist(), np.log([1.0, 1e-20]).tolist()]], free=[[np.log(1.0), np.log(4.0)]])
    fit = calibration()
    np.testing.assert_allclose(channel_shares(two, fit, "rules"), [[0.75, 0.25]], rtol=1e-6)
    np.testing.assert_allclose(channel_shares(two, fit, "free"), [[0.2, 0.8]], rtol=1e-6)
    both = channel_shares(two, fit, "both")
    assert 0.2 < both[0, 0] < 0.75 and both.sum() == pytest.approx(1)


def test_shares_add_up_to_one_where_nothing_is_seen():
    quiet = evidence([[[QUIET, QUIET], [QUIET, QUIET]]])
    np.testing.assert_allclose(channel_shares(quiet, calibration(), "both"), [[0.5, 0.5]])


def test_channels_count_by_the_subspace_where_it_decides():
    broken = [[40.0, 40.0 + np.log(3)]]
    two = evidence([[[3.0, QUIET], [0.0, QUIET]]], subspace=broken)
    np.testing.assert_allclose(channel_shares(two, calibration(), "both"), [[0.25, 0.75]], rtol=1e-6)
    assert channel_shares(two, calibration(), "rules")[0, 0] > 0.9


def test_a_broken_relation_is_evidence_of_none():
    near, far = (
        explain(evidence([[[0.0, 0.0]]], subspace=[[x]]), calibration(), NOTHING_NAMED)[1][0, 0] for x in (-1.0, 30.0)
    )
    assert far[2] > near[2] == pytest.approx(1 / 3, rel=1e-5)
