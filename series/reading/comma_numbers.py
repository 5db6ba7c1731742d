"""Tables in which commas or spaces both separate cells and are part of numbers that are not quoted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.indices import numbers_rows
from ape.series.reading.lines import kind_of, split
from ape.series.reading.missing import means_missing
from ape.series.reading.number_cells import SPACES, UNIT, grouped, looks_like_number

SPACED = rf"[1-9]\d{{0,2}}(?:[ {SPACES}]\d{{3}})+(?:[.,]\d+)?"  # 5 012,34
# 5012 or 5012.3, 5012,34, groups as in 5,012.34, 5.012,34 or 5 012,34; with a unit.
NUMBER = (
    r"[+-]?(?:\d+(?:\.\d+)?|\d+,\d+|\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+"
    rf"|{SPACED})(?:\s*{UNIT})?"
)
COMMA_NUMBER = re.compile(rf"^\s*{NUMBER}\s*$")
TIME_AND_COMMA_NUMBER = re.compile(rf"^[^,]*[:/.\-T][^,]*,\s*{NUMBER}\s*$")
IN_GROUPS = re.compile(rf"\s*[+-]?{SPACED}\s*")
WHOLE = re.compile(rf"[+-]?(?:\d+|\d{{1,3}}(?:[.' {SPACES}]\d{{3}})+)")
FITTING_SHARE = 0.9  # of the lines below a name: if fewer are numbers, the table is another one
COMMA_SHARE = 0.2  # of the lines: what has a second comma at least, if it belongs to the numbers


def lines_above_numbers(lines: Sequence[str], most: int) -> int:
    """Return the number of lines above one column of numbers with commas or spaces; 0 if the table is not one."""
    for k, line in enumerate(lines[: most + 1]):
        if COMMA_NUMBER.match(line):
            while k > 1 and (means_missing(lines[k - 1]) or re.match(r"\s*[+-]?\d", lines[k - 1])):
                k -= 1  # a missing or damaged first value
            rest = lines[k:]
            fitting = sum(COMMA_NUMBER.match(each) is not None or means_missing(each) for each in rest)
            fits = fitting >= FITTING_SHARE * len(rest)  # others are damaged, and refused with their line
            before = [float(re.split("[ ,]", each.strip())[0]) for each in rest if re.match(r"\s*[+-]?\d+[ ,]", each)]
            inside = any("," in each for each in rest) or (k > 0 and _have_spaces_inside(lines[k - 1], rest))
            fits = fits and inside and not numbers_rows(np.array(before))
            return k if k and fits and "," not in lines[k - 1] else 0
    return 0


def _have_spaces_inside(name: str, lines: Sequence[str]) -> bool:
    """Whether spaces separate thousands: there is one name, or the numbers of groups differ."""
    return any(map(IN_GROUPS.fullmatch, lines)) and (
        len(name.split()) == 1 or len({len(line.split()) for line in lines}) > 1
    )


def has_times_and_numbers(lines: Sequence[str]) -> bool:
    """Whether each line below the header is a time and one number, in which commas occur."""
    data = lines[1:]
    names = split(lines[0], ",")
    more = sum(line.count(",") > 1 for line in data)
    if len(names) != 2 or looks_like_number(names[1]) or more < max(1, COMMA_SHARE * len(data)):
        return False
    return all(
        TIME_AND_COMMA_NUMBER.match(line) or (line.count(",") == 1 and means_missing(line.split(",")[1]))
        for line in data
    )


def require_separating_commas(rows: Sequence[list[str]], where: str) -> None:
    """Refuse rows whose commas may be decimal marks or separate thousands: no header tells the number of columns."""
    rows = [[re.sub(rf"(?<=\d)\s*{UNIT}$", "", cell) for cell in row] for row in rows]
    rows = [row for row in rows if not (len(row) == 1 and means_missing(row[0]))]
    timed = bool(rows) and all(len(row) > 2 and kind_of(row[0]) == "time" for row in rows)
    rows = [row[1:] for row in rows] if timed else rows
    first = [row[k] for row in rows for k in range(0, len(row), 2)]
    second = [row[k] for row in rows for k in range(1, len(row), 2)]
    whole = all(WHOLE.fullmatch(cell) for cell in first) and all(re.fullmatch(r"[+-]?\d+", cell) for cell in second)
    if not whole:
        _require_no_thousands(rows, where)
    if not rows or not whole or {len(row) for row in rows} - {2, 4, 6}:
        return
    counts = [int(re.sub(rf"[.' {SPACES}]", "", row[0])) for row in rows]
    counter = all(b - a == 1 for a, b in pairwise(counts)) and len(counts) > 2
    zeros = any(len(cell) > 1 and cell.startswith("0") for cell in second) or any(
        row[0].startswith("-0") for row in rows
    )
    two = {len(row) for row in rows} == {2} and all(cell.isdigit() and len(cell) <= 6 for cell in second)
    if zeros or (two and not counter and not timed):
        raise InputError(
            f"'{','.join(rows[0])[:30]}' may be {len(rows[0])} numbers or {len(rows[0]) // 2} with decimal commas",
            where,
            "say --decimal . or --decimal ,",
        )


def require_separating_spaces(rows: Sequence[list[str]], where: str) -> None:
    """Refuse rows whose spaces may all separate thousands, as in 5 012.34: no header tells the number of columns."""
    texts = [" ".join(row) for row in rows]
    several = [text for text, row in zip(texts, rows, strict=True) if len(row) > 1]
    if (
        all(map(IN_GROUPS.fullmatch, several))
        and all(map(COMMA_NUMBER.match, texts))
        and not numbers_rows(np.array([text.split()[0] for text in several], dtype=np.float64))
    ):
        raise InputError(
            f"'{several[0][:30]}' may be {len(several[0].split())} numbers or one with separators of thousands",
            where,
            "write the numbers without spaces, or name each column in a first row",
        )


def _require_no_thousands(rows: Sequence[list[str]], where: str) -> None:
    """Refuse rows whose commas may all separate thousands, as in 5,012.34."""
    several = [row for row in rows if len(row) > 1]
    if (
        several
        and all(re.match(grouped(","), ",".join(row)) for row in several)
        and not numbers_rows(np.array([row[0] for row in several], dtype=np.float64))
    ):
        raise InputError(
            f"'{','.join(several[0])[:30]}' may be {len(several[0])} numbers or one with separators of thousands",
            where,
            "put the numbers in quotes, or name each column in a first row",
        )
