"""Parse a person's request to change a rule: size, duration, pace, weight, time and place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MORE, LESS = 1.5, 0.67  # factors of a change without a number
NUMBERS = {"two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "ten": 10.0}
TIMES_OF_DAY = {  # in hours
    "night": (22.0, 30.0), "day": (6.0, 18.0), "daytime": (6.0, 18.0), "morning": (6.0, 12.0),
    "afternoon": (12.0, 18.0), "evening": (18.0, 23.0),
}  # fmt: skip
# words, the argument of change_rule that they change, and whether they increase it
CHANGES = (
    (re.compile(r"\b(?:larger|bigger|stronger|larger|greater|as (?:large|big|strong))\b", re.I), "size", True),
    (re.compile(r"\b(?:smaller|weaker|subtler|milder)\b", re.I), "size", False),
    (re.compile(r"\b(?:longer|as long)\b", re.I), "length", True),
    (re.compile(r"\b(?:shorter|briefer)\b", re.I), "length", False),
    (re.compile(r"\b(?:more (?:often|frequent\w*|common)|as often|weigh\w* more)\b", re.I), "weight", True),
    (re.compile(r"\b(?:rarer|less (?:often|frequent\w*|common)|weigh\w* less)\b", re.I), "weight", False),
)
_FACTOR = re.compile(r"\b(?P<number>\d+(?:\.\d+)?|two|three|four|five|ten) times\b|\b(?P<twice>twice|double)\b", re.I)
_HALF = re.compile(r"\b(?:half|halve)\b", re.I)
_BETWEEN = re.compile(r"\b(?:between|from)\s+(\d{1,2})(?::00)?\s*(?:h|am|pm)?\s*(?:and|to|-)\s*(\d{1,2})(?::00)?", re.I)
_DATES = re.compile(r"\b(?:weekends?|sundays?|mondays?|saturdays?|holidays?|winter|summer|months?)\b", re.I)


def parse_change(text: str, channels: Sequence[str]) -> dict[str, Any] | str:
    """Return the arguments of change_rule that a request names, or why the request cannot be met."""
    if _DATES.search(text):
        return "A rule can be bound to hours of the day, to levels, to activity and to channels, but not to dates."
    change: dict[str, Any] = {}
    factor = _factor(text)
    for words, argument, increases in CHANGES:
        if words.search(text):
            change[argument] = (factor or MORE) if increases else (1 / factor if factor else LESS)
    if re.search(r"\bslow|\bgradual|\bcreep", text, re.I):
        change |= {"gradual": True, "length": change.get("length", factor or MORE)}
    if re.search(r"\bfaster|\babrupt|\bsudden", text, re.I):
        change |= {"gradual": False, "length": change.get("length", 1 / factor if factor else LESS)}
    return change | _time_and_place(text, channels)


def _factor(text: str) -> float | None:
    if _HALF.search(text):
        return 0.5 if re.search(r"\bhalf as (?:large|big|long|strong|often)", text, re.I) else 2.0
    match = _FACTOR.search(text)
    if match is None:
        return None
    return 2.0 if match["twice"] else NUMBERS.get(match["number"].lower()) or float(match["number"])


def _time_and_place(text: str, channels: Sequence[str]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    if re.search(r"\b(?:anywhere|any ?time|always|everywhere|whenever)\b", text, re.I):
        bounds["anywhere"] = True
    if (hours := _BETWEEN.search(text)) and re.search(r"\b(?:only|hours?|o'clock|h|am|pm)\b", text, re.I):
        begin, end = float(hours[1]), float(hours[2])
        bounds["hours"] = {"low": begin, "high": end if end > begin else end + 24}
    else:
        for word, (begin, end) in TIMES_OF_DAY.items():
            if re.search(rf"\b(?:at|in the|by|during the|during) {word}\b", text, re.I):
                bounds["hours"] = {"low": begin, "high": end}
    if level := re.search(r"\bwhen\b.*\b(high|low|middle)\b", text, re.I):
        bounds["level"] = [level[1].lower()]
    elif activity := re.search(r"\bwhen\b.*\b(busy|lively|active|quiet|calm|idle)\b", text, re.I):
        bounds["activity"] = ["low" if activity[1].lower() in ("quiet", "calm", "idle") else "high"]
    named = [name for name in channels if re.search(rf"\b{re.escape(name)}\b", text, re.I)]
    if named and re.search(r"\b(?:on|in|for)\b", text, re.I):
        bounds["channels"] = named
    return bounds
