"""Parse sizes of changes: "jumps 20 %", "by a third", "about 3 m3/h lower", "rises 0.5 degrees a day"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ape.agents.understanding.channels import MEASURED, Channel, dimension
from ape.agents.understanding.direction import Direction, direction
from ape.agents.understanding.quantities import (
    FRACTIONS,
    NUMBER,
    SECONDS,
    TOLERANCE,
    VAGUE_COUNTS,
    any_of,
    number,
)
from ape.agents.understanding.units import SPELLED, UNIT, factor
from ape.rules.schema import Range

_COUNT = rf"(?:(?P<low>{NUMBER})(?:\s*(?:to|-|–|and|or)\s*(?P<high>{NUMBER}))?|(?P<vague>{any_of(VAGUE_COUNTS)}))"
_SIZE = re.compile(
    rf"(?<![\w.,/-])[+±~≈]?-?{_COUNT}(?P<gap>\s*-?\s*)(?:of a )?{UNIT}"
    rf"(?:\s*(?:/|a|an|per|each|every)\s*(?P<per>{any_of(SECONDS)})\b)?",
    re.IGNORECASE,
)
# "from 3 to 5 bar"
_FROM_TO = re.compile(
    rf"\bfrom (?P<start>\d+(?:[.,]\d+)?)\s*\S{{0,4}} (?:down |up )?to (?P<end>\d+(?:[.,]\d+)?)\s*{UNIT}"
)
# "by 10", "by about 2 to 4 units": in the unit of the channel
_BARE = re.compile(
    r"\bby (?:about |around |some |roughly |up to )?(?P<low>\d+(?:[.,]\d+)?)"
    r"(?:\s*(?:to|-|–|or)\s*(?P<high>\d+(?:[.,]\d+)?))?"
    r"(?: units?)?(?=\s*(?:$|[,;]|\.(?:\s|$)|(?:and|for|or|but|while|during|at|in|over|within|when|until)\b))",
    re.IGNORECASE,
)
# what is left, as a share of the usual value
_LEFT = FRACTIONS | {"twice": 2.0, "double": 2.0, "three times": 3.0, "ten times": 10.0}
# "to half of its value", "at a third of the usual flow", "to 20 % of normal"
_TO_PART = re.compile(
    r"\b(?:to|at(?=[^,;.]* (?:of|the|its|normal|usual)\b)) (?:about |only |some |roughly |almost |nearly )?"
    rf"(?:(?P<percent>\d+(?:[.,]\d+)?)\s*(?:%|per ?cent) of|(?P<part>{any_of(_LEFT)})\b)",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\b(?:by|loses?|lost|drops?|falls?|rises?|sinks?|sank|sunk) (?:by )?(?:about |almost |nearly |up to "
    r"|more than |some )?"
    rf"(?P<part>{any_of(FRACTIONS)})\b(?! an? | (?:{any_of(SECONDS)}))",
    re.IGNORECASE,
)
_PART_BEFORE = re.compile(
    rf"\b(?P<part>{any_of(FRACTIONS)}) (?:lower|less|higher|more|too (?:low|high)|below|above)\b", re.IGNORECASE
)
# stems of verbs, and the change that they mean
_VERBS = (
    (re.compile(r"\b(?:doubl(?:e[sd]?|ing)|twice (?:the|its|as (?:much|high|many))|two-?fold)\b", re.I), 1.0),
    (re.compile(r"\b(?:tripl(?:e[sd]?|ing)|threefold|three times (?:the|its|as (?:much|high|many)))\b", re.I), 2.0),
    (re.compile(r"\b(?:halv(?:e[sd]?|ing)|half (?:the|its|of (?:the|its)|as (?:much|high|many)))\b", re.I), -0.5),
)
_NOT_YET = re.compile(r"\b(?:not|never|no longer|don't|doesn't) (?:\w+ )?$", re.IGNORECASE)
_CHANGING = (
    r"ris(?:e|es|en|ing)|rose|rais\w+|climb\w*|increas\w+|jump\w*|surg\w+|grow\w*|grew|gain(?:s|ed)?|spik\w+|soar\w*"
    r"|shoot\w*|shot|swell\w*|fall\w*|fell|drop\w*|sink\w*|sank|sunk|sag\w*|dip\w*|declin\w+|decreas\w+|reduc\w+"
    r"|los\w+"
    r"|lost|lower\w*|shift\w*|drift\w*|creep\w*|crept|chang\w+|deviat\w+|offset\w*|off|bias\w*|step\w*|swing\w*|swung"
    r"|vari\w+|fluctuat\w+|wander\w*|move[sd]?|bump\w*|pulse\w*|kick\w*|error|differ\w*|wobbl\w+|oscillat\w+"
    r"|scatter\w*"
    r"|noise|excursion\w*|add\w*|tak\w+|slip\w*|down|up|higher|lower|spread|ramp\w*|plung\w+|collaps\w*|over-?reads?"
    r"|under-?reads?|lag\w*|short|overshoot\w*|undershoot\w*|stray\w*|disagree\w*|apart|peak\w*|burst\w*"
)
_ABOUT = (
    r"(?:by|of|about|around|some|roughly|approximately|approx\.?|nearly|almost|up to|as much as|at least|at most"
    r"|more than|less than|over|another|only|a|an|the|between|typically|usually|~|≈|±|\+|-|,|to)"
)
_BEFORE = re.compile(rf"(?:\b(?:{_CHANGING})\b(?:\W+\w+){{0,2}}?|\bby)\W*(?:{_ABOUT}\W*){{0,3}}$", re.IGNORECASE)
_LEVEL_BEFORE = re.compile(
    r"\b(?:to|at|above|below|beneath|over|under|exceed\w*|beyond|than|near|reach\w*|is|are|was|held|kept|limit"
    r"|limits|set ?point"
    r"|maximum|minimum|range|rated|nominal|until|past|towards?|against|normally|normal)"
    r"(?: (?:of|the|about|around|a|only|its))*\s*$",
    re.IGNORECASE,
)
_MORE_BEFORE = re.compile(
    r"\b(?<!come )(?<!comes )(?<!goes )(?<!go )(?<!climbs )(?<!rises )(?:up to|as much as|at least|at most"
    r"|more than|less than|over)\s*$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"^\s*(?:-\s*)?(?:too|lower|higher|more|less|above|below|off\b|out\b|short\b|drop|fall|dip|rise|jump|step"
    r"|spike|shift|offset|bias"
    r"|drift|increase|decrease|loss|deviation|error|reduction|change|swing|up\b|down\b|colder|warmer|hotter"
    r"|cooler|faster"
    r"|slower|bump|excursion|peaks?\b|wobble)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Size:
    """Size of a change.

    Parameters
    ----------
    low, high : float
        Without sign.
    unit : str
        "share" of the usual value, "%" (a share, or points of a channel that is itself in %), "pp" for points of such a
        channel, or a unit of `ape.series.units`; empty if the text gives none.
    text : str
        As in the text.
    start : int
        Position in the text.
    direction : {"up", "down", "either"}
    per : float or None
        Seconds of a rate.
    """

    low: float
    high: float
    unit: str
    text: str
    start: int
    direction: Direction = "either"
    per: float | None = None


@dataclass(frozen=True)
class Resolved:
    """A size as a share of the usual value, or in the unit of a channel, or neither."""

    change: Range | None = None
    amount: Range | None = None
    channel: str | None = None
    unresolved: str | None = None


def sizes(text: str) -> list[Size]:
    """Return the sizes of changes that a text names, in its order; levels, limits and set points are none."""
    found = [*_from_to(text), *_parts(text), *_verbs(text), *_counted(text), *_bare(text)]
    kept: list[Size] = []
    for size in sorted(found, key=lambda each: (each.start, -len(each.text))):
        if not kept or size.start >= kept[-1].start + len(kept[-1].text):
            kept.append(size)
    return kept


def resolve(size: Size, named: Sequence[str], channels: Sequence[Channel], seconds: Range | None = None) -> Resolved:
    """Return a size in terms of the series.

    Parameters
    ----------
    size : Size
    named : sequence of str
        Channels that the text names.
    channels : sequence of Channel
    seconds : Range, optional
        Duration of the change, for rates.

    Returns
    -------
    Resolved
        With a channel if the unit alone tells which one is meant.
    """
    low, high = size.low, size.high
    if size.per is not None:
        if seconds is None:
            return Resolved(unresolved=f"{size.text} (for how long?)"[:80])
        low, high = low * seconds.low / size.per, high * seconds.high / size.per
    targets = [channel for channel in channels if channel.name in named] or list(channels[: len(channels) == 1])
    if not size.unit:
        return Resolved(amount=Range(low=low, high=high)) if len(targets) == 1 else _unresolved(size, targets)
    if size.unit in ("share", "%", "pp"):
        return _resolve_share(size, low, high, targets, channels)
    return _resolve_unit(size, low, high, targets, channels)


def _resolve_share(
    size: Size, low: float, high: float, targets: Sequence[Channel], channels: Sequence[Channel]
) -> Resolved:
    """A share of the usual value, or points of channels in per cent."""
    if size.unit == "pp" or (size.unit == "%" and targets and all(channel.in_percent for channel in targets)):
        known = any(channel.in_percent for channel in targets or channels)
        return Resolved(amount=Range(low=low, high=high)) if known else _unresolved(size, [])
    share = 1.0 if size.unit == "share" else 0.01
    ends = (-high * share, -low * share) if size.direction == "down" else (low * share, high * share)
    return Resolved(change=Range(low=ends[0], high=ends[1]))


def _resolve_unit(
    size: Size, low: float, high: float, targets: Sequence[Channel], channels: Sequence[Channel]
) -> Resolved:
    """An amount in the unit of the channels that the text names, or of the only channel that has such a unit."""
    kind = "temperature" if size.unit == "°" else dimension(size.unit)
    fits = _in_unit(targets, kind)
    named = bool(fits)
    if not fits:
        fits = _in_unit(channels, kind)
        if len(channels) == 1 and channels[0].unit is None:
            fits = list(channels)
        if len(fits) != 1:
            return _unresolved(size, fits)
    times = factor(size.unit, fits[0].unit)
    return Resolved(amount=Range(low=low * times, high=high * times), channel=None if named else fits[0].name)


def _in_unit(channels: Sequence[Channel], kind: str | None) -> list[Channel]:
    """Channels with a unit of a dimension, or else those without a known unit that measure it."""
    quantity = MEASURED.get(kind or "", kind)
    return [channel for channel in channels if channel.kind == kind] or [
        channel for channel in channels if channel.unit is None and quantity in channel.heads
    ]


def _unresolved(size: Size, fits: Sequence[Channel]) -> Resolved:
    which = f" (of {' or '.join(channel.name for channel in fits[:3])})" if fits else ""
    return Resolved(unresolved=f"{size.text}{which}"[:80])


def _counted(text: str) -> list[Size]:
    found = []
    for match in _SIZE.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        unit = SPELLED.get(match["unit"].lower(), match["unit"].replace("deg ", "deg"))
        if dimension(unit) is None and unit not in ("pp", "°"):
            continue
        if match["unit"].lower() in ("points", "pp") and match["per"] is None and not _BEFORE.search(before):
            continue
        compared = _AFTER.match(after) is not None
        changing = _BEFORE.search(before) is not None and (
            _LEVEL_BEFORE.search(before) is None or _MORE_BEFORE.search(before) is not None
        )
        by = re.search(r"\bby (?:about |some |up to |around )?$", before, re.IGNORECASE) is not None
        if not (compared or changing) or (dimension(unit) == "time" and not by):
            continue
        low, high = _ends(match, before)
        per = SECONDS[match["per"].lower()] if match["per"] else None
        way = direction(text, match.start())
        if after.lower().lstrip().startswith(("of its", "of the usual", "of the normal", "of normal")) and unit == "%":
            low, high, unit = low / 100, high / 100, "share"
        found.append(Size(low, high, unit, match[0], match.start(), way, per))
    return found


def _ends(match: re.Match[str], before: str) -> tuple[float, float]:
    if match["vague"]:
        few, many = VAGUE_COUNTS[match["vague"].lower()]
        return float(few), float(many)
    low = number(match["low"])
    if match["high"] and (high := number(match["high"])) > low:
        return low, high
    if re.search(r"\b(?:up to|as much as|at most|less than)\s*$", before, re.IGNORECASE):
        return low / 3, low
    if re.search(r"\b(?:at least|more than|over)\s*$", before, re.IGNORECASE):
        return low, 2 * low
    return low / TOLERANCE, low * TOLERANCE


def _bare(text: str) -> list[Size]:
    found = []
    for match in _BARE.finditer(text):
        if direction(text, match.start()) != "either":
            low, high = number(match["low"]), number(match["high"] or match["low"])
            ends = (low, high) if high > low else (low / TOLERANCE, low * TOLERANCE)
            found.append(Size(*ends, "", match[0], match.start(), direction(text, match.start())))
    return found


def _from_to(text: str) -> list[Size]:
    found = []
    for match in _FROM_TO.finditer(text):
        start, end = number(match["start"]), number(match["end"])
        unit = SPELLED.get(match["unit"].lower(), match["unit"])
        unit = "pp" if unit == "%" else unit
        if start != end and (dimension(unit) is not None or unit in ("pp", "°")) and dimension(unit) != "time":
            size = abs(end - start)
            way: Direction = "up" if end > start else "down"
            found.append(Size(size / TOLERANCE, size * TOLERANCE, unit, match[0], match.start(), way))
    return found


def _parts(text: str) -> list[Size]:
    found = []
    for match in _TO_PART.finditer(text):
        left = number(match["percent"]) / 100 if match["percent"] else _LEFT[match["part"].lower()]
        change = abs(left - 1.0)
        high = min(change * TOLERANCE, 1.0) if left < 1 else change * TOLERANCE
        if change > 0:
            way: Direction = "up" if left > 1 else "down"
            found.append(Size(change / TOLERANCE, high, "share", match[0], match.start(), way))
    for match in [*_PART.finditer(text), *_PART_BEFORE.finditer(text)]:
        share, way = FRACTIONS[match["part"].lower()], direction(text, match.start())
        found.append(Size(share / TOLERANCE, share * TOLERANCE, "share", match[0], match.start(), way))
    return found


def _verbs(text: str) -> list[Size]:
    found = []
    for pattern, share in _VERBS:
        for match in pattern.finditer(text):
            if not _NOT_YET.search(text[: match.start()]):
                way: Direction = "up" if share > 0 else "down"
                size = abs(share)
                found.append(Size(size / TOLERANCE, size * TOLERANCE, "share", match[0], match.start(), way))
    return found
