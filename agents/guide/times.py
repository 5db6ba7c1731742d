"""Find the stretch or the moment that a request names: "last week", "around noon on the 7th", "7900 to 8100".

Times without a date, a month or a year are looked up in the span of the data, and words such as "yesterday" are relative
to its end. Where two moments fit, both are returned for a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ape.agents.guide.clock_words import NUMBERS, UNITS, Clock, clocks
from ape.agents.understanding.times import hours

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
_MONTH = (
    r"(?P<{0}>january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
)
_NTH = r"(?P<{0}>\d{{1,2}})(?:st|nd|rd|th|\.)?"
_YEAR = r"(?:,? (?P<{0}>\d{{4}})\b)?"
# dates, the surest first
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w./-])(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?(?![\d/-])",
        r"(?<![\w./-])(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})(?![\d/-])",
        rf"\b{_NTH.format('day')}(?: of)? {_MONTH.format('name')}{_YEAR.format('year')}",
        rf"\b{_MONTH.format('name')} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:){_YEAR.format('year')}",
        rf"\b(?:in|of|for|during|since|from|until|to|show|see|plot|draw) {_MONTH.format('name')}(?: (?P<year>\d{{4}}))?\b",
        r"(?<![\w./-])(?P<first>\d{1,2})/(?P<second>\d{1,2})(?![\d/])",
        r"(?<![\w./-])(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?!\d)",
        r"\b(?:on |the )?the (?P<day>\d{1,2})(?:st|nd|rd|th)\b",
        r"\bon (?P<day>\d{1,2})(?:st|nd|rd|th)\b",
        r"\b(?P<relative>day before yesterday|yesterday|today|tonight|last night|this (?:morning|afternoon|evening)|(?:last|this|at the) weekend)\b",
        r"\b(?:(?:on|last|this|past|since|from|to|until) )+(?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)\b",
    )
)
_COUNT = rf"(?:(?P<count>\d+(?:\.\d+)?|{'|'.join(NUMBERS)}) )?"
_RECENT = re.compile(
    rf"\b(?:the )?(?P<which>last|past|final|latest|recent|first|initial) {_COUNT}(?P<unit>{'|'.join(UNITS)}"
    r"|samples?|points?|rows?|steps?|values?)\b(?: of " + _MONTH.format("name") + ")?",
    re.IGNORECASE,
)
_NTH_WEEK = re.compile(
    rf"\b(?P<which>first|second|third|fourth|last) week (?:of|in) {_MONTH.format('name')}{_YEAR.format('year')}", re.I
)
_POSITIONS = re.compile(
    r"(?<![\w./:-])(\d+)\s*(?:to|-|–|and|until|\.\.)\s*(\d+)(?![\w/:-]|\.\d"
    rf"|\s*(?:%|per ?cent|degrees?|times|{'|'.join(UNITS)}|samples?|points?)\b)",
    re.IGNORECASE,
)
_POSITION = re.compile(
    r"\b(?:at|around|near|position|point|row|sample|index|step|about|value)\s+#?(\d{2,})\b(?![:/.-])", re.I
)
_PART = re.compile(r"\b(?:morning|afternoon|evening|night)\b", re.IGNORECASE)
_AROUND = re.compile(r"\b(?:around|about|near|roughly|approximately|close to|circa)\b|~", re.IGNORECASE)
_SINCE = re.compile(r"\b(?:since|after)\b", re.IGNORECASE)
_FROM_TO = re.compile(r"\b(?:to|until|till|through|and)\b|-|–", re.IGNORECASE)


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


@dataclass(frozen=True)
class Stretch:
    """A stretch of the data, both ends included; a moment begins and ends at the same time.

    Parameters
    ----------
    begin, end : int or str
        Positions, or times on the clock of the file.
    text : str
        The part of the request that names it, and what it stands for if that is not obvious.
    """

    begin: int | str
    end: int | str
    text: str
    meaning: str = ""
    around: bool = False

    @property
    def is_moment(self) -> bool:
        """Whether it is a single moment: a day is none."""
        return self.begin == self.end and (isinstance(self.begin, int) or len(self.begin) > len("2024-01-31"))


@dataclass(frozen=True)
class Unclear:
    """A time that fits several moments or none; ``options`` are names of the moments that it may mean."""

    text: str
    reason: str
    options: tuple[str, ...] = ()


def find_stretch(request: str, span: Span) -> Stretch | Unclear | None:
    """Return the stretch or the moment that a request names; None if it names none."""
    request = _spelt_out(request)
    for find in (_nth_week, _recent, _dated, _clock_only, _positions):
        if (found := find(request, span)) is not None:
            return found
    return None


def without_times(request: str, span: Span, stand_in: str) -> str:
    """Return a request with a stand-in for each time, day and stretch that it names."""
    request = _spelt_out(request)
    patterns = (_NTH_WEEK, _RECENT, _POSITIONS, _POSITION)
    spans = [match.span() for pattern in patterns for match in pattern.finditer(request)]
    spans += [(begin, begin + len(words)) for begin, words, _, _ in _named_days(request, span)]
    spans += [(time.begin, time.end) for time in clocks(request)]
    end, parts = 0, []
    for first, last in sorted(spans):
        if first >= end:
            parts += [request[end:first], f" {stand_in} "]
        end = max(end, last)
    joined = " ".join("".join([*parts, request[end:]]).split())
    return re.sub(rf"{stand_in}(?:\W+(?:(?:to|until|and|on|at|from|around|between) )*{stand_in})+", stand_in, joined)


def _spelt_out(request: str) -> str:
    """Repeat the month in "5 to 7 March" and "March 5-7", and separate a date from its clock."""
    request = re.sub(r"(?<=\d)T(?=\d\d:)", " ", request)
    month = _MONTH.format("name").removesuffix(r"\.?")
    nth, to = r"(\d{1,2})(?:st|nd|rd|th|\.)?", r"(to|-|–|until|and|through) ?"
    request = re.sub(
        rf"(?<![\d:.])\b{nth} ?{to}(\d{{1,2}}(?:st|nd|rd|th|\.)?) {month}",
        r"\1 \g<name> \2 \3 \g<name>",
        request,
        flags=re.I,
    )
    return re.sub(rf"\b{month} {nth} ?{to}(\d{{1,2}})\b(?!:)", r"\g<name> \2 \3 \g<name> \4", request, flags=re.I)


def _nth_week(request: str, span: Span) -> Stretch | Unclear | None:
    match = _NTH_WEEK.search(request)
    if match is None:
        return None
    month = _month(match["name"])
    days = list(_days(span, month=month, day=1, year=_int(match["year"])))
    if len(days) != 1:
        return _which(match[0], days, span)
    following = (days[0] + timedelta(days=32)).replace(day=1)
    number = (
        ("first", "second", "third", "fourth").index(match["which"].lower()) if match["which"].lower() != "last" else -1
    )
    begin = following - timedelta(days=7) if number < 0 else days[0] + timedelta(days=7 * number)
    return Stretch(str(begin), str(begin + timedelta(days=6)), match[0], f"{begin} to {begin + timedelta(days=6)}")


def _recent(request: str, span: Span) -> Stretch | Unclear | None:
    """Find "the last 3 hours", "last week", "the first 200 points"."""
    match = _RECENT.search(request)
    if match is None:
        return None
    at_end = match["which"].lower() not in ("first", "initial")
    count, unit = _count(match["count"]), match["unit"].lower().removesuffix("s")
    if unit == "night":
        return None  # a part of a day
    if unit in ("sample", "point", "row", "step", "value"):
        if match["count"] is None:
            return None
        points = int(count)
    elif span.first is not None and span.last is not None:
        length = timedelta(seconds=count * UNITS[unit])
        step = timedelta(seconds=span.step or 0)
        begin, end = (span.last - length + step, span.last) if at_end else (span.first, span.first + length - step)
        if unit == "day" and at_end and count == 1:
            begin = datetime.combine(span.last.date(), datetime.min.time())
        return Stretch(
            _text(begin), _text(end), match[0], f"{_text(begin)} to {_text(end)}, at the {_end(at_end)} of the data"
        )
    elif span.step is None:
        return Unclear(match[0], "The series has no times. Say how many points, or give positions such as 200 to 900.")
    else:
        points = round(count * UNITS[unit] / span.step)
    if span.points is None:
        return Unclear(match[0], "I do not know how long the series is; give positions such as 200 to 900.")
    points = min(max(points, 1), span.points)
    begin = span.points - points if at_end else 0
    return Stretch(begin, begin + points - 1, match[0], f"the {'last' if at_end else 'first'} {points} points")


def _dated(request: str, span: Span) -> Stretch | Unclear | None:
    """Find one or two days, with or without times of the day."""
    named = list(_named_days(request, span))
    if not named:
        return None
    unclear = next(((text, days) for _, text, days, _ in named if len(days) != 1), None)
    if unclear is not None:
        return _which(*unclear, span, whole=request)
    text = request[named[0][0] : named[-1][0] + len(named[-1][1])]
    bare = request
    for begin, words, _, _ in named:
        bare = bare[:begin] + " " * len(words) + bare[begin + len(words) :]
    times = clocks(bare)
    first, last = named[0][2][0], named[-1][2][0]
    months = [kind == "month" for *_, kind in named]
    if len(named) > 1 and _FROM_TO.search(request[named[0][0] : named[-1][0] + 1]):
        begin = _at(first, next((t for t in times if t.begin < named[-1][0]), None))
        end = _at(
            last,
            next((t for t in reversed(times) if t.begin > named[0][0] + len(named[0][1])), None)
            if len(times) > 1 or (times and times[0].begin > named[-1][0])
            else None,
        )
        return Stretch(begin, _month_end(end) if months[-1] else end, text)
    if months[0]:
        return Stretch(str(first), _month_end(str(first)), text)
    if len(times) > 1:
        begin, end = _at(first, times[0]), _at(first + (times[1].minutes <= times[0].minutes) * DAY, times[1])
        return Stretch(begin, end, text)
    since = _SINCE.search(request[max(0, named[0][0] - 6) : named[0][0] + 6]) and span.last is not None
    if times:
        moment = _at(first, times[0])
        return Stretch(
            moment,
            _text(span.last) if since and span.last else moment,
            text,
            around=_AROUND.search(request) is not None,
        )
    relative = request[named[0][0] : named[0][0] + len(named[0][1])]
    if "weekend" in relative.lower():
        return Stretch(str(first), str(first + DAY), text, f"{first} and {first + DAY}")
    if (part := _part_of_day(f"{relative} {bare}")) is not None:
        begin, end = (datetime.combine(first, datetime.min.time()) + timedelta(hours=hour) for hour in part)
        return Stretch(_text(begin), _text(end), text, f"{_text(begin)} to {_text(end)}")
    meaning = "" if re.search(r"\d{4}", relative) else f"{first}"
    return Stretch(str(first), _text(span.last) if since and span.last else str(first), text, meaning)


def _clock_only(request: str, span: Span) -> Stretch | Unclear | None:
    """Find times without a day: those of a series without dates, or of one day."""
    times = [time for time in clocks(request) if time.sure]
    if not times:
        return None
    text = request[times[0].begin : times[-1].end]
    if span.first is None or span.last is None:
        if len(times) > 1:
            return Stretch(times[0].text, times[1].text, text)
        return Stretch(times[0].text, times[0].text, text)
    if span.first.date() == span.last.date():
        day = span.first.date()
        return Stretch(_at(day, times[0]), _at(day, times[1] if len(times) > 1 else times[0]), text)
    days = f"{span.first.date()} to {span.last.date()}"
    return Unclear(
        text, f"On which day? The data are from {days}; say for example '{span.last.date()} {times[0].text}'."
    )


def _positions(request: str, span: Span) -> Stretch | None:
    if match := _POSITIONS.search(request):
        begin, end = sorted((int(match[1]), int(match[2])))
        return Stretch(begin, end, match[0])
    if match := _POSITION.search(request):
        return Stretch(int(match[1]), int(match[1]), match[0])
    return None


def _named_days(request: str, span: Span) -> Iterator[tuple[int, str, list[date], str]]:
    """Yield the days that a request names: where, in which words, the days that fit, and ``day`` or ``month``."""
    found: list[tuple[int, str, list[date], str]] = []
    for pattern in _DATES:
        for match in pattern.finditer(request):
            begin, end = match.span()
            if all(end <= at or begin >= at + len(words) for at, words, _, _ in found):
                days = sorted(set(_days_of(match.groupdict(), span)))
                if days or not pattern.pattern.startswith(r"(?<![\w./-])(?P<first>"):
                    is_month = match.groupdict().get("day") is None and not match.groupdict().keys() & {
                        "relative",
                        "weekday",
                        "first",
                    }
                    found.append((begin, match[0], days, "month" if is_month else "day"))
    yield from sorted(found)


def _days_of(groups: dict[str, Any], span: Span) -> Iterator[date]:
    """Yield the days that the parts of a date may mean."""
    year = _int(groups.get("year"))
    if word := groups.get("relative"):
        if span.last is not None:
            to_saturday = (span.last.weekday() - WEEKDAYS.index("sat")) % 7
            back = {"day before yesterday": 2, "yesterday": 1, "last night": 1}.get(word.lower(), 0)
            back = to_saturday if "weekend" in word.lower() else back
            yield span.last.date() - back * DAY
    elif word := groups.get("weekday"):
        if span.last is not None:
            wanted = WEEKDAYS.index(word[:3].lower())
            yield span.last.date() - ((span.last.weekday() - wanted) % 7) * DAY
    elif first := groups.get("first"):
        day, month = int(first), int(groups["second"])
        either = [*_days(span, year, month, day), *(_days(span, year, day, month) if groups.get("mark") != "." else ())]
        inside = [each for each in either if span.first and span.last and span.first.date() <= each <= span.last.date()]
        yield from inside or either
    else:
        month = _month(groups["name"]) if groups.get("name") else _int(groups.get("month"))
        yield from _days(span, year, month, _int(groups.get("day")) or 1)


def _days(span: Span, year: int | None = None, month: int | None = None, day: int = 1) -> Iterator[date]:
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


def _which(text: str, days: list[date], span: Span, whole: str = "") -> Unclear:
    if not days:
        if span.first is None or span.last is None:
            return Unclear(text, "The series has no dates: give positions, such as 'show 200 to 900'.")
        return Unclear(text, f"There is no '{text.strip()}' in the data, which are from {span.first} to {span.last}.")
    names = tuple(
        f"{day.day} {day:%B}" + (f" {day.year}" if len({d.year for d in days}) > 1 else "") for day in days[-3:]
    )
    options = (
        tuple(whole.replace(text, f" on {name}" if text.startswith(" ") else f"on {name}", 1) for name in names)
        if whole
        else names
    )
    return Unclear(text, f"Do you mean {' or '.join(names)}?", options)


def _part_of_day(text: str) -> tuple[float, float] | None:
    """Return the hours of the part of the day that a text names, also without a preposition: "7 March evening"."""
    words = _PART.search(text)
    named = (
        None if words is None else hours(f"{'at' if words[0].lower() in ('night', 'tonight') else 'in the'} {words[0]}")
    )
    return None if named is None else (named.low, named.high)


def _at(day: date, time: Clock | None) -> str:
    if time is None:
        return str(day)
    return _text(datetime.combine(day, datetime.min.time()) + time.minutes * MINUTE) + time.zone


def _month_end(text: str) -> str:
    following = (date.fromisoformat(text) + timedelta(days=32)).replace(day=1)
    return str(following - DAY)


def _text(moment: datetime) -> str:
    text = moment.isoformat(" ", "seconds")
    return text.removesuffix(":00") if text.count(":") > 1 else text


def _read(text: Any) -> datetime | None:
    match = re.match(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?", str(text or ""))
    return None if match is None else datetime.fromisoformat(match[0])


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month(name: str) -> int:
    return MONTHS.index(name[:3].lower()) + 1


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


def _count(text: str | None) -> float:
    return 1.0 if text is None else NUMBERS.get(text.lower()) or float(text)


def _end(at_end: bool) -> str:
    return "end" if at_end else "beginning"
