"""Find the stretch or the moment that a request names: "last week", "around noon on the 7th", "7900 to 8100".

Times without a date, a month or a year are looked up in the span of the data. Words such as "yesterday" are relative to
its end. Where two moments fit, both are returned for a question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ape.agents.guide.clock_words import NUMBERS, UNITS, Clock, clocks
from ape.agents.guide.days import DAY, MONTH, YEAR, Day, Span, days_with, named_days, number_of
from ape.agents.understanding.times import hours
from ape.series.reading.month_names import month_of

ORDINALS = ("first", "second", "third", "fourth")
MINUTE = timedelta(minutes=1)
_COUNT = rf"(?:(?P<count>\d+(?:\.\d+)?|{'|'.join(NUMBERS)}) )?"
_RECENT = re.compile(
    rf"\b(?:the )?(?P<which>last|past|final|latest|recent|first|initial) {_COUNT}(?P<unit>{'|'.join(UNITS)}"
    r"|samples?|points?|rows?|steps?|values?)\b(?: of " + MONTH.format("name") + ")?",
    re.IGNORECASE,
)
_NTH_WEEK = re.compile(
    rf"\b(?P<which>first|second|third|fourth|last) week (?:of|in) {MONTH.format('name')}{YEAR.format('year')}", re.I
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
_SINCE = re.compile(r"\b(?:since|after|starting)\b", re.IGNORECASE)
_ONWARDS = re.compile(r"^\W*(?:and )?(?:on|onwards?|later|forward)\b", re.IGNORECASE)
_UNTIL = re.compile(r"\b(?:until|till|before)\b", re.IGNORECASE)
_FROM_TO = re.compile(r"\b(?:to|until|till|through|and)\b|-|–", re.IGNORECASE)


@dataclass(frozen=True)
class Stretch:
    """A stretch of the data, both ends included; a moment begins and ends at the same time.

    Parameters
    ----------
    begin, end : int or str
        Positions, or times on the clock of the file.
    text : str
        The part of the request that names it.
    """

    begin: int | str
    end: int | str
    text: str

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
    spans += [(day.begin, day.end) for day in named_days(request, span)]
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
    month = MONTH.format("name").removesuffix(r"\.?")
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
    days = list(days_with(span, month=month_of(match["name"]), year=number_of(match["year"])))
    if len(days) != 1:
        return _which(match[0], days, span)
    begin = days[0] + 7 * DAY * (*ORDINALS, "last").index(match["which"].lower())
    if match["which"].lower() == "last":
        begin = (days[0] + 32 * DAY).replace(day=1) - 7 * DAY
    return Stretch(str(begin), str(begin + 6 * DAY), match[0])


def _recent(request: str, span: Span) -> Stretch | Unclear | None:
    """Find "the last 3 hours", "last week", "the first 200 points"."""
    match = _RECENT.search(request)
    if match is None:
        return None
    at_end = match["which"].lower() not in ("first", "initial")
    count, unit = _count(match["count"]), match["unit"].lower().removesuffix("s")
    counted = unit in ("sample", "point", "row", "step", "value")
    if unit == "night" or (counted and match["count"] is None):
        return None  # a part of a day, or the name of something else
    if not counted and span.first is not None and span.last is not None:
        length, step = timedelta(seconds=count * UNITS[unit]), timedelta(seconds=span.step or 0)
        first, last = (span.last - length + step, span.last) if at_end else (span.first, span.first + length - step)
        if unit == "day" and at_end and count == 1:
            first = datetime.combine(span.last.date(), datetime.min.time())
        return Stretch(_text(first), _text(last), match[0])
    if span.points is None or (not counted and span.step is None):
        return Unclear(match[0], "The series has no times. Give positions, such as 200 to 900.")
    points = int(count) if counted else round(count * UNITS[unit] / (span.step or 1.0))
    points = min(max(points, 1), span.points)
    begin = span.points - points if at_end else 0
    return Stretch(begin, begin + points - 1, match[0])


def _dated(request: str, span: Span) -> Stretch | Unclear | None:
    """Find one or two days, with or without times of the day."""
    named = named_days(request, span)
    if not named:
        return None
    for each in named:
        if len(each.days) != 1:
            return _which(each.words, each.days, span, whole=request)
    bare = request
    for each in named:
        bare = bare[: each.begin] + " " * len(each.words) + bare[each.end :]
    times = clocks(bare)
    if len(named) > 1 and _FROM_TO.search(request[named[0].begin : named[-1].begin + 1]):
        return _from_day_to_day(request, named[0], named[-1], times)
    return _on_day(request, named[0], times, bare, span)


def _from_day_to_day(request: str, first: Day, last: Day, times: list[Clock]) -> Stretch:
    """Return the stretch from one day to another; a time of the day belongs to the day that is closest before it."""
    early = next((time for time in times if time.begin < last.begin), None)
    late = next((time for time in times if time.begin > last.begin), None)
    end = _at(last.days[0], late)
    return Stretch(
        _at(first.days[0], early), _month_end(end) if last.is_month else end, request[first.begin : last.end]
    )


def _on_day(request: str, named: Day, times: list[Clock], bare: str, span: Span) -> Stretch:
    """Return a day, a part of it, a time on it, or what is since then; ``bare`` is the request without the day."""
    day, words = named.days[0], named.words
    if named.is_month:
        return Stretch(str(day), _month_end(str(day)), words)
    if len(times) > 1:
        following = times[1].minutes <= times[0].minutes
        return Stretch(_at(day, times[0]), _at(day + following * DAY, times[1]), words)
    around = request[max(0, named.begin - 8) : named.begin + 8], request[named.end : named.end + 12]
    if span.last is not None and (_SINCE.search(around[0]) or _ONWARDS.search(around[1])):
        return Stretch(_at(day, times[0] if times else None), _text(span.last), words)
    if span.first is not None and _UNTIL.search(around[0]):
        until = _at(day, times[0]) if times else str(day - DAY * ("before" in around[0].lower()))
        return Stretch(_text(span.first), until, words)
    if times:
        return Stretch(_at(day, times[0]), _at(day, times[0]), words)
    if "weekend" in words.lower():
        sunday = day + DAY if span.last is None else min(day + DAY, span.last.date())
        return Stretch(str(day), str(sunday), words)
    if (part := _part_of_day(f"{words} {bare}")) is not None:
        midnight = datetime.combine(day, datetime.min.time())
        begin, end = (midnight + timedelta(hours=hour) for hour in part)
        return Stretch(_text(begin), _text(end), words)
    return Stretch(str(day), str(day), words)


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


def _count(text: str | None) -> float:
    return 1.0 if text is None else NUMBERS.get(text.lower()) or float(text)
