"""Benign rules keep the score low where they hold, by hand and from end to end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ape.detectors
import ape.monitor
import ape.posttrain
from ape.posttrain import DEFAULT, enhance
from ape.posttrain.calibration import Calibration, Peaks
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import GRID, Tail
from ape.posttrain.quieting import LIKELY, MOST, Relief, alike, benign_odds, best_benign, quiet_score, relief
from ape.rules import RuleBank, broad_bank, broad_rule, build_context
from ape.rules.schema import ContextualPrior, DurationPrior, Range, ScalePrior
from ape.series import from_array

FLAT = Tail(np.linspace(0, 1, GRID), 1.0)
TIMED, ANYTIME = 1.0, 0.0  # priors of a rule with times of its own, and of one without


def calibration():
    scores = dict.fromkeys(("rules", "free", "both"), (FLAT,) * 6) | {"subspace": (FLAT, FLAT)}
    return Calibration(np.zeros(1), np.zeros(1), FLAT, (FLAT,), FLAT, 8, scores)


def evidence(rule, benign, other, free=-1.0, subspace=-1.0):
    """One point and one channel: a rule of the bank, one benign rule, any other anomaly."""
    own = torch.tensor([[[benign, other]]], dtype=torch.float64)
    bank, generic = torch.tensor([[[rule]]], dtype=torch.float64), torch.full((1, 1, 1), -20.0, dtype=torch.float64)
    distances = torch.tensor([[[free]]]), torch.tensor([[subspace]])
    return Evidence(bank, generic, *distances, torch.tensor([0]), torch.tensor([8]), own)


def eased(rule, benign, other, prior=TIMED, same=False):
    return relief(evidence(rule, benign, other), np.array([[prior]]), np.array([[same]]))


def lowered(rule, benign, other, prior=TIMED, loud=0.0, same=False):
    return float(eased(rule, benign, other, prior, same).of(np.array([[loud]]))[0, 0])


def test_relief_by_hand():
    odds = 3 + 1 + LIKELY
    assert lowered(5.0, 3.0, -50.0) == pytest.approx(np.log1p(np.exp(odds)) / (1 + np.exp(5 - odds)), rel=1e-6)
    assert lowered(5.0, 8.0, -50.0, -np.inf, 50.0) == 0
    assert lowered(-9.0, -9.0, -9.0) < 0.02  # nothing unusual
    assert lowered(-5.0, 8.0, 20.0) < 0.1  # an anomaly of another kind
    assert lowered(20.0, 8.0, -5.0) < 0.1  # a rule of the bank


def test_a_failure_of_the_same_kind_is_no_reason_against_a_benign_rule_at_its_times():
    assert lowered(12.0, 5.0, -50.0, loud=20.0) < 2  # another kind says much more
    assert lowered(12.0, 5.0, -50.0, loud=20.0, same=True) > 19
    assert lowered(12.0, 5.0, 20.0, loud=20.0, same=True) < 2  # but for any other anomaly
    assert lowered(12.0, 5.0, -50.0, ANYTIME, loud=20.0, same=True) < 1  # a rule that can hold at most times


def test_rules_of_the_same_kind_have_the_same_operators():
    made = [
        broad_rule(name).model_copy(update={"id": name.replace("_", "-")}) for name in ("level_shift", "noise_burst")
    ]
    context = build_context(from_array(np.sin(np.arange(500) / 5)))
    bank = RuleBank(context=context, rules=made, benign=[made[1].model_copy(update={"id": "start"})])
    assert alike(bank).tolist() == [[False, True]]
    assert alike(RuleBank(context=context, rules=made)).shape == (0, 2)


@given(loud=st.floats(0, 1000))
def test_what_is_clearly_benign_is_quiet_however_loud_it_is(loud):
    assert loud - lowered(0.0, 5.0, -50.0, loud=loud) <= 1e-4 * loud
    assert lowered(5.0, 1.0, -50.0, loud=loud) <= max(lowered(5.0, 1.0, -50.0), 1e-2 * loud)  # a rule fits better


@given(odds=st.floats(-20, 20), loud=st.floats(0, 1000))
def test_a_rule_that_can_hold_at_any_time_takes_off_little(odds, loud):
    assert lowered(0.0, odds, -50.0, ANYTIME, loud) <= MOST
    assert lowered(0.0, 20.0, -50.0, ANYTIME, loud) == pytest.approx(MOST)


def test_a_rule_with_times_and_one_without_count_together():
    own = torch.tensor([[[5.0, 5.0, -9.0]]], dtype=torch.float64)
    seen = replace(evidence(0.0, 0.0, 0.0), benign=own)
    loud = np.array([[50.0]])
    both, timed, untimed = (
        relief(seen, np.array([priors]), np.zeros((2, 1), bool)).of(loud)[0, 0]
        for priors in ([1, 0], [1, -np.inf], [-np.inf, 0])
    )
    assert both == timed > 49 and untimed == pytest.approx(MOST)


def test_points_without_evidence_stay_without():
    seen = evidence(np.nan, np.nan, np.nan)
    eased = relief(seen, np.full((1, 1), TIMED), np.zeros((1, 1), bool))
    assert eased.clear.tolist() == eased.least.tolist() == [[0.0]]
    assert best_benign(benign_odds(seen, np.full((1, 1), TIMED))).tolist() == [-1]


def test_best_benign_rule():
    odds = np.array([[[1.0, 2.0]], [[-np.inf, -np.inf]], [[3.0, -np.inf]]])
    assert best_benign(odds).tolist() == [1, -1, 0]
    assert best_benign(np.zeros((2, 1, 0))).tolist() == [-1, -1]


@pytest.mark.parametrize("voice", ["rules", "free", "both"])
@pytest.mark.parametrize(("free", "subspace"), [(0.5, -1.0), (40.0, -1.0), (0.5, 60.0)])
def test_score_falls_with_the_relief_and_never_rises(voice, free, subspace):
    seen, known = evidence(12.0, 12.0, -5.0, free, subspace), calibration()
    plain = known.score(Peaks.of(seen), voice)[0]
    falling = [quiet_score(seen, known, voice, Relief(*np.array([[[0.0]], [[by]]])))[0] for by in (0.0, 1.0, 4.0, 40.0)]
    assert falling[0] == plain and falling[1] < plain
    assert falling == sorted(falling, reverse=True) and falling[-1] < 0.6
    shares = [quiet_score(seen, known, voice, Relief(*np.array([[[by]], [[0.1]]])))[0] for by in (0.0, 0.5, 0.9, 1.0)]
    assert shares == sorted(shares, reverse=True) and shares[-1] < 0.6


HOURLY, TRAIN_END, LENGTH, SIZE = 60, 2400, 4000, 3.0
BACKUPS, ELSEWHERE, DROP = (2880, 3600), 3250, 3900  # whole hours, except for ELSEWHERE


def dated(values):
    times = np.datetime64("2026-03-02T00:00") + np.arange(len(values)) * np.timedelta64(1, "m")
    return from_array(values[:, None], train_end=TRAIN_END, timestamps=times)


def waves():
    rng = np.random.default_rng(0)
    return np.sin(2 * np.pi * np.arange(LENGTH) / 40) + 0.1 * rng.standard_normal(LENGTH)


def backup(hours):
    return broad_rule("level_shift").model_copy(
        update={
            "id": "backup",
            "scale": ScalePrior(low=2, high=4, unit="data", direction="up"),
            "duration": DurationPrior(low=15, high=30, unit="samples"),
            "context": ContextualPrior(hours=hours),
        }
    )


@pytest.fixture(scope="module")
def series():
    """A wave; after the training part the level is up at 00:00 and 12:00 of the third day, and at another hour."""
    values = waves()
    for begin in (*BACKUPS, ELSEWHERE):
        values[begin : begin + 20] += SIZE
    values[DROP : DROP + 20] -= 2 * SIZE
    return dated(values)


@pytest.fixture(scope="module")
def enhanced(series):
    """A detector of a bank with benign rules for the hours of the backups and of the drop."""
    plain = ape.detectors.create("vae", window=32, device="cpu")
    plain.budget = replace(plain.budget, steps=60)
    plain.fit(series, seed=0)
    bank = broad_bank(build_context(series), ["level_shift", "flatline_hold", "dropout_zero"])
    hours = {"midnight": 0, "noon": 12, "evening": 17}
    benign = [backup(Range(low=at, high=at + 0.2)).model_copy(update={"id": name}) for name, at in hours.items()]
    known = bank.model_copy(update={"benign": benign})
    return enhance(plain, known, series, recipe=replace(DEFAULT, steps=100, joint_steps=0)).candidate


def peak(score, begin):
    return float(score[begin : begin + 20].max())


@pytest.mark.extended  # post-trains a detector
def test_only_what_the_rule_means_is_quiet(enhanced, series):
    after, assessed = enhanced.score(series), enhanced.assess(series)
    np.testing.assert_array_equal(assessed.score, after)
    before = assessed.quiet.score
    assert (after <= before).all()
    for begin in BACKUPS:
        assert peak(before, begin) > 4 and peak(after, begin) < peak(before, begin) / 2
    assert peak(after, ELSEWHERE) > 4
    assert peak(after, DROP) > 4  # at an hour of the rule, and another thing
    assert {assessed.quiet.rules[k] for k in assessed.quiet.rule[BACKUPS[1] : BACKUPS[1] + 20]} == {"noon"}
    assert (assessed.quiet.rule[ELSEWHERE : ELSEWHERE + 20] == -1).all()
    explained = enhanced.explain(series)
    assert explained.probability[BACKUPS[0] + 5].max() < 0.5 < explained.probability[ELSEWHERE + 5].max()


@pytest.mark.extended  # post-trains a detector
def test_a_loud_backup_is_no_event_and_a_larger_one_is(enhanced, series):
    threshold = ape.monitor.threshold_for(enhanced, series)
    found = ape.monitor.answer(enhanced, series, threshold)
    near = [any(begin - 40 < event.begin < begin + 40 for event in found.events) for begin in BACKUPS]
    assert not any(near) and len(found.quiet) >= len(BACKUPS)
    for begin in (ELSEWHERE, DROP):
        assert any(event.begin < begin + 20 and begin < event.end for event in found.events)
    values = series.values.copy()
    values[BACKUPS[0] : BACKUPS[0] + 20] += 4 * SIZE
    larger = ape.monitor.answer(enhanced, replace(series, values=values), threshold)
    assert any(BACKUPS[0] - 40 < event.begin < BACKUPS[0] + 40 for event in larger.events)


@pytest.mark.extended  # post-trains a detector
def test_pieces_have_the_same_scores_and_a_saved_detector_too(enhanced, series, tmp_path):
    detector = enhanced
    whole = detector.score(series)
    follower, parts = detector.follow(), []
    for begin, end in ((TRAIN_END, 2890), (2890, 2900), (2900, 3611), (3611, LENGTH)):
        piece = replace(
            series, values=series.values[begin:end], timestamps=series.timestamps[begin:end], train_end=None
        )
        parts.append(follower.add(piece))
    scores = np.concatenate([*parts, follower.newest().score])
    assert scores.tobytes() == whole[TRAIN_END:].tobytes()
    detector.save(tmp_path / "saved")
    assert ape.posttrain.load(tmp_path / "saved").score(series).tobytes() == whole.tobytes()
    values = series.values[TRAIN_END:]
    without_times = detector.follow().add(values)
    assert peak(without_times, BACKUPS[0] - TRAIN_END) > 4
