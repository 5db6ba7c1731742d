"""From evidence to scores: by hand, and on evidence whose distribution is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ape.posttrain.calibration import AGES, Calibration, Peaks, log_added
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import fuse

N, LATENCY = 40_000, 512


def draw(n=N, seed=0, age=LATENCY, lift=0.0):
    """Evidence of normal points: two rules, three operators, two lengths of windows."""
    generator = np.random.default_rng(seed)
    bank, generic, free = (generator.exponential(size=(n, k)) + lift for k in (2, 3, 2))
    return Peaks(bank, generic, free, generator.exponential(size=n) + lift, np.full(n, age))


def fitted(normal, weight=(0.5, 0.5)):
    return Calibration.fit(normal, np.array(weight), np.full(3, 1 / 3), LATENCY)


def test_largest_evidence_of_all_channels_counts():
    bank = torch.tensor([[[1.0, -torch.inf], [0.0, 3.0]]])  # one point, two channels, two rules
    generic, free = torch.tensor([[[5.0], [6.0]]]), torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    subspace = torch.tensor([[6.0, 4.0]])
    peaks = Peaks.of(Evidence(bank, generic, free, subspace, torch.tensor([7]), torch.tensor([9]), bank[..., :0]))
    assert peaks.bank.tolist() == [[1, 3]] and peaks.generic.tolist() == [[6]]
    assert peaks.free.tolist() == [[2, 4]] and peaks.subspace.tolist() == [6] and peaks.age.tolist() == [9]


def test_log_addition_by_hand():
    rows = np.log([[1.0, 2, 3], [4, 4, 8]])
    np.testing.assert_allclose(log_added(rows), np.log([6, 16]))
    assert log_added(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize(("voice", "least"), [("rules", 1.0), ("free", 1.0), ("both", 0.9)])
def test_scores_are_shares_of_normal_points(voice, least):
    """Points at which fused voices and subspace are high together leave a part of the share unused."""
    calibration = fitted(draw()).with_scores(draw(seed=6), draw(seed=1))
    score = calibration.score(draw(seed=2), voice)
    for level, far in ((0.3, 0.02), (1, 0.05), (2, 0.2), (3, 0.5)):
        share = (score >= level).mean() * 10.0**level
        assert least - far <= share <= 1 + far


def test_rule_that_fires_on_normal_points_has_to_fire_louder():
    normal, new, noise = draw(), draw(100, seed=3, lift=2), np.array([0, 20])
    quiet, noisy = (
        fitted(replace(normal, bank=normal.bank + more)).surprise(replace(new, bank=new.bank + more))["rules"]
        for more in (0, noise)
    )
    np.testing.assert_allclose(quiet, noisy)


def test_weight_of_a_rule_shifts_its_log_odds():
    calibrations = [fitted(draw(), weight) for weight in ((0.5, 0.5), (0.1, 0.9))]
    np.testing.assert_allclose(calibrations[1].bank - calibrations[0].bank, np.log([5, 1 / 1.8]))


def test_voices_are_fused_after_their_own_calibration():
    calibration = fitted(draw())
    voices = calibration.surprise(draw(50, seed=4, lift=3))
    np.testing.assert_array_equal(voices["both"], fuse(voices["rules"], voices["free"]))


def test_bank_without_rules_leaves_the_operators():
    normal = draw()
    alone = Calibration.fit(replace(normal, bank=normal.bank[:, :0]), np.zeros(0), np.full(3, 1 / 3), LATENCY)
    surprise = alone.surprise(replace(draw(50, seed=4, lift=3), bank=np.zeros((50, 0))))["rules"]
    assert np.isfinite(surprise).all() and surprise.min() > 0.5


def test_provisional_scores_have_their_own_calibration():
    stages = [(0, 0.0), (AGES[0], 1.0), (AGES[1], 2.0), (AGES[2], 3.0), (LATENCY, 4.0)]
    normal = Peaks.joined([draw(20_000, seed=k, age=age, lift=lift) for k, (age, lift) in enumerate(stages)])
    calibration = fitted(draw()).with_scores(draw(seed=6), normal)
    for k, (age, lift) in enumerate(stages):
        score = calibration.score(draw(20_000, seed=9 + k, age=age, lift=lift), "both")
        assert (score >= 2).mean() == pytest.approx(0.01, abs=0.004)


def test_age_with_few_points_takes_the_calibration_of_all():
    normal = Peaks.joined([draw(5000), draw(20, seed=1, age=3)])
    *tails, _ = fitted(draw()).with_scores(draw(seed=6), normal).scores["both"]
    final = fitted(draw()).with_scores(draw(seed=6), normal.take(normal.age == LATENCY)).scores["both"][-2]
    np.testing.assert_array_equal(tails[-1].quantiles, final.quantiles)
    assert tails[0].excess == tails[1].excess != tails[-1].excess


@pytest.mark.parametrize("lift", [(0, 3), (3, 0)])
def test_larger_share_of_training_and_held_out_points_counts(lift):
    trained, held_out = (draw(seed=6 + k, lift=x) for k, x in enumerate(lift))
    calibration = fitted(draw()).with_scores(trained, held_out)
    assert (calibration.score(draw(seed=8, lift=3), "both") >= 2).mean() == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize(("age", "stage"), [(0, 0), (7, 0), (8, 1), (31, 1), (32, 2), (128, 3), (511, 3), (512, 4)])
def test_stages_begin_at_their_ages(age, stage):
    assert fitted(draw(1000)).stage_of(np.array([age])) == stage


def test_points_without_evidence_have_no_score():
    calibration = fitted(draw()).with_scores(draw(seed=6), draw(seed=1))
    peaks = draw(3)
    for values in (peaks.bank, peaks.generic, peaks.free, peaks.subspace):
        values[1] = np.nan
    score = calibration.score(peaks, "both")
    assert np.isnan(score).tolist() == [False, True, False] and peaks.known.tolist() == [True, False, True]


def test_score_of_a_point_does_not_depend_on_the_others():
    calibration = fitted(draw()).with_scores(draw(seed=6), draw(seed=1))
    peaks = draw(501, seed=5)
    parts = [calibration.score(peaks.take(slice(i, i + 7)), "both") for i in range(0, 501, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), calibration.score(peaks, "both"))


def test_length_that_does_not_fit_leaves_the_other():
    calibration, peaks = fitted(draw()), draw(50, seed=4, lift=3)
    short = replace(peaks, free=np.where([True, False], peaks.free, np.nan))
    np.testing.assert_array_equal(calibration.surprise(short)["free"], calibration.free[0](peaks.free[:, 0]))
    assert short.known.all()


def test_subspace_decides_where_it_is_much_rarer():
    calibration = fitted(draw()).with_scores(draw(seed=6), draw(seed=1))
    peaks = draw(2000, seed=5)
    loud = replace(peaks, subspace=peaks.subspace + np.linspace(0, 60, 2000))
    score, before = calibration.score(loud, "both"), calibration.score(peaks, "both")
    decides = calibration.of_subspace(calibration.surprise(loud), loud.age)
    np.testing.assert_array_equal(score[~decides], before[~decides])
    assert (score[decides] > before[decides]).all() and decides[-100:].all()
    assert calibration.of_subspace(calibration.surprise(peaks), peaks.age)[before > 1].mean() < 0.2
    assert score[-1] == pytest.approx((peaks.subspace[-1] + 60) / np.log(10) - 1, rel=0.05)  # a tenth of its share


def test_other_choices_of_voices_do_not_ask_the_subspace():
    calibration = fitted(draw()).with_scores(draw(seed=6), draw(seed=1))
    peaks = draw(50, seed=5)
    loud = replace(peaks, subspace=peaks.subspace + 60)
    for voice in ("rules", "free"):
        np.testing.assert_array_equal(calibration.score(loud, voice), calibration.score(peaks, voice))


def test_one_channel_leaves_all_false_alarms_to_the_fused_voices():
    silent = [replace(draw(seed=seed), subspace=np.zeros(N)) for seed in (0, 6, 1, 2)]
    calibration = fitted(silent[0]).with_scores(*silent[1:3])
    assert (calibration.score(silent[3], "both") >= 2).mean() == pytest.approx(0.01, abs=0.002)
    assert not calibration.of_subspace(calibration.surprise(silent[3]), silent[3].age).any()
