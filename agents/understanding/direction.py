"""Whether a text says that values rise or fall."""

from __future__ import annotations

import re
from typing import Literal

Direction = Literal["up", "down", "either"]

_UP = re.compile(
    r"\b(?:ris(?:e|es|en|ing)|rose|rais\w+|climb\w*|increas\w+|jump(?:s|ed)?|surg\w+|grow\w*|grew|higher|upwards?"
    r"|gain(?:s|ed)"
    r"|(?:go(?:es|ing)?|went|com\w+|creep\w*|crept|drift\w*|mov\w+|build\w*|ramp\w*|step\w*|tick\w*|swing\w*) up|up by"
    r"|spik(?:e|es|ed|ing)|shoot\w*|shot|soar\w*|swell\w*|warm\w*|hot(?:ter)?|overheat\w*|faster|stronger|doubl\w+"
    r"|tripl\w+|too (?:high|warm|hot|much|fast|many)|over-?read\w*|over-?shoot\w*|above|more|excess\w*|heavier"
    r"|taller|high)\b",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"\b(?:lower\w*|less|below|sinks?|sinking|sank|sunk|sag\w*|fall(?:s|en|ing)?|fell|drop\w*|down(?:wards?)?"
    r"|dip\w*|reduc\w+"
    r"|decreas\w+|loss(?:es)?|los(?:es|ing)|lost|halv\w+|weak\w*|declin\w+|shrink\w*|shrank|plung\w+|collaps\w*"
    r"|cold(?:er)?"
    r"|cool(?:er|s)|slower|too (?:low|cold|slow|few|little)|under-?read\w*|empties|emptying|fad(?:e|es|ing)|deplet\w+"
    r"|to (?:zero|nothing)|drain\w*|fewer|short of|low)\b",
    re.IGNORECASE,
)
_NEITHER = re.compile(
    r"\bup and down\b|\b(?:up|down) to\b|\bbacks? up\b|\bcomes? up to\b|\bjump\w* (?:about|around|back|between)\b"
    r"|\bgoes up and down\b"
    r"|\b(?:at|under|in|during|on|with) (?:\w+ )?(?:high|low|full|heavy|peak) \w+|\bslow(?:ed|s)? down\b"
    r"|\bspeeds? up\b"
    r"|\bset ?up\b|\bstart(?:s|ed|ing)?[- ]?up\b|\bwarm(?:s|ing)?[- ]?up\b|\bshut(?:s|ting)?[- ]?down\b"
    r"|\bpicks? up\b|\bends? up\b"
    r"|\bmore (?:and|or|often|than one|slowly|so)\b|\bhigh(?:er)?[- ](?:frequency|resolution|order)\b|\blow-pass\b"
    r"|\bpower (?:loss|cut)\b|\b(?:signal|data|packet) loss\b|\bis down\b|\bbreak\w* down\b|\bloss of (?:signal"
    r"|contact|data)\b",
    re.IGNORECASE,
)


def direction(text: str, near: int | None = None) -> Direction:
    """Return whether a text says that values rise or fall: the word closest to a position, or all words agreeing."""
    text = _NEITHER.sub(lambda match: " " * len(match[0]), text)
    ups, downs = ([match.start() for match in pattern.finditer(text)] for pattern in (_UP, _DOWN))
    if near is not None and ups and downs:
        closest_up, closest_down = (min(abs(at - near) for at in places) for places in (ups, downs))
        return "up" if closest_up < closest_down else "down"
    if ups and downs:
        return "either"
    return "up" if ups else "down" if downs else "either"


def moves(text: str) -> bool:
    """Return whether a text says that values rise or fall."""
    text = _NEITHER.sub(" ", text)
    return _UP.search(text) is not None or _DOWN.search(text) is not None
