"""Parse durations and sampling steps in English: "a day or two", "most of an hour", "every 5 min"."""

from __future__ import annotations

import re
from collections.abc import Iterable

SECONDS = {
    "millisecond": 1e-3, "msec": 1e-3, "ms": 1e-3, "second": 1.0, "sec": 1.0, "s": 1.0, "minute": 60.0, "min": 60.0,
    "hour": 3600.0, "hr": 3600.0, "h": 3600.0, "day": 86_400.0, "night": 30_000.0, "shift": 28_800.0,
    "week": 604_800.0, "fortnight": 1_209_600.0, "month": 2.63e6, "year": 3.156e7,
}  # fmt: skip
NUMBER_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "fifty": 50,
    "sixty": 60, "ninety": 90, "half a": 0.5, "half an": 0.5, "a half": 0.5, "a quarter of a": 0.25,
    "a quarter of an": 0.25, "three quarters of an": 0.75,
}  # fmt: skip
VAGUE_COUNTS = {
    "some": (3, 20), "several": (3, 10), "a few": (2, 6), "few": (2, 6), "a couple of": (2, 3), "many": (5, 50),
    "dozens of": (20, 60), "": (2, 20),
}  # fmt: skip
FRACTIONS = {
    "half": 0.5,
    "a half": 0.5,
    "a third": 1 / 3,
    "two thirds": 2 / 3,
    "a quarter": 0.25,
    "a fifth": 0.2,
    "a tenth": 0.1,
}
FREQUENCY_ADVERBS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}
TOLERANCE = 1.5  # a single number means a range of this factor to both sides


def any_of(words: Iterable[str]) -> str:
    """Return the pattern of any of the words, the longest first."""
    return "|".join(sorted((re.escape(word) for word in words if word), key=len, reverse=True))


