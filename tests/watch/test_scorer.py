"""Scores of rows that arrive: the same as at once, the same bytes however they are cut, and bounded memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.monitor import Threshold
from ape.posttrain import load
from ape.series import from_array
from ape.watch.rows import Rows
from ape.watch.scorer import LiveScorer, usual_every

EVERY = 40


@pytest.fixture(scope="module")
def kinds(watched_run):
    """Detectors and their thresholds: an enhanced one and a plain one."""
    folders = {"enhanced": watched_run.folder / "enhanced", "plain": watched_run.folder / "detector"}
    made = {name: (load(folder), watched_run.folder / "enhanced") for name, folder in folders.items()}
    thresholds = {"enhanced": Threshold.load(folders["enhanced"]), "plain": Threshold.load(folders["plain"])}
    return {name: (detector, thresholds[name]) for name, (detector, _) in made.items()}


def judged(scorer, rows, cuts=(), restart=None, last=False):
    """Return what a scorer says about rows that arrive in pieces, with a restart at each cut."""
    found = []
    for begin, end in pairwise([0, *cuts, len(rows)]):
        found += scorer.add(rows.take(slice(begin, end)), last and end == len(rows))
        if restart is not None:
            scorer = restart(scorer.state())
    return found


def spoiled(rows):
    """The rows with a gap, short and long runs of missing values, and a dead sensor."""
    values, gap = rows.values.copy(), rows.gap.copy()
    values[50:54] = values[180:195] = np.nan
    values[395:400] = np.nan
    gap[400] = True
    values[440:520] = values[440]
    return Rows(values, rows.time, gap, rows.filled)


def as_bytes(found):
    return [(j.known, j.first_final, j.final.tobytes(), j.newest.tobytes(), j.missing.tobytes(), j.cuts) for j in found]


@pytest.mark.parametrize("kind", ["enhanced", "plain"])
def test_scores_are_those_of_the_whole_series(kinds, watched_run, kind):
    detector, threshold = kinds[kind]
    rows = watched_run.rows
    found = judged(LiveScorer(detector, threshold, EVERY), rows)
    final = np.concatenate([each.final for each in found])
    series = from_array(rows.values, channels=["load"])
    score = detector.score(series)
    score = score if kind == "enhanced" else threshold.errors(score)
    assert found[-1].known == 600 and found[-1].first_final + len(found[-1].final) == len(final)
    np.testing.assert_allclose(final, score[: len(final)], rtol=1e-4)
    np.testing.assert_allclose(found[-1].newest, score[len(final) :], rtol=1e-4)
    assert len(final) >= 600 - found[-1].first_final and score[300:340].max() > threshold.level


@pytest.mark.parametrize("kind", ["enhanced", "plain"])
@settings(max_examples=4)
@given(cuts=st.lists(st.integers(0, 600), max_size=4).map(sorted))
def test_cuts_and_restarts_change_no_byte(kinds, watched_run, kind, cuts):
    detector, threshold = kinds[kind]
    rows = spoiled(watched_run.rows)
    whole = judged(LiveScorer(detector, threshold, EVERY), rows)

    def restart(state):
        return LiveScorer(detector, threshold, EVERY, state)

    assert as_bytes(judged(LiveScorer(detector, threshold, EVERY), rows, cuts, restart)) == as_bytes(whole)


def test_what_is_kept_is_bounded(kinds, values_of, rows_of):
    detector, threshold = kinds["plain"]
    values = values_of(3000, seed=4)
    values[1000:1100] += 15
    scorer = LiveScorer(detector, threshold, every=20)
    scorer.epoch = 300
    found = judged(scorer, rows_of(values))
    assert len(scorer.state()) < 25_000 and scorer.start > 2000
    final = np.concatenate([each.final for each in found])
    score = threshold.errors(detector.score(from_array(values[:, None], channels=["load"])))
    assert [each.first_final for each in found] == [
        int(count) for count in np.cumsum([0, *(len(each.final) for each in found)])[:-1]
    ]
    np.testing.assert_allclose(final, score[: len(final)], rtol=1e-4)


@pytest.mark.extended
def test_an_epoch_of_an_enhanced_detector_ends_unnoticed(kinds, values_of, rows_of):
    detector, threshold = kinds["enhanced"]
    rows = rows_of(values_of(3600, seed=4)[2100:])
    whole, short = (LiveScorer(detector, threshold, every=100) for _ in range(2))
    short.epoch = 1000
    expected, found = (np.concatenate([each.final for each in judged(each, rows)]) for each in (whole, short))
    assert short.start > 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.extended
def test_a_pattern_that_repeats_scores_high_again_when_its_first_ones_are_forgotten(kinds, values_of, rows_of):
    values = values_of(3600, seed=5)
    for begin in (300, 700, 1100, 2700):
        values[begin : begin + 40] += 6
    last = []
    for epoch in (4096, 1000):
        scorer = LiveScorer(*kinds["enhanced"], every=300)
        scorer.epoch = epoch
        final = np.concatenate([each.final for each in judged(scorer, rows_of(values[:3400]))])
        last.append(final[2690:2750].max() / final[290:350].max())
    assert last[0] < 0.9 < last[1]  # the earlier ones are references, or forgotten


def test_rows_wait_for_the_next_evaluation_unless_nothing_follows(kinds, watched_run):
    scorer = LiveScorer(*kinds["plain"], every=50)
    assert [each.known for each in judged(scorer, watched_run.rows.take(slice(0, 130)))] == [50, 100]
    nothing = watched_run.rows.take(slice(0, 0))
    assert [each.known for each in scorer.add(nothing, last=True)] == [130]


def test_the_state_of_another_detector_is_refused(kinds, watched_run):
    scorer = LiveScorer(*kinds["plain"])
    scorer._rows.values = np.zeros((0, 3))
    with pytest.raises(InputError, match="another detector"):
        LiveScorer(*kinds["plain"], state=scorer.state())


def test_evaluations_are_as_frequent_as_rows_or_each_ten_seconds():
    assert [usual_every(step) for step in (None, 60.0, 10.0, 1.0, 0.1)] == [1, 1, 1, 10, 100]
