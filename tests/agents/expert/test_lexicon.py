"""What sentences of a manual become: hints with mechanism, morphology, quote and line; and what they do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ape
from ape.agents.expert.lexicon import hints, passages
from ape.evals.timeanomalybench import SCENARIOS
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

ROOT = Path(ape.__file__).parent


def numbered(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.splitlines(), 1))


def told(text: str, channels: tuple[str, ...] = ()):
    return hints(numbered(text), channels)


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
def test_a_sentence_names_mechanism_and_morphology(text, mechanism, morphology):
    best = told(text)[0]
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
def test_what_is_denied_or_harmless_is_no_hint(text):
    assert told(text) == []


def test_no_longer_is_no_denial():
    assert told("The probe no longer comes up to the limit.")[0].mechanism == "saturation"


def test_a_sentence_goes_over_line_breaks_and_is_quoted_from_its_first_line():
    first = "Tank 3, outdoors, for the cooling water of the whole of the plant and more."
    second = "In cold winters the level sensor may stop, that is to say that it will"
    text = f"{first}\n{second}\nfreeze at its last reading for hours."
    found = next(hint for hint in told(text) if hint.mechanism == "stuck_sensor")
    assert found.line == 2 and found.quote.endswith("for hours.") and found.seconds.low == 7200


def test_lines_that_were_not_wrapped_are_apart():
    assert [
        passage.text for passage in passages(numbered("Level of a tank\nThe float gets stuck at times, say operators."))
    ] == [
        "Level of a tank",
        "The float gets stuck at times, say operators.",
    ]


def test_channels_that_move_are_named_and_those_that_stay_are_not():
    hint = told("A burst main: the demand jumps, while pump_power holds.", ("demand", "pump_power", "level"))[0]
    assert hint.channels == ["demand"]


def test_level_and_size_are_read():
    hint = told("Under full load the swing gets weak, 20 to 30 % lower.")[0]
    assert (hint.mechanism, hint.level) == ("gain_change", ["high"])
    assert (hint.change.low, hint.change.high) == pytest.approx((-0.3, -0.2))


def test_every_term_of_the_vocabulary_has_words():
    from ape.agents.expert.lexicon import MECHANISM, MORPHOLOGY

    assert set(MECHANISM) == set(MECHANISMS) and set(MORPHOLOGY) == set(MORPHOLOGIES)


def test_no_word_of_the_bench_stands_in_code_that_mines():
    """Names of scenarios and faults, and any five words in a row of their texts."""
    sources = [
        path
        for room in ("agents", "graphs", "tools", "rules")
        for path in (ROOT / room).rglob("*")
        if path.suffix in (".py", ".toml")
    ]
    text = " ".join(re.findall(r"[a-z_]+", " ".join(path.read_text(encoding="utf-8").lower() for path in sources)))
    names = {name for s in SCENARIOS.values() for name in (s.name, *(fault.name for fault in s.faults)) if "_" in name}
    assert not [name for name in names if re.search(rf"\b{name}\b", text)]
    for scenario in SCENARIOS.values():
        t = scenario.texts
        for line in (t.measured, t.manual, *t.routine, *t.incidents, *t.misleading):
            words = re.findall(r"[a-z_]+", line.lower())
            runs = {" ".join(words[k : k + 5]) for k in range(len(words) - 4)}
            assert not [run for run in runs if run in text], scenario.name