NUMBER = rf"(?:\d+(?:[.,]\d+)?|(?:{any_of(NUMBER_WORDS)})\b(?: and a half)?)"
_UNIT = rf"(?P<unit>{any_of(SECONDS)})(?:s|\.)?(?![\w/²³-])"
# "5 to 10 minutes", "an hour or two", "a few days"
_SPAN = re.compile(
    rf"(?<![\w./-])(?:(?P<low>{NUMBER})(?:\s*(?:to|-|–|or|and)\s*(?P<high>{NUMBER}))?"
    rf"|(?P<vague>{any_of(VAGUE_COUNTS)}))\s*-?{_UNIT}"
    r"(?P<more> or (?:two|three|so|more))?(?P<short> (?:late|behind|early|ahead|ago|old|slow|fast|out)\b)?",
    re.IGNORECASE,
)
# "for 3 scans"
_SAMPLES = re.compile(
    rf"(?<![\w./-])(?:(?P<low>{NUMBER})(?:\s*(?:to|-|–|or|and)\s*(?P<high>{NUMBER}))?"
    rf"|(?P<vague>{any_of(VAGUE_COUNTS)}))"
    r"\s*-?(?P<unit>samples?|scans?|points?|readings?|values?|intervals?|time steps?|polls?|measurements?)\b",
    re.IGNORECASE,
)
# after "the first hours of", which are then a time of day or of the year and no length
OF_CALENDAR = (
    r"(?:the|a|an|each|every) (?:\w+ )?(?:mornings?|afternoons?|evenings?|nights?|days?|weeks?|months?|years?"
    r"|shifts?)\b"
)
# lengths in words, in seconds
_NAMED = (
    (rf"first (?P<unit>second|minute|hour|day)s(?! of {OF_CALENDAR})", (2.0, 20.0)),
    (rf"first (?P<unit>minute|hour|day)(?! of {OF_CALENDAR})", (0.2, 1.0)),
    (r"first half(?: an)?[ -](?P<unit>minute|hour)", (0.1, 0.5)),
    (r"first quarter(?: of an)?[ -](?P<unit>hour)", (0.05, 0.25)),
    (r"most of (?:an?|the) (?P<unit>hour|day|night|shift|week|month|year|minute)", (0.5, 1.0)),
    (
        r"(?:all|the (?:whole|entire)|an? (?:whole|entire|full)|through(?:out)? the|until the end of the"
        r"|the rest of the)"
        r" (?P<unit>day|night|shift|week|month|hour|year)",
        (0.7, 1.1),
    ),
    (
        r"(?:up to|at most|less than|under|within|no more than) an? (?P<unit>hour|day|minute|week|second|month)",
        (0.2, 1.0),
    ),
    (r"(?:more than|over|at least) an? (?P<unit>hour|day|minute|week|second|month)", (1.0, 3.0)),
    (r"(?P<unit>hour|day|minute|week)s on end", (2.0, 20.0)),
    (r"over-?(?P<unit>night)", (0.7, 1.6)),
    (r"(?:all|the whole|over the|a) (?P<unit>weekend)", (0.5, 1.2)),
    (r"for (?:an?|one) (?P<unit>instant|moment)|(?P<unit2>momentar)(?:y|ily)", (0.5, 10.0)),
)
_NAMED_SECONDS = SECONDS | {"weekend": 172_800.0, "instant": 1.0, "moment": 1.0, "momentar": 1.0}
# "1 h 30", "1h30min", "1:30 h"
_CLOCK_SPAN = re.compile(
    r"(?<![\w:.])(?P<h>\d{1,2})(?:\s*h(?:ours?|rs?)?\s*(?:and )?|:)(?P<m>[0-5]?\d)"
    r"\s*(?:min(?:utes?)?|(?<=:\d\d) ?h|(?<=h\d\d))\b",
    re.IGNORECASE,
)
# before a length that limits it
_AT_MOST = re.compile(
    r"\b(?:up to|at most|less than|under|within|no more than|no longer than|as long as)\s*$", re.IGNORECASE
)
_AT_LEAST = re.compile(r"\b(?:more than|over|at least|longer than)\s*$", re.IGNORECASE)
# "for minutes", without a number
_BARE = re.compile(rf"\b(?:for|over|within|lasts?|takes?) (?P<unit>{any_of(SECONDS)})s\b", re.IGNORECASE)
# before a span that is a length
_LENGTH = re.compile(
    r"\b(?:for|last(?:s|ed|ing)?|over|within|during|takes?|took|duration|long|of|until it|after)"
    r"(?: (?:about|some|around|roughly|up to|at most|at least|more than|less than|between|typically|usually|only"
    r"|the|another|is|:))*\W*$",
    re.IGNORECASE,
)
# "after 18h", which is a time of day
_HOUR, _SINCE = re.compile(r"\d{1,2}h"), re.compile(r"\b(?:after|at|since|from|until|before)\s*$", re.IGNORECASE)
# before a span that is a rate, a sampling step or an age
_NO_SPAN = re.compile(r"(?:\b(?:every|each|per|times|once|twice|last|sampled|age|old)|/)\s*$", re.IGNORECASE)
_MEASURED = r"(?:sampl|averag|mean|count|record|measur|logg|read|report|poll|scrap|interval|resolution|step|aggregat)"
# "sampled every 5 minutes", "every 5 minutes", "5-minute averages"
_STEP = (
    re.compile(
        rf"{_MEASURED}\w*[^.\n]{{0,30}}?\b(?:every|each|once (?:a|an|every|per)|over|of)\s+(?P<span>[^.,;\n]*)", re.I
    ),
    re.compile(r"\b(?:every|each|once (?:a|an|every|per))\s+(?P<span>[^.,;\n]*)", re.I),
    re.compile(rf"(?P<span>[^.,;\n]*?)[ -]{_MEASURED}", re.I),
)
# "20 times a second", "3 readings per minute"
_RATE = re.compile(
    rf"(?:(?P<count>{NUMBER}) times|(?P<twice>twice)|(?P<samples>{NUMBER}) (?:samples?|readings?|values?))"
    rf" (?:a|an|per|each|every) {_UNIT}",
    re.IGNORECASE,
)
_HERTZ = re.compile(r"(\d+(?:[.,]\d+)?)\s*(k?)hz\b", re.IGNORECASE)


