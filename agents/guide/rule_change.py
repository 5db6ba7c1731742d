"""Parse a person's request to change a rule: size, length, pace, weight, time and place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ape.agents.guide.clock_words import NUMBERS, hours_in, without_clocks
from ape.agents.guide.names import channels_in
from ape.agents.understanding.quantities import durations
from ape.agents.understanding.times import weekdays

MORE, LESS = 1.5, 0.67  # factors of a change without a number
_SIZE = r"(?:size|height|amplitude|magnitude|strength)"
_LENGTH = r"(?:length|duration|time)"
# words, the argument of change_rule that they change, and whether they increase it
CHANGES = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), argument, increases)
    for words, argument, increases in (
        (rf"larger|bigger|stronger|greater|higher|taller|as (?:large|big|strong|high)|too (?:small|weak|little|low)|"
         rf"(?:increase|raise|double|triple) (?:the |its )?{_SIZE}", "size", True),
        (rf"smaller|weaker|subtler|milder|lower|too (?:large|big|strong|high)|(?:reduce|decrease|halve"
         rf"|lower) (?:the |its )?{_SIZE}",
         "size", False),
        (rf"longer|as long|too (?:short|brief)|prolong|extend|lengthen|(?:increase|double|triple) (?:the "
         rf"|its )?{_LENGTH}", "length", True),
        (rf"shorter|briefer|too long|shorten|(?:reduce|decrease|halve) (?:the |its )?{_LENGTH}", "length", False),
        (r"(?:more|much more|as) (?:often|frequent\w*|common|likely|important)|(?:weigh\w*|matter|count)s? more"
         r"|too (?:rare|seldom)", "weight", True),
        (r"rarer|less (?:often|frequent\w*|common|likely|important)|(?:weigh\w*|matter|count)s? less"
         r"|too (?:often|frequent|common)|seldom"
         r"|rarely", "weight", False),
    )
)  # fmt: skip
_KEPT = re.compile(
    r",?\s*\b(?:without (?:changing|touching|affecting|altering)|but keep|keep(?:ing)?|leave|leaving|not) (?:its "
    r"|the |it )?"
    rf"(?P<what>{_SIZE}|{_LENGTH}|as (?:large|big|long))[^,;.]*",
    re.IGNORECASE,
)
_FACTOR = re.compile(
    r"\b(?P<number>\d+(?:\.\d+)?|two|three|four|five|ten) times\b|\b(?P<twice>twice|doubl\w*)\b"
    r"|\b(?P<thrice>tripl\w*)\b",
    re.I,
)
_PERCENT = re.compile(r"\b(\d+(?:\.\d+)?) ?(?:%|per ?cent)", re.IGNORECASE)
_HALF = re.compile(r"\b(?:half|halve)\b", re.IGNORECASE)
_DATES = re.compile(
    r"\b(?:holidays?|winter|summer|spring|autumn|months?|(?:in|on) (?:january|february|march|april|june|july"
    r"|august|september|october|november|december))\b",
    re.IGNORECASE,
)
_SAMPLES = re.compile(r"\b(\d+)(?:\s*(?:to|-|–|and)\s*(\d+))?\s*(?:samples?|points?|steps?)\b", re.IGNORECASE)
_EXCEPT = re.compile(r"\b(?:not|never|except|but not|n't)\b", re.IGNORECASE)


def parse_change(text: str, channels: Sequence[str], step_seconds: float | None = None) -> dict[str, Any] | str:
    """Return the arguments of change_rule that a request names, or why the request cannot be met."""
    if _DATES.search(text):
        return "A rule can be bound to hours, days of the week, levels, activity and channels, but not to dates."
    kept, text = _KEPT.search(text), _KEPT.sub(" ", text)
    change: dict[str, Any] = {}
    factor = _factor(text)
    for words, argument, increases in CHANGES:
        if words.search(text):
            change[argument] = _multiple(text, factor, increases)
    if re.search(r"\bslow|\bgradual|\bcreep", text, re.I):
        change |= {"gradual": True, "length": change.get("length", factor or MORE)}
    if re.search(r"\bfaster|\babrupt|\bsudden", text, re.I):
        change |= {"gradual": False, "length": change.get("length", 1 / factor if factor else LESS)}
    if kept:
        change.pop("size" if re.search(rf"{_SIZE}|large|big", kept["what"], re.I) else "length", None)
    elif (samples := length_in_samples(without_clocks(text), step_seconds)) is not None:
        change.pop("length", None)
        change["samples"] = {"low": samples[0], "high": samples[1]}
    return change | _time_and_place(text, channels)


def length_in_samples(text: str, step_seconds: float | None) -> tuple[float, float] | None:
    """Return the length that a text names as a range in samples; None if it names none, or the step is not known."""
    if match := _SAMPLES.search(text):
        low, high = float(match[1]), float(match[2] or match[1])
        return (low, high) if match[2] else (low, 2 * low)
    if step_seconds and (spans := durations(text)):
        low, high = (max(seconds / step_seconds, 1.0) for seconds in spans[0])
        return low, high
    return None


def _multiple(text: str, factor: float | None, increases: bool) -> float:
    if share := _PERCENT.search(text):
        return round(1 + float(share[1]) / 100 if increases else max(1 - float(share[1]) / 100, 0.05), 4)
    return (factor or MORE) if increases else (1 / factor if factor else LESS)


def _factor(text: str) -> float | None:
    if _HALF.search(text):
        return 0.5 if re.search(r"\bhalf as (?:large|big|long|strong|often|high|common)", text, re.I) else 2.0
    match = _FACTOR.search(text)
    if match is None:
        return None
    if match["twice"] or match["thrice"]:
        return 2.0 if match["twice"] else 3.0
    return NUMBERS.get(match["number"].lower()) or float(match["number"])


def _time_and_place(text: str, channels: Sequence[str]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    if re.search(r"\b(?:anywhere|any ?time|always|everywhere|whenever|all channels|every channel)\b", text, re.I):
        bounds["anywhere"] = True
    if hours := hours_in(text):
        if _EXCEPT.search(text):
            hours = (hours[1] % 24, hours[0] % 24 + 24 * (hours[1] % 24 > hours[0] % 24))
        bounds["hours"] = {"low": hours[0], "high": hours[1]}
    if days := weekdays(text):
        bounds["weekdays"] = days
    if level := re.search(r"\b(?:when|while|at)\b.*\b(high|low|middle)\b", text, re.I):
        bounds["level"] = [level[1].lower()]
    elif activity := re.search(r"\b(?:when|while)\b.*\b(busy|lively|active|quiet|calm|idle)\b", text, re.I):
        bounds["activity"] = ["low" if activity[1].lower() in ("quiet", "calm", "idle") else "high"]
    named = channels_in(text, list(channels))
    if named and re.search(r"\b(?:on|in|for|to|only|affects?|hits?|concerns?)\b", text, re.I):
        bounds["channels"] = named
    return bounds
