"""Turn columns of text into float64: decimal marks, thousands, units in cells, words for missing values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError

MISSING = (
    "", "-", "--", "---", "\u2013", "\u2014", "na", "n/a", "n.a.", "#n/a", "#na", "#nv", "nan", "-nan", "+nan",
    "null", "none",
    "nil", "\\n", "?", ".", "..", "...", "*", "<na>", "nat", "missing", "no data", "nodata", "n/v", "k.a.",
    "#div/0!", "#value!",
    "#ref!", "#name?", "#num!", "#null!", "#wert!", "#bezug!", "-nan(ind)", "nan(ind)", "1.#qnan", "1.#ind",
    "-1.#ind", "(null)", "undefined",
)  # fmt: skip
SENTINELS = (-999.0, -9999.0, -99999.0, -999.9, -999.99, 9999.0, 99999.0, 999999.0)
SAMPLE = 200  # cells
SPACES = "\u00a0\u2007\u2009\u202f"  # that separate thousands, beside the plain space
BODY = r"[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?"
NUMBER = re.compile(rf"^{BODY}$")
UNIT = r"[^\d\s.,+\-:;|/\\'\"#()\[\]=_][^\s,;:|\"=]{0,9}"  # begins with a letter or a sign such as % and °
WITH_UNIT = rf"^(?P<number>{BODY})\s*(?P<unit>{UNIT})$"
WITH_PREFIX = rf"^(?P<unit>[$€£¥]|[A-Z]{{3}} )\s*(?P<number>{BODY})$"
TRUTH = {"true": "1", "false": "0"}

# What commas and dots of a number can mean; a group of thousands has three digits (or two, in India).
GROUPED = {
    mark: rf"^[+-]?\d{{1,3}}(?:\{mark}\d{{2,3}})*\{mark}\d{{3}}(?:\{other}\d*)?$"
    for mark, other in ((",", "."), (".", ","))
}
DECIMAL = {
    mark: rf"^[+-]?(?:\d{{1,3}}(?:\{other}\d{{2,3}})*\{other}\d{{3}}|\d*)\{mark}\d*(?:[eE][+-]?\d+)?$"
    for mark, other in ((",", "."), (".", ","))
}


@dataclass(frozen=True)
class Marks:
    """How many cells of a column need a comma or a dot to be the decimal mark or a separator of thousands."""

    comma_decimal: int = 0
    comma_group: int = 0
    dot_group: int = 0
    dot_decimal: int = 0
    either: int = 0  # such as 1,500
    small: bool = False  # all numbers without a comma are below 1000, and none has a decimal mark

    def __add__(self, other: Marks) -> Marks:
        """Return the sum over columns."""
        return Marks(
            self.comma_decimal + other.comma_decimal,
            self.comma_group + other.comma_group,
            self.dot_group + other.dot_group,
            self.dot_decimal + other.dot_decimal,
            self.either + other.either,
            False,
        )


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    Parameters
    ----------
    values : ndarray, float64 [n]
        NaN where a value is missing.
    bad : ndarray, bool [n]
        Cells that are no numbers.
    exact : ndarray, int64 [n], or None
        The integers, if float64 does not represent all of them.
    notes : tuple of str
    """

    values: np.ndarray
    bad: np.ndarray
    exact: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def means_missing(cell: str) -> bool:
    """Whether a cell means that a value is missing."""
    return cell.strip().lower() in MISSING


def looks_like_number(cell: str) -> bool:
    """Whether a cell contains one number, possibly with thousands separators or a unit."""
    cell = _plain(cell)
    if cell.lower() in ("inf", "-inf", "+inf", "infinity", "-infinity", *TRUTH):
        return True
    if cell.count(".") > 1 and not re.match(GROUPED["."], cell):
        return False
    return bool(NUMBER.match(cell) or re.match(WITH_UNIT, cell) or re.match(WITH_PREFIX, cell))


def _plain(cell: str) -> str:
    cell = cell.strip().replace("\u2212", "-")
    for space in SPACES:
        cell = cell.replace(space, " ")
    return re.sub(r"(?<=\d)[ '’_](?=\d{3}(?:\D|$))", "", cell).strip()


def cleaned(cells: pa.ChunkedArray, missing: tuple[str, ...] = ()) -> pa.ChunkedArray:
    """Return text cells without surrounding spaces; null where a value is missing."""
    text = pc.utf8_trim_whitespace(cells)
    words = pa.array([*MISSING, *(word.strip().lower() for word in missing)])
    return pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=words), pa.scalar(None, pa.string()), text)


