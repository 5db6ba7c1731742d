"""Find the days that a request names: "yesterday", "the 7th", "7 March", "on Monday", "in March".

Days without a month or a year are looked up in the span of the data. Words such as "yesterday" are relative to its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from ape.series.reading.month_names import month_of

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
MONTH = (
    r"(?P<{0}>january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
)
_NTH = r"(?P<{0}>\d{{1,2}})(?:st|nd|rd|th|\.)?"
YEAR = r"(?:,? (?P<{0}>\d{{4}})\b)?"
# dates, the surest first
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w./-])(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?(?![\d/-])",
        r"(?<![\w./-])(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})(?![\d/-])",
        rf"\b{_NTH.format('day')}(?: of)? {MONTH.format('name')}{YEAR.format('year')}",
        rf"\b{MONTH.format('name')} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:){YEAR.format('year')}",
        rf"\b(?:in|of|for|during|since|from|until|to|show|see|plot"
        rf"|draw) {MONTH.format('name')}(?: (?P<year>\d{{4}}))?\b",
        r"(?<![\w./-])(?P<first>\d{1,2})/(?P<second>\d{1,2})(?![\d/])",
        r"(?<![\w./-])(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?!\d)",
        r"\b(?:on |the )?the (?P<day>\d{1,2})(?:st|nd|rd|th)\b",
        r"\bon (?P<day>\d{1,2})(?:st|nd|rd|th)\b",
        r"\b(?P<relative>day before yesterday|yesterday|today|tonight|last night|this (?:morning|afternoon|evening)"
        r"|(?:the )?weekend before last|(?:last|previous|past|this|the) weekend)\b",
        r"\b(?:(?:on|last|this|past|since|from|to|until) )+(?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri"
        r"|sat(?:ur)?|sun)(?:day)?)\b",
    )
)


@dataclass(frozen=True)
class Span:
    """The span of the data that a request speaks of; ``first`` and ``last`` are on the clock of the file."""

    first: datetime | None
    last: datetime | None
    points: int | None
    step: float | None

    @classmethod
    def of(cls, task: dict[str, Any]) -> Span:
        """Take the scored series; before there is one, the training part."""
        known = task.get("scored") or task
        first, last = (_read(known.get(name)) for name in ("first_time", "last_time"))
        return cls(first, last, known.get("points"), task.get("step_seconds"))


class Day(NamedTuple):
    """A day or month that a request names: where, in which words, what it may be, whether it is a month."""

    begin: int
    words: str
    days: list[date]
    is_month: bool

    @property
    def end(self) -> int:
        """Where its words end in the request."""
        return self.begin + len(self.words)


def named_days(request: str, span: Span) -> list[Day]:
    """Return the days that a request names, in its order."""
    found: list[Day] = []
    for pattern in _DATES:
        for match in pattern.finditer(request):
            groups = match.groupdict()
            is_date = groups.keys() & {"relative", "weekday", "first"} or groups.get("day") is not None
            day = Day(match.start(), match[0], sorted(set(_days_of(groups, span))), not is_date)
            taken = any(day.begin < other.end and day.end > other.begin for other in found)
            if not taken and (day.days or "first" not in groups):
                found.append(day)
    return sorted(found, key=lambda day: day.begin)


def _days_of(groups: dict[str, Any], span: Span) -> Iterator[date]:
    """Yield the days that the parts of a date may mean."""
    year = number_of(groups.get("year"))
    if word := groups.get("relative"):
        if span.last is not None:
            back = {"day before yesterday": 2, "yesterday": 1, "last night": 1}.get(word.lower(), 0)
            day = span.last.date() - back * DAY
            yield _saturday_of(word.lower(), span.last) if "weekend" in word.lower() else day
    elif word := groups.get("weekday"):
        if span.last is not None:
            wanted = WEEKDAYS.index(word[:3].lower())
            yield span.last.date() - ((span.last.weekday() - wanted) % 7) * DAY
    elif first := groups.get("first"):
        numbers = int(first), int(groups["second"])
        orders = [numbers] if groups.get("mark") == "." else [numbers, numbers[::-1]]
        either = [candidate for day, month in orders for candidate in days_with(span, year, month, day)]
        inside = [each for each in either if span.first and span.last and span.first.date() <= each <= span.last.date()]
        yield from inside or either
    else:
        named = month_of(groups["name"]) if groups.get("name") else number_of(groups.get("month"))
        yield from days_with(span, year, named, number_of(groups.get("day")) or 1)


def _saturday_of(words: str, last: datetime) -> date:
    """Return the Saturday of a weekend; the last one is over, as a Sunday is in its last hour."""
    saturday = last.date() - ((last.weekday() - WEEKDAYS.index("sat")) % 7) * DAY
    goes_on = last.weekday() == WEEKDAYS.index("sat") or (last.weekday() == WEEKDAYS.index("sun") and last.hour < 23)
    if re.search(r"\b(?:last|previous|past)\b", words) and goes_on:
        saturday -= 7 * DAY
    return saturday - 7 * DAY * ("before last" in words)


def days_with(span: Span, year: int | None = None, month: int | None = None, day: int = 1) -> Iterator[date]:
    """Yield the days of the data with these parts; with all parts, the day itself even outside of the data."""
    if year is not None and month is not None:
        if (whole := _date(year, month, day)) is not None:
            yield whole
        return
    if span.first is None or span.last is None:
        return
    for each in range(span.first.year * 12 + span.first.month - 1, span.last.year * 12 + span.last.month):
        candidate = _date(each // 12, each % 12 + 1, day)
        if (
            candidate is None
            or (month or candidate.month) != candidate.month
            or (year or candidate.year) != candidate.year
        ):
            continue
        if day == 1 or span.first.date() <= candidate <= span.last.date():
            yield candidate


def _read(text: Any) -> datetime | None:
    match = re.match(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?", str(text or ""))
    return None if match is None else datetime.fromisoformat(match[0])


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def number_of(text: str | None) -> int | None:
    """Return a number that may be missing."""
    return None if text is None else int(text)
