"""The wordings: their files can be read, and the guide understands the ones that it was written with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ape.evals.wordings.wordings import FILES, OUTCOMES, Wording, react, read_wordings


def test_first_half_is_understood():
    wordings = read_wordings("first")
    outcomes = [reaction.outcome for reaction in react(wordings)]
    assert len(wordings) >= 60 and outcomes.count("right") >= 0.95 * len(outcomes)


def test_no_wording_occurs_twice():
    said = [(wording.says.lower(), wording.situation) for name in FILES for wording in read_wordings(name)]
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    ("wording", "outcome"),
    [
        (Wording("events", ("show_events",)), "right"),
        (Wording("events", ("show_events",), arguments={"top": 3}), "wrong"),
        (Wording("events", ("ask",)), "wrong"),
        (Wording("drop the stuck one", ("ask",), mentions=("reading-stuck-2",)), "right"),
        (Wording("drop the stuck one", ("drop_rule",)), "asked"),
        (Wording("sing a song", ("show_events",)), "not understood"),
        (Wording("help", ("answer",)), "right"),
    ],
)
def test_outcome_of_a_wording(wording, outcome):
    (reaction,) = react([wording])
    assert reaction.outcome == outcome and outcome in OUTCOMES


@pytest.mark.extended
def test_program_prints_the_shares():
    done = subprocess.run([sys.executable, "-m", "ape.evals.wordings"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("| wordings | right |") and "| first, " in done.stdout