def durations(text: str, step_seconds: float | None = None) -> list[tuple[float, float]]:
    """Return the durations that a text names, as lowest and highest seconds, those that it says are lengths first.

    Rates, sampling intervals, delays and times of day are left out, and so are numbers of samples if the seconds
    between them are not known.
    """
    spans: list[tuple[bool, int, tuple[float, float]]] = []
    taken = ""
    for match in _CLOCK_SPAN.finditer(text):
        seconds = int(match["h"]) * 3600.0 + int(match["m"]) * 60.0
        if seconds > 0:
            spans.append((_says_length(text, match), match.start(), (seconds / TOLERANCE, seconds * TOLERANCE)))
    taken = _CLOCK_SPAN.sub(lambda match: " " * len(match[0]), text)
    for words, (low, high) in _NAMED:
        pattern = re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
        for match in pattern.finditer(taken):
            unit = _NAMED_SECONDS[next(name for name in match.groupdict().values() if name).lower()]
            spans.append((True, match.start(), (low * unit, high * unit)))
        taken = pattern.sub(lambda match: " " * len(match[0]), taken)
    for match in _SPAN.finditer(taken):
        before = text[: match.start()]
        clock = _HOUR.fullmatch(match[0]) is not None and _SINCE.search(before) is not None
        if not match["short"] and not clock and not _NO_SPAN.search(before):
            spans.append((_says_length(text, match), match.start(), _limited(text, match, *_span_seconds(match))))
    for match in _BARE.finditer(taken):
        low, high = VAGUE_COUNTS[""]
        unit = SECONDS[match["unit"].lower()]
        spans.append((True, match.start(), (low * unit, high * unit)))
    if step_seconds:
        for match in _SAMPLES.finditer(taken):
            if not _NO_SPAN.search(text[: match.start()]):
                low, high = _limited(text, match, *_span_of(match, step_seconds))
                spans.append((_says_length(text, match), match.start(), (low, high)))
    return [span for _, _, span in sorted(spans, key=lambda each: (not each[0], each[1]))]


def in_samples(text: str) -> tuple[float, float] | None:
    """Return the lowest and highest length in samples that a text names, None if it names none."""
    match = next((m for m in _SAMPLES.finditer(text) if _says_length(text, m)), None)
    return None if match is None else _limited(text, match, *_span_of(match, 1.0))


def sampling_step(text: str) -> float | None:
    """Return the seconds between samples that a text names, ``None`` if it names none."""
    if (rate := _RATE.search(text)) is not None:
        count = 2.0 if rate["twice"] else number(rate["count"] or rate["samples"])
        return SECONDS[rate["unit"].lower()] / max(count, 1e-9)
    for pattern in _STEP:
        for match in pattern.finditer(text):
            span = _SPAN.search(match["span"]) or re.match(rf"\s*{_UNIT}", match["span"], re.IGNORECASE)
            if span is not None:
                return _exact_seconds(span)
    if (adverb := re.search(r"\b(hourly|daily|weekly|monthly)\b", text, re.IGNORECASE)) is not None:
        return SECONDS[FREQUENCY_ADVERBS[adverb[1].lower()]]
    if (hertz := _HERTZ.search(text)) is not None:
        return 1.0 / max(number(hertz[1]) * (1000.0 if hertz[2] else 1.0), 1e-9)
    return None


def _says_length(text: str, match: re.Match[str]) -> bool:
    return _LENGTH.search(text[: match.start()]) is not None


def _limited(text: str, match: re.Match[str], low: float, high: float) -> tuple[float, float]:
    """A span with "up to" or "at least" before it."""
    exact = match["low"] is not None and not match["high"]
    if exact and _AT_MOST.search(text[: match.start()]):
        return high / TOLERANCE / 5, high / TOLERANCE
    if exact and _AT_LEAST.search(text[: match.start()]):
        return low * TOLERANCE, low * TOLERANCE * 3
    return low, high


def _span_seconds(match: re.Match[str]) -> tuple[float, float]:
    low, high = _span_of(match, unit := SECONDS[match["unit"].lower()])
    more = {"two": 2.0, "three": 3.0}.get((match["more"] or "").rpartition(" ")[2].lower())
    if match["low"] and not match["high"] and more is not None and more * unit > low * TOLERANCE:
        return low, more * unit * TOLERANCE
    return low, high


def _span_of(match: re.Match[str], unit: float) -> tuple[float, float]:
    """Lowest and highest seconds of a count of a unit."""
    if match["vague"]:
        few, many = VAGUE_COUNTS[match["vague"].lower()]
        return few * unit, many * unit
    low = number(match["low"])
    if match["high"]:
        high = number(match["high"])
        if high > low:
            return low * unit, high * unit
    return low * unit / TOLERANCE, low * unit * TOLERANCE


def _exact_seconds(match: re.Match[str]) -> float:
    low = match.groupdict().get("low")
    return (number(low) if low else 1.0) * SECONDS[match["unit"].lower()]


def number(words: str) -> float:
    """Return the value of digits or of a word of `NUMBER_WORDS`."""
    words = words.lower().strip()
    half = 0.5 if words.endswith(" and a half") else 0.0
    words = words.removesuffix(" and a half")
    return (NUMBER_WORDS[words] if words in NUMBER_WORDS else float(words.replace(",", "."))) + half
