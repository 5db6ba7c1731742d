"""Parse the stretch of a series that a request names: "200 to 900", "2024-06-07 8:00 to 12:00", "on 7 June 2024"."""

from __future__ import annotations

import re

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = (
    r"(?P<date>\d{4}-\d{1,2}(?:-\d{1,2})?|\d{1,4}[./]\d{1,2}[./]\d{1,4}|\d{1,2}-\d{1,2}-\d{4}"
    rf"|\d{{1,2}}\.? {_MONTH} \d{{4}}|{_MONTH} \d{{1,2}},? \d{{4}})(?![\d/-])"
)
_CLOCK = (
    r"(?P<clock>(?:\d+ days?,? )?\d{1,6}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]m\b)?(?: ?(?:UTC\b|Z\b|[+-]\d\d:?\d\d\b))?)"
)
_MOMENT = re.compile(rf"(?<![\w./:-])(?:{_DATE}(?:(?:T| at |,? ){_CLOCK})?|{_CLOCK.replace('clock', 'alone')})", re.I)
_POSITIONS = re.compile(r"(?<![\w./:-])(\d+)\s*(?:to|-|–|and|until|\.\.)\s*(\d+)(?![\w/:-]|\.\d)", re.I)

Stretch = tuple[int | str, int | str]  # first and last


def stretch_in(request: str) -> Stretch | None:
    """Return the positions or times between which a request looks, or None if it names no stretch.

    A single day or month is a stretch. A time of day alone, after a date, is on the same day.
    """
    moments = [(match["date"] or "", match["clock"] or match["alone"] or "") for match in _MOMENT.finditer(request)]
    if not moments:
        match = _POSITIONS.search(request)
        if match is None:
            return None
        begin, end = sorted((int(match[1]), int(match[2])))
        return begin, end
    (day, clock), (last_day, last_clock) = moments[0], moments[1] if len(moments) > 1 else moments[0]
    if len(moments) == 1 and clock:
        return None
    return f"{day} {clock}".strip(), f"{last_day or day} {last_clock}".strip()
