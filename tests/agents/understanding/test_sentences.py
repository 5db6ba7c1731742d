"""Sentences and clauses of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.sentences import clauses, sentences


def split(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(enumerate(text.splitlines(), 1))]


def test_sentence_over_wrapped_lines_has_the_number_of_its_first_line():
    text = (
        "Tank 3, outdoors, for the cooling water of the whole of the plant and more.\n"
        "In cold winters the level sensor may stop, that is to say that it will\n"
        "freeze at its last reading for hours."
    )
    assert [(sentence.line, sentence.text[:14]) for sentence in sentences(enumerate(text.splitlines(), 1))] == [
        (1, "Tank 3, outdoo"),
        (2, "In cold winter"),
    ]


def test_line_that_is_short_or_starts_an_item_ends_the_sentence_before():
    lines = ["Level of a tank", "The float gets stuck at times, say operators", "- it drifts", "2) it jumps"]
    assert split("\n".join(lines)) == [*lines[:2], "it drifts", "it jumps"]


def test_line_in_lower_case_continues_the_one_before():
    assert split("A very long first line that nobody wrapped. " * 5 + "\nThe float\nsticks.")[-1] == "The float sticks."


@pytest.mark.parametrize(
    "text", ["It drops by approx. 3 bar.", "Tank no. 4 leaks.", "P-101.2 is at 3.5 bar.", "Use e.g. a filter."]
)
def test_full_stop_of_an_abbreviation_or_a_number_ends_no_sentence(text):
    assert split(text) == [text]


def test_unit_at_the_end_of_a_sentence_ends_it():
    assert split("x1: wind speed, m/s. x2: oil temperature, °C. It drifts.") == [
        "x1: wind speed, m/s.",
        "x2: oil temperature, °C.",
        "It drifts.",
    ]


@pytest.mark.parametrize("text", ["# Cavitation of the pump", "Known issues", "Typical failures:", "NORMAL OPERATION"])
def test_headings(text):
    assert sentences([(1, text)])[0].heading


@pytest.mark.parametrize("text", ["Stuck level sensor", "The sensor drifts.", "Leaking valve: slow drift downwards"])
def test_failures_in_few_words_are_no_headings(text):
    assert not sentences([(1, text)])[0].heading


def test_clauses():
    assert clauses("The float sticks, or it drifts as scale builds up; flow holds while it jumps up and down.") == [
        "The float sticks",
        "it drifts as scale builds up",
        "flow holds",
        "it jumps up and down",
    ]


@given(st.text(max_size=300))
def test_every_word_of_a_text_is_in_a_sentence(text):
    words = "".join(split(text))
    assert all(letter in words for letter in text if letter.isalpha())
