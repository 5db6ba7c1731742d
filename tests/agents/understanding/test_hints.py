"""Hints in the sentences of a manual: mechanism, morphology, quote and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ape
from ape.agents.understanding.hints import MECHANISM, MORPHOLOGY, find_hints
from ape.agents.understanding.sentences import sentences
from ape.evals.timeanomalybench import SCENARIOS
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

ROOT = Path(ape.__file__).parent


def numbered(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.splitlines(), 1))


def hints_in(text: str, channels: tuple[str, ...] = ()):
    return find_hints(numbered(text), channels)


@pytest.mark.parametrize(
    ("text", "mechanism", "morphology"),
    [
        ("The float hangs at its last reading.", "stuck_sensor", "plateau"),
        ("Now and then the probe delivers single wrong values.", "transient", "spike"),
        ("The filter fouls and the pressure drop creeps up little by little.", "gradual_drift", "ramp"),
        ("Above 80 A the amplifier is overdriven and the graph shows flat tops.", "saturation", "clipped_peaks"),
        ("With a dead battery the clock falls behind and the peaks come late.", "timing_disturbance", "shifted_cycles"),
        ("A loose contact makes the reading noisy.", "noise_increase", "rough_stretch"),
    ],
)
def test_sentence_names_mechanism_and_morphology(text, mechanism, morphology):
    best = hints_in(text)[0]
    assert (best.mechanism, best.morphology, best.quote, best.line) == (mechanism, morphology, text, 1)


@pytest.mark.parametrize(
    "text",
    [
        "The sensor was never stuck.",
        "There are no leaks.",
        "It runs without noise.",
        "Drift was ruled out.",
        "Short jumps after a restart are normal.",
        "Throughput is raised abruptly by order of planning.",
        "The time is two o'clock.",
    ],
)
def test_denied_or_harmless_event_is_no_hint(text):
    assert hints_in(text) == []


def test_no_longer_does_not_deny():
    assert hints_in("The probe no longer comes up to the limit.")[0].mechanism == "saturation"


def test_sentence_over_wrapped_lines_has_the_number_of_its_first_line():
    first = "Tank 3, outdoors, for the cooling water of the whole of the plant and more."
    second = "In cold winters the level sensor may stop, that is to say that it will"
    text = f"{first}\n{second}\nfreeze at its last reading for hours."
    hint = next(hint for hint in hints_in(text) if hint.mechanism == "stuck_sensor")
    assert hint.line == 2 and hint.quote.endswith("for hours.") and hint.seconds.low == 7200


def test_short_line_is_a_sentence_of_its_own():
    lines = ["Level of a tank", "The float gets stuck at times, say operators."]
    assert [sentence.text for sentence in sentences(enumerate(lines, 1))] == lines


def test_only_changed_channels_are_named():
    hint = hints_in("A burst main: the demand jumps, while pump_power holds.", ("demand", "pump_power", "level"))[0]
    assert hint.channels == ["demand"]


def test_level_and_size_are_parsed():
    hint = hints_in("Under full load the swing gets weak, 20 to 30 % lower.")[0]
    assert (hint.mechanism, hint.level) == ("gain_change", ["high"])
    assert (hint.change.low, hint.change.high) == pytest.approx((-0.3, -0.2))


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
