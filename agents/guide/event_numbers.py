"""Find the event that a request names by its rank: "event 2", "the second alarm", "the worst one"."""

from __future__ import annotations

import re

from ape.agents.expert.transcript import Transcript

ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
}
WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_NOUN = r"(?:event|anomaly|alarm|alert|incident|finding|problem)"
_RANK = re.compile(
    rf"\b{_NOUN}s?(?: (?:number|no\.?|nr\.?))? ?#?(?P<number>\d{{1,3}}|{'|'.join(WORDS)})\b(?!:)"
    rf"|(?:\bnumber|\bno\.|#) ?(?P<hash>\d{{1,3}})\b"
    rf"|\b(?P<ordinal>{'|'.join(ORDINALS)}) (?:worst |biggest |most severe )?(?:{_NOUN}|one)\b"
    rf"|\b(?P<nth>\d{{1,3}})(?:st|nd|rd|th) (?:worst |biggest )?(?:{_NOUN}|one)\b"
    rf"|\b(?P<worst>worst|biggest|most severe|largest|strongest|top)(?: (?:{_NOUN}|one)\b|$)",
    re.IGNORECASE,
)
PRONOUN = re.compile(r"\b(?:it|that|this|one)\b", re.IGNORECASE)


def event_number(transcript: Transcript) -> int | None:
    """Return the rank of the event that a request speaks of, 1 is the worst; None if it is not clear which."""
    if (rank := named_rank(transcript.request)) is not None:
        return rank
    if PRONOUN.search(transcript.request):
        for text in reversed(transcript.earlier):
            if (rank := named_rank(text)) is not None:
                return rank
    return None


def named_rank(text: str) -> int | None:
    """Return the rank that a text names; None if it names none."""
    match = _RANK.search(text)
    if match is None:
        return None
    if match["worst"]:
        return 1
    if match["ordinal"]:
        return ORDINALS[match["ordinal"].lower()]
    word = (match["number"] or match["hash"] or match["nth"]).lower()
    return WORDS.get(word) or int(word)
