"""Find the rows above the values of a table, and the names of the columns among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.indices import numbers_rows
from ape.series.reading.lines import kind_of, split, trimmed
from ape.series.reading.missing import means_missing
from ape.series.reading.names import ROW_NUMBERS, TIMES, key_of
from ape.series.reading.time_cells import looks_like_time

MOST_ROWS = 60  # above the values
WIDTH = re.compile(r"\d+[sdn]")  # of the cells of a column and their kind, as RDB tables have below the names
RULER = re.compile(r"^[-=+:| ]{3,}$")
KNOWN = TIMES | ROW_NUMBERS - {""}  # names that other lines rarely have
COUNTING = 0.9  # of the rows: others are a total or a repeated header
WRITTEN = re.compile(r"[.,eE:]")  # in numbers that do not number columns
UNIT_SIGN = re.compile(r"[/%°()\[\]]")  # in units, and rarely in all names of a header
FEWEST_ROWS = 20  # rows that show whether numbers above them are values
FAR = 3.0  # ranges of a column: a number farther from it is none of its values


@dataclass(frozen=True)
class Header:
    """The names of the columns.

    Parameters
    ----------
    names : tuple of str
        Empty without a header.
    begin : int
        First row of the table: the names, or the values if the table has no names.
    values : int
        First row of values.
    kinds : tuple of str
        What each column has mostly: ``number``, ``time``, ``text`` or ``missing``.
    notes : tuple of str
    comments : int
        How many comments the header has.
    """

    names: tuple[str, ...]
    begin: int
    values: int
    kinds: tuple[str, ...]
    notes: tuple[str, ...] = ()
    comments: int = 0


def find_header(
    rows: Sequence[list[str]], comments: Sequence[str], separator: str | None, given: bool | None, where: str
) -> Header:
    """Find the names of the columns.

    Parameters
    ----------
    rows : sequence of list of str
        The first rows, and what is above them.
    comments : sequence of str
        Above the rows; the last ones may have the names.
    separator : str or None
    given : bool, optional
        Whether the first row has the names.
    where : str

    Raises
    ------
    InputError
        The first row may number the columns or have values, or each column is a time step.
    """
    _require_rows_of_times(rows, where)
    kinds = _kinds(rows)
    first = _first_values(rows, kinds)
    begin = None if given is False else _names_row(rows[:first], kinds, _counts(rows[first:]))
    if begin is None and given is None and _numbers_are_names(rows[first], rows[first + 1 :], kinds, where):
        begin = first
    if given is True and begin is None:
        begin = first
    if begin is None:
        while (
            first and {kind_of(cell) for cell in rows[first - 1]} == {"missing"} and len(rows[first - 1]) == len(kinds)
        ):
            first -= 1  # missing values
        nothing = Header((), first, first, kinds, _lines_above(rows, first))
        return nothing if given is False else _header_elsewhere(rows, first, kinds, comments, separator)
    values = next((k for k in range(begin + 1, first) if not _is_units(rows[k], kinds)), max(begin + 1, first))
    names, notes = _joined_names(rows, begin, values)
    below = values - begin - 1
    if not notes:
        notes = _lines_above(rows, begin)
        if below:
            notes = (*notes, left_out(below, "below the header (units)"))
    return Header(tuple(names), begin, values, kinds, notes)


def _header_elsewhere(
    rows: Sequence[list[str]], first: int, kinds: tuple[str, ...], comments: Sequence[str], separator: str | None
) -> Header:
    """Return the names in a comment, or in a line above the values that has spaces between names; or none."""
    words = rows[first - 1][0].split() if first and len(rows[first - 1]) == 1 else []
    if len(words) == len(kinds) > 1 and any(key_of(word) in KNOWN for word in words):
        return Header(tuple(words), first - 1, first, kinds, _lines_above(rows, first - 1))
    names, used = _commented_names(comments, separator, len(kinds))
    return Header(tuple(names), first, first, kinds, _lines_above(rows, first), used)


def left_out(count: int, which: str) -> str:
    """Return a note on lines that were left out."""
    return f"{count} line{'s' * (count > 1)} {which} {'were' if count > 1 else 'was'} left out"


def _lines_above(rows: Sequence[list[str]], count: int) -> tuple[str, ...]:
    return (f"{left_out(count, 'before the table')}: '{' '.join(rows[0])[:40]}'",) if count else ()


def _commented_names(comments: Sequence[str], separator: str | None, width: int) -> tuple[list[str], int]:
    """Return the names in the last comment, or in the one before if the last has units; and how many comments it is."""
    rows = [split(comment, separator) for comment in comments[-2:]]
    kinds = [{kind_of(cell) for cell in row} if len(row) == width else {"other"} for row in rows]
    if not rows or not kinds[-1] <= {"text", "missing"}:
        return [], 0
    known = any(key_of(cell) in KNOWN for cell in rows[-1])
    if kinds[0] == {"text"} and len(rows) > 1 and not known and any(UNIT_SIGN.search(cell) for cell in rows[-1]):
        return rows[0], 2
    return (rows[-1], 1) if kinds[-1] == {"text"} else ([], 0)


def _require_rows_of_times(rows: Sequence[list[str]], where: str) -> None:
    """Refuse a table whose columns are times, such as one row a day with a column an hour."""
    for row, below in pairwise(rows[:MOST_ROWS]):
        if len(row) > 3 and len(below) >= len(row) - 1 and {kind_of(cell) for cell in row[1:]} == {"time"}:
            values = {kind_of(cell) for cell in below[1:]}
            if "number" in values and values <= {"number", "missing"} and len(set(row[1:])) == len(row) - 1:
                raise InputError(
                    f"each column is a time, from '{row[1][:30]}' to '{row[-1][:30]}'",
                    where,
                    "write one row a time step",
                )


def _kinds(rows: Sequence[list[str]]) -> tuple[str, ...]:
    """Return what each column has mostly, in the last two thirds of the rows."""
    body = rows[len(rows) // 3 :]
    width = Counter(map(len, body)).most_common(1)[0][0]
    kinds = []
    for k in range(width):
        counts = Counter(kind for row in body if k < len(row) and (kind := kind_of(row[k])) != "missing")
        kinds.append(counts.most_common(1)[0][0] if counts else "missing")
    return tuple(kinds)


def _matches(row: Sequence[str], kinds: Sequence[str]) -> int:
    """Return how many cells of a row are numbers or times where their columns are."""
    return sum(kind in ("number", "time") and kind_of(cell) == kind for cell, kind in zip(row, kinds, strict=False))


def _is_units(row: Sequence[str], kinds: Sequence[str]) -> bool:
    """Whether a row below the names has units, widths or a ruler where the columns have numbers and times."""
    if all(map(WIDTH.fullmatch, row)) and "time" in kinds:
        return True
    text = any(kind_of(cell) == "text" for cell in row)
    return not _matches(row, kinds) and (text or all(map(RULER.match, row)))


def _first_values(rows: Sequence[list[str]], kinds: Sequence[str]) -> int:
    """Return the first row of values: all its cells have the kinds of their columns, or are missing."""
    measured = [k for k, kind in enumerate(kinds) if kind in ("number", "time")]
    if not measured:
        return 1
    for k, row in enumerate(rows[:MOST_ROWS]):
        cells = [kind_of(row[place]) if place < len(row) else "missing" for place in measured]
        fits = all(cell in (kinds[place], "missing") for cell, place in zip(cells, measured, strict=True))
        if fits and any(cell != "missing" for cell in cells) and abs(len(row) - len(kinds)) <= 1:
            return k
    return 0


def _names_row(above: Sequence[list[str]], kinds: Sequence[str], counted: bool) -> int | None:
    """Return the row with the names among the rows above the values; None if there is none.

    It has text where the columns have numbers and times, and as many names as possible. Among several such rows, the
    one that names times or a counter is chosen, or the first. A single name is enough beside an index without a name;
    ``counted`` says that the first column counts the rows.
    """
    if len(kinds) == 1:
        return _last_with(above, ("text", "number", "time"))
    filled = {}
    for k, row in enumerate(above):
        of_cells = [kind_of(cell) for cell in row]
        pairs = list(zip(of_cells, kinds, strict=False))
        measured = [kind for kind, column in pairs if column in ("number", "time")]
        text_first = bool(measured) and measured[0] == "text"
        if "time" not in measured and (2 * _matches(row, kinds) <= len(measured) or text_first):
            count = sum(kind in ("text", "number") for kind in of_cells)
            if count > 1:
                filled[k] = count
    if not filled and sum(kind != "missing" for kind in kinds) == 1:  # beside empty columns
        return _last_with(above, ("text",))
    if not filled:
        return next((k for k, row in enumerate(above) if _names_one_beside_index(row, kinds, counted)), None)
    words = {k for k in filled if all(kind_of(cell) == "text" for cell in above[k])}
    # No other lines are between the names and the values, unless the first values are damaged.
    near = {k: filled[k] for k in words if all(_is_units(row, kinds) for row in above[k + 1 :])}
    filled = near or filled
    longer = {k for k in filled if len(trimmed(above[k])) > len(kinds)}  # mostly lines on the file
    if {kind_of(cell) for cell in above[-1]} == {"text"}:
        longer -= {len(above) - 1}
    filled = {k: count for k, count in filled.items() if k not in longer} or filled
    fullest = [k for k, count in filled.items() if count >= max(filled.values()) - 1]
    fullest = [k for k in fullest if k in words and len(above[k]) >= len(kinds)] or fullest
    return next((k for k in fullest if any(key_of(cell) in KNOWN for cell in above[k])), fullest[0])


def _last_with(rows: Sequence[list[str]], kinds: Sequence[str]) -> int | None:
    """Return the last row that has a cell of these kinds."""
    return next((k for k in reversed(range(len(rows))) if any(kind_of(cell) in kinds for cell in rows[k])), None)


def _names_one_beside_index(row: Sequence[str], kinds: Sequence[str], counted: bool) -> bool:
    """Whether a row has one name and an empty cell for the index, or no cell for an index that counts the rows."""
    named = [cell for cell in row if kind_of(cell) == "text"]
    empty = not row[0] and len(row) == len(kinds)
    return len(named) == 1 and (empty or (counted and len(row) == len(kinds) - 1))


def _counts(data: Sequence[list[str]]) -> bool:
    """Whether the first column numbers the rows."""
    cells = [row[0] for row in data if row[0].isdecimal()]
    return len(cells) >= max(3, COUNTING * len(data)) and numbers_rows(np.array(cells, dtype=np.float64))


def _joined_names(rows: Sequence[list[str]], begin: int, values: int) -> tuple[list[str], tuple[str, ...]]:
    """Return the names; names that occur twice get those of the other rows above the values, such as groups."""
    names = list(rows[begin])
    named = [name for name in names if name]
    others = [row for k, row in enumerate(rows[:values]) if k != begin and len(trimmed(row)) > 1]
    if not others or len(set(named)) == len(named):
        return names, ()
    parts = [_spread(row) for row in rows[:values] if len(trimmed(row)) > 1]
    joined = [
        " ".join(dict.fromkeys(part[k] for part in parts if k < len(part) and part[k])) for k in range(len(names))
    ]
    return joined, (f"the names of the columns are joined from {len(parts)} rows",)


def _spread(row: Sequence[str]) -> list[str]:
    """Return a row in which empty cells have the text to their left, as merged cells do; those at the start stay."""
    spread: list[str] = []
    for cell in row:
        spread.append(cell or (spread[-1] if spread else ""))
    return spread


def _numbers_are_names(first: list[str], data: Sequence[list[str]], kinds: Sequence[str], where: str) -> bool:
    """Whether the first row has numbers that number the columns, or that are no values, as ``101,102`` above decimals.

    They are names beside an empty cell for times or an index, and if they are far from all values of their columns.
    """
    if _numbers_columns(first, data, where):
        return True
    data = [row for row in data if len(row) == len(first)]
    if len(data) < FEWEST_ROWS or len(kinds) != len(first):
        return False
    if not first[0] and len(first) > 1 and (kinds[0] == "time" or _counts(data)):
        return all(kind_of(cell) == "number" for cell in first[1:])
    try:
        names = np.array([cell.replace(",", ".") for cell in first], dtype=np.float64)
        cells = [["nan" if means_missing(cell) else cell.replace(",", ".") for cell in row] for row in data]
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        return False
    if np.isnan(values).all(axis=0).any() or (names < 0).any():
        return False
    other = all(_decimals(cell) not in {_decimals(row[k]) for row in data} for k, cell in enumerate(first))
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    far = bool((np.maximum(low - names, names - high) > FAR * (high - low)).all())
    if far and (other or (len(names) > 1 and bool((np.diff(names) > 0).all()))):
        return True
    if other and len(first) > 1:
        raise InputError(
            f"the first row {','.join(first)[:40]} may be names or values", where, "say --header or --no-header"
        )
    return False


def _numbers_columns(first: list[str], data: Sequence[list[str]], where: str) -> bool:
    """Whether the first row numbers the columns (``0,1`` or ``,0,1``), as pandas writes frames without names."""
    cells = first[1:] if not first[0] else first
    if not cells or cells != [str(k) for k in range(len(cells))]:
        return False
    if not first[0] or any(WRITTEN.search(cell) for row in data for cell in row[: len(first)]):
        return True
    if len(first) > 1:
        raise InputError(
            f"the first row {','.join(first)[:40]} may be column numbers or values",
            where,
            "say --header or --no-header",
        )
    return False


def _decimals(cell: str) -> int:
    """Return how many digits follow the decimal mark of a number."""
    return len(re.split("[.,]", cell)[-1]) if re.search("[.,]", cell) else 0


def names_of_all(names: Sequence[str], data: Sequence[list[str]], separator: str | None, where: str) -> tuple[str, ...]:
    """Give each column a name if rows have more cells than the header.

    Raises
    ------
    InputError
        Most rows have more cells than names, and it is not known which cells have no name.
    """
    width = max((len(row) for row in data), default=0)
    extra = width - len(names)
    if extra <= 0:
        return tuple(names)
    if not any(any(row[len(names) :]) for row in data):
        return (*names, *[""] * extra)
    if extra == 1 and _counts(data) and key_of(names[0]) not in ROW_NUMBERS:
        return ("", *names)
    if separator == " " and extra == 1 and looks_like_time(data[0][0]) and looks_like_time(data[0][1]):
        return (names[0], f"{names[0]} of day", *names[1:])
    if Counter(len(row) for row in data).most_common(1)[0][0] <= len(names):
        return tuple(names)  # a few rows: the table says which
    row = next(row for row in data if len(row) > len(names))
    raise InputError(
        f"rows have {len(row)} cells for {len(names)} columns, such as '{','.join(row)[:40]}'",
        where,
        "put numbers with decimal commas in quotes, or separate columns by ;",
    )
