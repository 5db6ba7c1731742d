"""Find out how a text table is written: lines before the table, separator, header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ape.core.errors import InputError
from ape.series.reading.comma_numbers import (
    COMMA_NUMBER,
    TIME_AND_COMMA_NUMBER,
    has_times_and_numbers,
    lines_above_numbers,
    require_separating_commas,
    require_separating_spaces,
)
from ape.series.reading.header import MOST_ROWS, find_header, left_out, names_of_all
from ape.series.reading.lines import COMMENT, kind_of, split, table_lines

SAMPLE_LINES = 400
SEPARATORS = ("\t", ";", "|", ",", " ")  # a comma inside cells is common, so it comes late
SEPARATOR_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space", None: "one column"}
SEPARATOR_LINE = re.compile(r'^"?sep=(\t|.)"?\s*$', re.IGNORECASE)
COMMAS_IN_NUMBERS = "rows have more commas than columns: commas are part of the numbers"
SPACES_IN_NUMBERS = "there is one column: spaces separate thousands"


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Parameters
    ----------
    separator : str or None
        None: each line is one cell.
    names : tuple of str
        Column names; empty for a column without a name.
    skip : int
        Lines before the first row of values.
    header : bool
        Whether the file names the columns.
    header_rows : tuple of tuple of str
        The rows of the header, which a concatenated file repeats.
    kinds : tuple of str
        What each column has mostly: ``number``, ``time``, ``text`` or ``missing``.
    split_first : bool
        Only the first comma of a line separates cells; the others are part of the number.
    comments : bool
        Whether lines within the table may be comments.
    notes : tuple of str
        What was inferred.
    """

    separator: str | None
    names: tuple[str, ...]
    skip: int
    header: bool
    header_rows: tuple[tuple[str, ...], ...] = ()
    kinds: tuple[str, ...] = ()
    split_first: bool = False
    comments: bool = False
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the separator and the header in words."""
        name = SEPARATOR_NAMES.get(self.separator, repr(self.separator))
        return f"{name}, {'header' if self.header else 'no header'}"


def find_dialect(text: str, where: str, header: bool | None = None, decimal: str | None = None) -> Dialect:
    """Infer the dialect from the first lines of a table.

    Parameters
    ----------
    text : str
        The beginning of the file, whole lines.
    where : str
        The file, for error messages.
    header : bool, optional
        Whether the first row names the columns.
    decimal : str, optional
        The decimal mark, if it is known.

    Raises
    ------
    InputError
        No separator fits, or rows have more cells than names.
    """
    lines = table_lines(text)
    forced = SEPARATOR_LINE.match(lines[0].text)
    if forced:
        lines = lines[1:]
    begin = next((k for k, line in enumerate(lines) if line.text.strip() and not COMMENT.match(line.text)), len(lines))
    comments = [COMMENT.sub("", line.text).strip() for line in lines[:begin] if line.text.strip()]
    notes = [left_out(begin, "before the table")] if begin else []
    body = lines[begin : begin + SAMPLE_LINES]
    filled = [line for line in body if line.text.strip() and not COMMENT.match(line.text)]
    if not filled:
        raise InputError("a CSV without rows", where, "give a file with values")
    texts = [line.text for line in filled]
    within = any(COMMENT.match(line.text) for line in body)
    separator = forced[1] if forced else None
    if separator in (None, ","):
        if above := lines_above_numbers(texts, MOST_ROWS):
            notes += [left_out(above - 1, "before the table")] if above > 1 else []
            name = texts[above - 1].strip().strip('"')
            skip = filled[above].begin
            note = COMMAS_IN_NUMBERS if any("," in line for line in texts[above:]) else SPACES_IN_NUMBERS
            return Dialect(None, (name,), skip, True, ((name,),), ("number",), False, within, (*notes, note))
        if decimal == "," and all(map(TIME_AND_COMMA_NUMBER.match, texts)):
            first = filled[0].begin
            return Dialect(",", ("", ""), first, False, (), ("time", "number"), True, within, tuple(notes))
        if has_times_and_numbers(texts):
            pair = tuple(split(texts[0], ","))
            kinds, skip = ("time", "number"), filled[1].begin
            return Dialect(",", pair, skip, True, (pair,), kinds, True, within, (*notes, COMMAS_IN_NUMBERS))
    if separator is None and decimal == "," and all(map(COMMA_NUMBER.match, texts)):
        return Dialect(None, ("",), filled[0].begin, False, (), ("number",), False, within, tuple(notes))
    separator = separator or _separator(texts)
    rows = [split(line, separator) for line in texts]
    found = find_header(rows, comments, separator, header, where)
    if found.comments:
        notes = [left_out(begin - found.comments, "before the table")] if begin > found.comments else []
    data = rows[found.values :]
    if not data:
        raise InputError("the file has a header and no rows", where, "give a file with values")
    middle = texts[len(texts) // 2].strip()
    if "text" in found.kinds and not {"number", "time"} & set(found.kinds) and " " in middle:
        raise InputError(f"lines of text and no table, such as '{middle[:40]}'", where, "give a table of numbers")
    if len(texts) == 1 and len(rows[0]) > 1:
        raise InputError(f"one line of {len(rows[0])} cells", where, "write one row a time step")
    if not found.names and separator == "," and decimal is None:
        require_separating_commas(data, where)
    if not found.names and separator == " ":
        require_separating_spaces(data, where)
    names = found.names or ("",) * max(map(len, data))
    return Dialect(
        separator,
        names_of_all(names, data, separator, where),
        filled[found.values].begin,
        bool(found.names),
        tuple(map(tuple, rows[found.begin : found.values])) if found.names else (),
        found.kinds,
        False,
        within,
        (*notes, *found.notes),
    )


def _separator(lines: Sequence[str]) -> str | None:
    """Return the separator that gives most lines the same number of cells, at least two; None if none does.

    A separator whose cells are values is preferred, then one that gives the first line as many cells as the others.
    """
    best, best_key = None, (0, False, 0.0)
    for separator in SEPARATORS:
        rows = [split(line, separator) for line in lines]
        width, count = Counter(map(len, rows)).most_common(1)[0]
        share = count / len(lines)
        if width < 2 or share < 0.5 or (separator == " " and not _cells_are_values(lines, separator)):
            continue
        same = [row for row in rows if len(row) == width]
        key = (_fit(same[len(same) // 2], separator), len(rows[0]) == width, share)
        if key[:2] > best_key[:2] or (key[:2] == best_key[:2] and share > best_key[2] + 0.05):
            best, best_key = separator, key
    return best


def _fit(cells: Sequence[str], separator: str) -> int:
    """Return 2 if all cells are values, 1 if no cell of text has another separator, or 0.

    Spaces are also within values: they fit best only after a time, as in ``2024-03-04 12:00 0,16``.
    """
    texts = [cell for cell in cells if kind_of(cell) == "text"]
    if not texts and (separator != " " or kind_of(cells[0]) == "time"):
        return 2
    return int(not any(other in cell for cell in texts for other in SEPARATORS[:-1] if other != separator))


def _cells_are_values(lines: Sequence[str], separator: str) -> bool:
    """Whether spaces separate values, and not the words or the date and time of one cell.

    Words may be cells of their own if each has quotes, if a time comes first, or if three columns or more have a name
    each.
    """
    middle = lines[len(lines) // 2]
    kinds = [kind_of(cell) for cell in split(middle, separator)]
    above = ([kind_of(cell) for cell in split(line, separator)] for line in lines[: len(lines) // 2])
    named = len(kinds) > 2 and any(len(names) == len(kinds) and set(names) == {"text"} for names in above)
    return "number" in kinds and ("text" not in kinds or named or kinds[0] == "time" or '" "' in middle)
