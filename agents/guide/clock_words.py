"""Times of the day and numbers in words: "half past twelve", "2 to 6 pm", "4 in the morning"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ape.agents.understanding.times import hours

NUMBERS = {
    "a": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0,
    "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0,
    "fifty": 50.0, "couple of": 2.0, "few": 3.0,
}  # fmt: skip
UNITS = {  # seconds
    "seconds": 1.0, "second": 1.0, "minutes": 60.0, "minute": 60.0, "hours": 3600.0, "hour": 3600.0, "days": 86_400.0,
    "day": 86_400.0, "night": 86_400.0, "weeks": 604_800.0, "week": 604_800.0, "months": 2_592_000.0,
    "month": 2_592_000.0,
}  # fmt: skip

DAYTIME = (7.0, 19.0)  # hours
_BY_DAY = re.compile(r"\b(?:during|by|in|over) the day\b", re.IGNORECASE)
_HOUR = rf"(?P<hour>\d{{1,2}}|{'|'.join(word for word in NUMBERS if word != 'a' and NUMBERS[word] <= 12)})"
_HALF = r"(?: ?(?P<half>[ap]\.?m\b\.?|in the (?:morning|afternoon|evening)|at night))"
_CLOCK = re.compile(
    r"(?<![\w./:-])(?P<days>\d+ days?,? )?(?P<h>\d{1,6}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:\.\d+)?)?"
    r"(?: ?(?P<half>[ap]m)\b)?"
    r"(?: ?(?P<zone>UTC\b|Z\b|[+-]\d\d:?\d\d\b))?"
    r"|\b(?P<past>half past|quarter past|quarter to) (?P<word>\w+)"
    r"|\b(?P<noon>noon|midday|midnight)\b",
    re.IGNORECASE,
)
_FULL_HOUR = re.compile(
    rf"(?<![\w./:-]){_HOUR}(?:{_HALF}| ?(?P<sure>h\b|o'?clock))(?:{_HALF.replace('half', 'later')})?"
    rf"|\b(?:at|around|about|near) {_HOUR.replace('hour', 'bare')}\b(?![:./-]|\s*(?:%|\w*(?:samples?|points?"
    rf"|rows?)\b))",
    re.IGNORECASE,
)
_TWO_HOURS = re.compile(
    rf"\b(?:between |from )?{_HOUR.replace('hour', 'low')}(?::00)?(?: ?(?P<lowhalf>[ap]m))?\s*(?:and|to|until|till"
    rf"|-|–)\s*"
    rf"{_HOUR.replace('hour', 'high')}(?::00)?(?: ?(?P<highhalf>[ap]\.?m\b|h\b|o'?clock|hours?\b))",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    rf"\b(?:between|from) {_HOUR.replace('hour', 'low')}(?::00)?\s*(?:h|[ap]m)?\s*(?:and|to|until|till|-|–) "
    rf"?{_HOUR.replace('hour', 'high')}(?::00)?\b(?!:|\s*(?:%|samples?|points?|rows?|seconds?|minutes?|days?"
    rf"|degrees?))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Clock:
    """A time of the day in a text: where, in which words, in minutes, its zone, and whether it can be nothing else."""

    begin: int
    end: int
    text: str
    minutes: float
    zone: str = ""
    sure: bool = True


def clocks(text: str) -> list[Clock]:
    """Return the times of the day that a text names, in order."""
    if match := _TWO_HOURS.search(text):
        high = _hour(match["high"], match["highhalf"])
        low = _hour(match["low"], match["lowhalf"] or match["highhalf"])
        if low > high and not match["lowhalf"]:
            low = _hour(match["low"], None)
        return [_whole(match, "low", low), _whole(match, "high", high)]
    found = [_clock(match) for match in _CLOCK.finditer(text)]
    for match in _FULL_HOUR.finditer(text):
        if all(match.end() <= time.begin or match.start() >= time.end for time in found):
            word = match["hour"] or match["bare"]
            half = match["half"] or match["later"]
            sure = match["hour"] is not None
            if (hour := _hour(word, half)) <= 24:
                found.append(Clock(match.start(), match.end(), f"{hour:.0f}:00", 60 * hour, sure=sure))
    if not found and (match := _BETWEEN.search(text)):
        return [_whole(match, end, _hour(match[end], None), sure=False) for end in ("low", "high")]
    return sorted(found, key=lambda time: time.begin)


def without_clocks(text: str) -> str:
    """Return a text without the two times of the day between which something is."""
    return _BETWEEN.sub(" ", _TWO_HOURS.sub(" ", text)) if len(clocks(text)) > 1 else text


def hours_in(text: str) -> tuple[float, float] | None:
    """Return the hours of the day that a text names as a range; those after midnight are above 24."""
    times = clocks(text)
    if len(times) > 1:
        low, high = times[0].minutes / 60, times[1].minutes / 60
        return low, high if high > low else high + 24
    named = hours(text)
    if named is None:
        return DAYTIME if _BY_DAY.search(text) else None
    return named.low, named.high


def _clock(match: re.Match[str]) -> Clock:
    text = match[0].strip()
    if match["noon"]:
        minutes = 0.0 if match["noon"].lower() == "midnight" else 720.0
    elif match["past"]:
        hour = _hour(match["word"], None)
        minutes = 60 * hour + {"half past": 30, "quarter past": 15, "quarter to": -15}[match["past"].lower()]
    else:
        hour = _hour(match["h"], match["half"])
        minutes = 60 * hour + int(match["m"]) + int(match["s"] or 0) / 60
    return Clock(match.start(), match.end(), text, minutes, match["zone"] or "")


def _whole(match: re.Match[str], group: str, hour: float, sure: bool = True) -> Clock:
    return Clock(match.start(group), match.end(group), f"{hour:.0f}:00", 60 * hour, sure=sure)


def _hour(word: str, half: str | None) -> float:
    """Return an hour of the day; ``half`` says which half of the day, if anything."""
    hour = NUMBERS.get(word.lower(), 12.0) if not word.isdecimal() else float(word)
    half = (half or "").lower().replace(".", "")
    if half in ("pm", "in the afternoon", "in the evening") or (half == "at night" and hour >= 6):
        return hour % 12 + 12 if hour <= 12 else hour
    if half in ("am", "in the morning", "at night"):
        return hour % 12 if hour == 12 else hour
    return hour
