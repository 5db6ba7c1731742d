"""Dated times at which work is planned: "2026-03-05 10:00 planned maintenance until 12:00"."""

from __future__ import annotations

import datetime
import re

from ape.agents.understanding.quantities import durations
from ape.rules.schema import Times
from ape.series.reading.month_names import month_of

UNKNOWN_LENGTH = datetime.timedelta(hours=4)  # that planned work takes, if nobody says how long
DAY = datetime.timedelta(days=1)
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TOKEN = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\d)(?:T(?=\d))?|(?<![\d.])(?P<dotted>\d{1,2}\.\d{1,2}\.\d{4})"
    rf"|\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH},? (?P<y1>\d{{4}})\b"
    rf"|\b{_MONTH.replace('month', 'month2')} (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}})\b"
    r"|(?<![\d:.+])(?P<hour>[01]?\d|2[0-4])[:h](?P<minute>[0-5]\d)(?::[0-5]\d)?(?![\d:])",
    re.IGNORECASE,
)
_STAMP = re.compile(r"\W*\d{4}-\d\d-\d\d(?:[T ]+\d\d:\d\d\S*)?\s")
_OWN_DATE = re.compile(
    r"(?<!until )(?<!till )(?<!to )(?:\d{4}-\d\d-\d\d|(?<![\d.])\d{1,2}\.\d{1,2}\.\d{4})", re.IGNORECASE
)
_PLANNED = re.compile(
    r"\b(?:(?:planned|scheduled|announced|agreed|pre-?arranged)\b.*\b(?:maintenance|works?|outages?|shut-?downs?"
    r"|downtimes?|stops?|standstills?|tests?|trials?|inspections?|servic\w+|cleaning|calibrations?|repairs?|upgrades?|updates?"
    r"|migrations?|switch\w*|change-?overs?|overhauls?|power cuts?|deploy\w*|releases?|replacements?"
    r"|exercises?|drills?)"
    r"|maintenance (?:windows?|works?|is |was |planned|scheduled|until|till|from|between)|window for maintenance)\b",
    re.IGNORECASE,
)
_OFF = re.compile(
    r"\b(?:cancel\w*|call(?:ed)? off|postponed|not|no|never|unplanned|unscheduled|finished|completed"
    r"|done|over|ended)\b",
    re.IGNORECASE,
)


def is_planned_work(text: str) -> bool:
    """Return whether a sentence says that work is planned, and does not say that it is off."""
    return _PLANNED.search(text) is not None and _OFF.search(text) is None


def dated_times(text: str) -> Times | None:
    """Return from when to when something is, by its date: ``begin`` and ``end`` on the clock of the text.

    With one date and one time of day it ends after the length that the text names, or else after four hours; with a
    date alone it takes the day. None without a date that has a year.
    """
    stamp = _STAMP.match(text)
    if stamp is not None and _OWN_DATE.search(text[stamp.end() :]):
        text = text[stamp.end() :]  # when it was written is not when the work is
    dates: list[datetime.date] = []
    clocks: list[tuple[int, datetime.timedelta]] = []  # number of dates before it, and time of day
    for match in _TOKEN.finditer(text):
        if match["hour"]:
            clocks.append((len(dates), datetime.timedelta(hours=int(match["hour"]), minutes=int(match["minute"]))))
        elif (date := _date(match)) is not None:
            dates.append(date)
    if not dates:
        return None
    midnight = [datetime.datetime.combine(date, datetime.time()) for date in (dates[0], dates[-1])]
    first = [clock for before, clock in clocks if before < len(dates) or len(dates) == 1]
    last = [clock for before, clock in clocks if before == len(dates)][len(dates) == 1 :]
    begin = midnight[0] + (first[0] if first else datetime.timedelta())
    if last:
        end = midnight[1] + last[-1]
        end = end + DAY if end <= begin else end
    elif len(dates) > 1 or not first:
        end = midnight[1] + DAY
    else:
        named = durations(text)
        end = begin + (datetime.timedelta(seconds=named[0][1]) if named else UNKNOWN_LENGTH)
    return Times(begin=begin.isoformat(), end=end.isoformat()) if end > begin else None


def _date(match: re.Match[str]) -> datetime.date | None:
    if match["iso"]:
        year, month, day = (int(part) for part in match["iso"].split("-"))
    elif match["dotted"]:
        day, month, year = (int(part) for part in match["dotted"].split("."))
    else:
        day, year = int(match["d1"] or match["d2"]), int(match["y1"] or match["y2"])
        month = month_of(match["month"] or match["month2"])
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None
