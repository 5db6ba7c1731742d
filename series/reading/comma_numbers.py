"""Tables in which commas both separate cells and are part of numbers that are not quoted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ape.core.errors import InputError
from ape.series.reading.lines import split
from ape.series.reading.missing import means_missing
from ape.series.reading.number_cells import UNIT, looks_like_number

NUMBER = rf"[+-]?\d+(?:,\d+)*(?:\.\d+)?(?:\s*{UNIT})?"
COMMA_NUMBER = re.compile(rf"^\s*{NUMBER}\s*$")
TIME_AND_COMMA_NUMBER = re.compile(rf"^[^,]*[:/.\-T][^,]*,\s*{NUMBER}\s*$")
WHOLE = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[.' ]\d{3})+)")
COMMA_SHARE = 0.2  # of the lines: what has a second comma at least, if it belongs to the numbers


def lines_above_numbers(lines: Sequence[str], most: int) -> int:
    """Return the number of lines above one column of numbers with commas; 0 if the table is not one."""
    for k, line in enumerate(lines[: most + 1]):
        if COMMA_NUMBER.match(line):
            rest = lines[k:]
            fits = all(COMMA_NUMBER.match(each) or means_missing(each) for each in rest)
            return k if k and fits and "," not in lines[k - 1] and any("," in each for each in rest) else 0
    return 0


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
    """Refuse rows of integers whose commas may be decimal marks: there is no header to count the columns."""
    rows = [[re.sub(rf"(?<=\d)\s*{UNIT}$", "", cell) for cell in row] for row in rows]
    rows = [row for row in rows if not (len(row) == 1 and means_missing(row[0]))]
    first = [row[k] for row in rows for k in range(0, len(row), 2)]
    second = [row[k] for row in rows for k in range(1, len(row), 2)]
    whole = all(WHOLE.fullmatch(cell) for cell in first) and all(re.fullmatch(r"[+-]?\d+", cell) for cell in second)
    if not rows or not whole or {len(row) for row in rows} - {2, 4, 6}:
        return
    counts = [int(re.sub("[.' ]", "", row[0])) for row in rows]
    counter = all(b - a == 1 for a, b in pairwise(counts)) and len(counts) > 2
    zeros = any(len(cell) > 1 and cell.startswith("0") for cell in second) or any(
        row[0].startswith("-0") for row in rows
    )
    two = {len(row) for row in rows} == {2} and all(cell.isdigit() and len(cell) <= 6 for cell in second)
    if zeros or (two and not counter):
        raise InputError(
            f"'{','.join(rows[0])[:30]}' may be {len(rows[0])} numbers or {len(rows[0]) // 2} with decimal commas",
            where,
            "say --decimal . or --decimal ,",
        )
