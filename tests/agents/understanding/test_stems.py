"""The stems of the lexicon."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ape
from ape.agents.understanding.stems import MECHANISM, MORPHOLOGY, weights
from ape.evals.timeanomalybench import SCENARIOS
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

ROOT = Path(ape.__file__).parent


def best(text: str) -> str | None:
    named = weights(text, MECHANISM)
    return max(named, key=lambda term: named[term][0], default=None)


@pytest.mark.parametrize(
    ("text", "mechanism"),
    [
        ("The float hangs at its last reading.", "stuck_sensor"),
        ("Now and then the probe delivers single wrong values.", "transient"),
        ("A loose contact makes the reading noisy.", "noise_increase"),
        ("The probe no longer comes up to the limit.", "saturation"),
        ("The sensor was never stuck.", None),
        ("There are no leaks.", None),
    ],
)
def test_stems_that_are_not_denied_count(text, mechanism):
    assert best(text) == mechanism


def test_every_term_of_the_vocabulary_has_stems():
    assert set(MECHANISM) == set(MECHANISMS) and set(MORPHOLOGY) == set(MORPHOLOGIES)


def test_code_that_mines_contains_nothing_of_the_benchmark():
    """No names of scenarios and faults, and no five consecutive words of their texts."""
    sources = [
        path
        for package in ("agents", "graphs", "tools", "rules")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".toml")
    ]
    text = " ".join(re.findall(r"[a-z_]+", " ".join(path.read_text(encoding="utf-8").lower() for path in sources)))
    names = {name for s in SCENARIOS.values() for name in (s.name, *(fault.name for fault in s.faults)) if "_" in name}
    assert not [name for name in names if re.search(rf"\b{name}\b", text)]
    for scenario in SCENARIOS.values():
        t = scenario.texts
        for line in (t.measured, t.manual, *t.routine, *t.incidents, *t.misleading):
            words = re.findall(r"[a-z_]+", line.lower())
            phrases = {" ".join(words[k : k + 5]) for k in range(len(words) - 4)}
            assert not [phrase for phrase in phrases if phrase in text], scenario.name