def find_marks(text: pa.ChunkedArray, values: pa.Array | None = None) -> Marks:
    """Count what the commas and dots of cleaned cells can mean."""
    text = _without_groups(text)
    comma = text.filter(pc.fill_null(pc.match_substring(text, ","), False))
    dots = text.filter(pc.fill_null(pc.match_substring_regex(text, r"\..*\."), False))
    if not len(comma) and not len(dots):
        dot = pc.sum(pc.fill_null(pc.match_substring_regex(text, r"\.(?:\d{0,2}|\d{4,})(?:\D|$)"), False)).as_py() or 0
        return Marks(dot_decimal=dot)

    def count(cells: pa.ChunkedArray, pattern: str) -> np.ndarray:
        return pc.fill_null(pc.match_substring_regex(cells, pattern), False).to_numpy()

    number, _ = _units(comma)
    comma = pc.coalesce(number, comma)
    group, decimal = count(comma, GROUPED[","]), count(comma, DECIMAL[","])
    lead_zero = count(comma, r"^[+-]?0\d*,")
    group &= ~lead_zero
    plain = text.filter(pc.fill_null(pc.invert(pc.match_substring(text, ",")), False))
    small = bool(count(plain, r"^[+-]?\d{1,3}$").all()) and len(plain) > 0
    dot_group = count(dots, GROUPED["."]) & ~count(dots, ",.*\\.") if len(dots) else np.zeros(0, bool)
    return Marks(
        comma_decimal=int((decimal & ~group).sum()),
        comma_group=int((group & ~decimal).sum()),
        dot_group=int(dot_group.sum()),
        dot_decimal=int(count(text, r"\.(?:\d{0,2}|\d{4,})(?:\D|$)").sum()),
        either=int((group & decimal).sum()),
        small=small,
    )


def choose_decimal(
    marks: Mapping[str, Marks], separator: str | None, given: str | None, where: str
) -> tuple[dict[str, str], list[str]]:
    """Choose the decimal mark of each column.

    Parameters
    ----------
    marks : dict of Marks
        By column.
    separator : str or None
        Between the cells of the file.
    given : str, optional
        ``--decimal``.
    where : str

    Returns
    -------
    decimals : dict of str
        ``"."`` or ``","`` by column.
    notes : list of str

    Raises
    ------
    InputError
        A column can be read in two ways.
    """
    if given is not None:
        return dict.fromkeys(marks, given), []
    total = sum(marks.values(), Marks())
    chosen, notes = {}, []
    for name, mark in marks.items():
        comma = mark.comma_decimal > 0 or (mark.dot_group > 0 and not mark.comma_group)
        point = mark.comma_group > 0
        if comma and point:
            raise InputError(
                "commas mean decimals in some cells and thousands in others",
                f"{where}, column '{name}'",
                "say --decimal . or --decimal ,",
            )
        if comma:
            chosen[name] = ","
        elif point or (mark.either and mark.small):
            chosen[name] = "."
        elif mark.either:
            chosen[name] = _by_other_columns(name, total, separator, where)
        elif total.comma_decimal and not mark.dot_decimal:
            chosen[name] = ","
        else:
            chosen[name] = "."
        if mark.either or mark.comma_group or mark.comma_decimal or mark.dot_group:
            what = "decimal mark" if chosen[name] == "," else "separator of thousands"
            notes.append(f"column '{name}': the comma is the {what}")
    return chosen, notes


def _by_other_columns(name: str, total: Marks, separator: str | None, where: str) -> str:
    if total.comma_decimal and not total.comma_group:
        return ","
    if total.comma_group and not total.comma_decimal:
        return "."
    if separator == ";" and not total.dot_decimal:
        return ","
    raise InputError(
        "a comma may be a decimal mark or a separator of thousands",
        f"{where}, column '{name}'",
        "say --decimal . or --decimal ,",
    )


def read_numbers(text: pa.ChunkedArray, decimal: str = ".") -> Numbers:
    """Read cleaned cells as numbers.

    Parameters
    ----------
    text : ChunkedArray of string
        From `cleaned`.
    decimal : str
        ``"."`` or ``","``.
    """
    if decimal == ".":
        try:
            return _numbers(pc.cast(text, pa.float64()), text, ())
        except pa.ArrowInvalid:
            pass
    notes = []
    plain = _without_groups(text)
    number, units = _units(plain)
    if units:
        with_unit = pc.is_valid(number)
        bare = pc.and_(pc.is_valid(plain), pc.invert(with_unit))
        bare_numbers = pc.and_(bare, pc.match_substring_regex(plain, rf"^{BODY}$"))
        only_zero = not pc.any(
            pc.and_(bare_numbers, pc.invert(pc.match_substring_regex(plain, r"^[+-]?0*[.,]?0*$")))
        ).as_py()
        if len(units) == 1 and only_zero:
            plain = pc.coalesce(number, plain)
            notes.append(f"the unit '{units[0]}' was removed from the cells")
        elif len(units) > 1 or not only_zero:
            notes.append(
                f"cells have different units: {', '.join(repr(u) for u in [*units[:3], *([''] * (not only_zero))])}"
            )
    other = "," if decimal == "." else "."
    grouped = pc.match_substring_regex(plain, GROUPED[other])
    plain = pc.if_else(grouped, pc.replace_substring(plain, other, ""), plain)
    plain = _except_where(plain, pc.match_substring(plain, other))
    if decimal == ",":
        plain = pc.replace_substring(plain, ",", ".")
    lower = pc.utf8_lower(plain)
    for word, digit in TRUTH.items():
        plain = pc.if_else(pc.equal(lower, word), pa.scalar(digit), plain)
    valid = pc.match_substring_regex(plain, r"^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity|nan))$")
    numbers = pc.cast(pc.if_else(valid, plain, pa.scalar(None, pa.string())), pa.float64())
    return _numbers(numbers, text, tuple(notes), plain)


