"""Scores of rows that arrive: the same as at once, the same bytes however they are cut, and bounded memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.monitor import Threshold
from ape.posttrain import load
from ape.series import from_array
from ape.watch import scorer as module
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
    found, edges = [], [0, *cuts, len(rows)]
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
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
