"""Nothing is done on what only sounds like an order."""

from __future__ import annotations

import pytest

from ape.agents.guide.plain_words import in_plain_words
from ape.evals.wordings.wordings import Wording, react


@pytest.mark.parametrize(
    "says",
    [
        "drop everything except level-drift", "I would not drop level-drift", "let us not drop level-drift",
        "did you drop level-jump?", "is level-jump too long?", "level-jump is not too long", "make level-jump longer?",
        "does level-jump only happen at night?", "why should I make level-jump longer", "what does undo do",
        "can I undo", "do not undo", "cancel", "event 3 is not normal", "is event 3 normal?", "did you train already",
        "start the training? no, wait", "drop level-jump. wait", "train it, or rather not", "retrain, hold on",
        "the jump is wrong", "Saturdays and Sundays don't count for the jump",
        "could the sensor get stuck?", "level-jump dropped on Tuesday", "event 3 is not a false alarm",
    ],
)  # fmt: skip
def test_no_deed_without_an_order(says):
    (reaction,) = react([Wording(says, ("answer", "ask", "nearest", "why_rule", "explain_event"))])
    assert reaction.outcome in ("right", "asked", "not understood"), reaction.did


@pytest.mark.parametrize(
    ("says", "tool"),
    [
        ("can you drop level-jump", "drop_rule"),
        ("no, drop level-jump instead", "drop_rule"),
        ("I do not want level-jump", "drop_rule"),
        ("make level-jump longer without changing its size", "change_rule"),
        ("event 3 is not a problem", "add_benign_event"),
        ("please don't alert when the pressure jumps at two", "add_benign_rule"),
    ],
)
def test_orders_are_done(says, tool):
    (reaction,) = react([Wording(says, (tool,))])
    assert reaction.outcome == "right", reaction.did


def test_it_is_no_rule_after_an_event():
    (reaction,) = react([Wording("drop it", ("ask",), before=("why level-drift", "why event 2"))])
    assert reaction.outcome == "right", reaction.did


def test_plain_words():
    assert in_plain_words("Hi, could you tell me whats wrong, please?", ()) == "what is wrong?"
    assert in_plain_words("annomalies pls", {"anomalies"}) == "anomalies"
    assert in_plain_words("thanks", ()) == "thanks"


@pytest.mark.parametrize("one", ["weekend", "weekends", "strangely"])
def test_other_forms_of_a_known_word_are_no_slips_that_change_the_number(one):
    assert in_plain_words(f"show last {one}", {"weekends", "strange"}) != "show last weekends" or one == "weekends"