def _numbers(
    numbers: pa.ChunkedArray, text: pa.ChunkedArray, notes: tuple[str, ...], plain: pa.ChunkedArray | None = None
) -> Numbers:
    values = numbers.to_numpy().astype(np.float64, copy=False)
    bad = (
        (pc.is_null(numbers).to_numpy() & pc.is_valid(text).to_numpy())
        if numbers.null_count
        else np.zeros(len(values), bool)
    )
    exact = None
    finite = values[np.isfinite(values)]
    if len(finite) and np.abs(finite).max() >= 2.0**53 and len(finite) == len(values):
        try:
            exact = pc.cast(text if plain is None else plain, pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            exact = None
    return Numbers(values, bad, exact, notes)


def _except_where(cells: pa.ChunkedArray, wrong: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make cells unreadable, so that they count as text."""
    return pc.if_else(pc.fill_null(wrong, False), pa.scalar("text"), cells)


def _without_groups(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells with a plain minus and without spaces, apostrophes and underscores between groups of thousands."""
    odd = pc.any(pc.match_substring_regex(text, f"[\u2212{SPACES} '’_]")).as_py()
    if not odd:
        return text
    plain = pc.replace_substring(text, "\u2212", "-")
    plain = pc.replace_substring_regex(plain, f"[{SPACES}]", " ")
    grouped = pc.match_substring_regex(plain, r"^[+-]?\d{1,3}(?:[ '’_]\d{3})+(?:\D.*)?$")
    stripped = plain
    for _ in range(2):  # a second time, because matches do not overlap
        stripped = pc.replace_substring_regex(stripped, r"(\d)[ '’_](\d{3})(\D|$)", r"\1\2\3")
        stripped = pc.replace_substring_regex(stripped, r"(\d)[ '’_](\d{3})(\D|$)", r"\1\2\3")
    return pc.if_else(grouped, stripped, plain)


def _units(text: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[str]]:
    """Return the numbers of cells with a unit (null for other cells), and the units."""
    numbers, units = pa.chunked_array([pa.nulls(len(text), pa.string())]), []
    if not pc.any(pc.match_substring_regex(text, r"[^\d.,+\-eE]")).as_py():
        return numbers, []
    for pattern in (WITH_UNIT, WITH_PREFIX):
        parts = pc.extract_regex(text, pattern)
        chunks = parts.chunks if isinstance(parts, pa.ChunkedArray) else [parts]
        number = pa.chunked_array([_field(chunk, "number") for chunk in chunks], pa.string())
        unit = pa.chunked_array([_field(chunk, "unit") for chunk in chunks], pa.string())
        units += [each.strip() for each in pc.unique(unit).drop_null().to_pylist()]
        numbers = pc.coalesce(numbers, number) if len(text) else numbers
    return numbers, units


def _field(chunk: pa.StructArray, name: str) -> pa.Array:
    return pc.struct_field(chunk, name)


def dot_note(text: pa.ChunkedArray, name: str) -> list[str]:
    """Return a note if every dot of a column may also separate thousands."""
    dotted = text.filter(pc.fill_null(pc.match_substring(text, "."), False))
    if not len(dotted) or not pc.all(pc.match_substring_regex(dotted, r"^[+-]?[1-9]\d{0,2}\.\d{3}$")).as_py():
        return []
    return [f"column '{name}': the dot is read as the decimal mark; if it separates thousands, say --decimal ,"]


def mostly_numbers(text: pa.ChunkedArray) -> bool:
    """Whether more than half of the cleaned cells contain numbers, in a sample from the whole column."""
    present = text.drop_null()
    if len(present) == 0:
        return True
    cells = present.take(pa.array(np.arange(0, len(present), max(1, len(present) // SAMPLE)))).to_pylist()
    return 2 * sum(map(looks_like_number, cells)) > len(cells)


def sentinel_note(values: np.ndarray) -> str | None:
    """Return a note if a value such as -999 recurs far outside all others."""
    for sentinel in SENTINELS:
        is_it = values == sentinel
        count = int(is_it.sum())
        if count < 2 or count > 0.5 * len(values):
            continue
        others = values[~is_it & np.isfinite(values)]
        if len(others) == 0:
            continue
        low, high = others.min(), others.max()
        distance = low - sentinel if sentinel < 0 else sentinel - high
        if distance > 3 * max(high - low, 1e-9):
            return (
                f"{sentinel:g} occurs {count} times, far from the rest: if it means missing, say --missing={sentinel:g}"
            )
    return None
