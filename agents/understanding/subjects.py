"""What a sentence is about: this machine or another one, a sensor or the process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from ape.agents.understanding.words import WORDS

_TOKEN = re.compile(r"[^\W\d_]+(?:'s)?")
_SENSOR, _PROCESS = frozenset(WORDS["words"]["sensor"]), frozenset(WORDS["words"]["process"])
# "P-102", "TK 7B", "unit 3", "tank no. 4"
_TAG = re.compile(r"\b(?P<kind>[A-Z]{1,4})[- ]?(?P<number>\d{1,5}[A-Za-z]?)\b(?![%°/])")
_NUMBERED = re.compile(
    r"\b(?P<kind>[a-z]{3,}?)s?(?: (?:no\.?|number|nr\.?|#))? #?(?P<number>\d{1,4}[A-Za-z]?|[A-H])\b"
    r"(?![\w%°/.,:]*\d|\s*[%°])",
    re.IGNORECASE,
)
_UNITS = frozenset(WORDS["words"]["unit"])
_ELSEWHERE = re.compile(
    r"\b(?:sister|neighbou?r(?:ing)?|twin|other|another|old|previous|former|adjacent) (?:\w+ )?"
    rf"(?:{'|'.join(_UNITS)}|system|company|city|hospital)s?\b|\belsewhere\b|\bcompetitors?\b"
    r"|\bon staging\b|\b(?:staging|test) (?:system|cluster|environment|rig|bench)\b",
    re.IGNORECASE,
)
_HERE = re.compile(r"\b(?:this|our|the same|here|like (?:the|its|all)|as (?:with|on|in)|both|all)\b", re.IGNORECASE)


# what else changes with a failure of the process
_FOLLOWS = re.compile(
    r"\b(?:others?|rest|neighbou?rs?|everything|downstream|(?:all|both) (?:the )?(?:other )?\w+)\b[^.;,]{0,40}?"
    r"\b(?:follow|react|respond|change|move|rise|fall|drop|sink|go|goes|suffer|are affected|come down)\w*"
    r"|\b(?:follows?|followed) (?:suit|along|it|them|too|after)\b|\bin turn\b|\b(?:along|together) with it\b"
    r"|\b(?:and|which|that) (?:so )?(?:drags?|pulls?|takes|carries|pushes) (?:\w+ ){0,4}(?:down|up|along|with it)\b",
    re.IGNORECASE,
)
_STAYS = re.compile(r"\b(?:no longer|not|never|without|n't|nothing|none|hardly)\b", re.IGNORECASE)


def acts_on(text: str) -> Literal["sensor", "process"] | None:
    """Return whether a text blames a sensor (or what carries its readings) or the process; None if it blames neither.

    In "the pump's speed sensor", the last noun counts.
    """
    tokens = [token.lower().removesuffix("'s") for token in _TOKEN.findall(text)]
    blamed: Literal["sensor", "process"] | None = None
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        singular = token.removesuffix("s")
        if token in _SENSOR or singular in _SENSOR:
            return "sensor"
        if token in _PROCESS or singular in _PROCESS:
            blamed = "process"
        elif blamed is not None and not _noun_follows(token, following):
            return blamed
    return blamed


def others_follow(text: str) -> bool:
    """Return whether a text says clearly that other values change with the one that fails."""
    return _FOLLOWS.search(text) is not None and _STAYS.search(text) is None


def own_tags(texts: Iterable[str]) -> dict[str, set[str]]:
    """Return the numbers of the machines that texts name, by the kind of the tag or the noun before the number."""
    tags: dict[str, set[str]] = {}
    for text in texts:
        for kind, number, _ in _tags(text):
            tags.setdefault(kind, set()).add(number)
    return tags


def other_machine(text: str, own: dict[str, set[str]]) -> str | None:
    """Return the words of a text that name another machine than one's own, None if it speaks of no other."""
    named = list(_tags(text))
    if any(number in own.get(kind, ()) for kind, number, _ in named):
        return None
    for kind, _, words in named:
        if kind in own:
            return words
    match = _ELSEWHERE.search(text)
    return None if match is None or _HERE.search(text[: match.start()]) else match[0]


def _tags(text: str) -> Sequence[tuple[str, str, str]]:
    """Kind, number and words of each tag."""
    found = [(match["kind"], match["number"].upper(), match[0]) for match in _TAG.finditer(text)]
    for match in _NUMBERED.finditer(text):
        if (kind := match["kind"].lower()) in _UNITS:
            found.append((kind, match["number"].upper(), match[0]))
    return found


def _noun_follows(token: str, following: str) -> bool:
    """Whether a token may be inside a group of nouns that ends with a sensor."""
    return any(word in _SENSOR or word.removesuffix("s") in _SENSOR for word in (token, following))
