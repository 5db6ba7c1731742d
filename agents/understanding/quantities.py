"""Parse durations, sampling steps and relative changes in English: "a day or two", "every 5 min", "a third lower"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SECONDS = {
    "millisecond": 1e-3, "msec": 1e-3, "ms": 1e-3, "second": 1.0, "sec": 1.0, "s": 1.0, "minute": 60.0, "min": 60.0,
    "hour": 3600.0, "hr": 3600.0, "h": 3600.0, "day": 86_400.0, "night": 30_000.0, "shift": 28_800.0,
    "week": 604_800.0, "month": 2.63e6, "year": 3.156e7,
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
    rf"(?<![\w./-])(?:(?P<low>{NUMBER})(?:\s*(?:to|-|–|or|and)\s*(?P<high>{NUMBER}))?|(?P<vague>{any_of(VAGUE_COUNTS)}))\s*-?{_UNIT}"
    r"(?P<more> or (?:two|three|so|more))?",
    re.IGNORECASE,
)
# "for minutes", without a number
_BARE = re.compile(rf"\b(?:for|over|within|lasts?|takes?) (?P<unit>{any_of(SECONDS)})s\b", re.IGNORECASE)
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
# "20 to 30 % lower"
_CHANGE = re.compile(
    r"(?<!\w)(?P<low>\d+(?:[.,]\d+)?)(?:\s*(?:to|-|–|and)\s*(?P<high>\d+(?:[.,]\d+)?))?\s*(?:%|per ?cent)\s*"
    r"(?:lower|less|higher|more|above|below|too|down|up|drop|rise|fall|loss|increase|decrease|of )",
    re.IGNORECASE,
)
# "by 10 %", "by a third"
_BY = re.compile(
    r"\bby (?:about |some |up to |roughly )?"
    r"(?:(?P<low>\d+(?:[.,]\d+)?)(?:\s*(?:to|-|–|and)\s*(?P<high>\d+(?:[.,]\d+)?))?"
    rf"\s*(?:%|per ?cent)|(?P<part>{any_of(FRACTIONS)})\b)",
    re.IGNORECASE,
)
# stems of verbs, and the change that they mean
_VERBS = (("doubl", 1.0), ("tripl", 2.0), ("halv", 0.5))
_FALL = re.compile(
    r"\b(?:lower|less|below|sinks?|sank|sunk|sag|falls?|fell|drop|down|reduc|decreas|loss|loses?|halv|weak)", re.I
)


def durations(text: str) -> list[tuple[float, float]]:
    """Return the durations that a text names, as lowest and highest seconds.

    Rates, sampling intervals and times of day are left out.
    """
    spans = []
    for match in _SPAN.finditer(text):
        if not _NO_SPAN.search(text[: match.start()]):
            spans.append(_span_seconds(match))
    for match in _BARE.finditer(text):
        low, high = VAGUE_COUNTS[""]
        unit = SECONDS[match["unit"].lower()]
        spans.append((low * unit, high * unit))
    return spans


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


def changes(text: str) -> list[tuple[float, float]]:
    """Return the relative changes that a text names, as lowest and highest share of the usual value.

    Falls are negative.
    """
    fall = _FALL.search(text) is not None
    return [(-high, -low) if fall else (low, high) for low, high in _unsigned_changes(text)]


def _unsigned_changes(text: str) -> Iterator[tuple[float, float]]:
    for match in [*_CHANGE.finditer(text), *_BY.finditer(text)]:
        groups = match.groupdict()
        if groups.get("part"):
            share = FRACTIONS[groups["part"].lower()]
            yield share / TOLERANCE, share * TOLERANCE
        else:
            low = number(groups["low"]) / 100
            high = number(groups["high"]) / 100 if groups.get("high") else None
            yield (low, high) if high is not None and high > low else (low / TOLERANCE, low * TOLERANCE)
    for stem, share in _VERBS:
        if re.search(rf"\b{stem}", text, re.IGNORECASE):
            yield share / TOLERANCE, share * TOLERANCE


def _span_seconds(match: re.Match[str]) -> tuple[float, float]:
    unit = SECONDS[match["unit"].lower()]
    if match["vague"]:
        few, many = VAGUE_COUNTS[match["vague"].lower()]
        return few * unit, many * unit
    low = number(match["low"])
    if match["high"]:
        high = number(match["high"])
        if high > low:
            return low * unit, high * unit
    more = {"two": 2.0, "three": 3.0}.get((match["more"] or "").rpartition(" ")[2].lower())
    if more is not None and more > low:
        return low * unit / TOLERANCE, more * unit * TOLERANCE
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
