"""Choose the decimal mark of each column, from all its cells and those of the other columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.number_cells import grouped, split_units
from ape.series.reading.table import is_text

COMMA_DECIMAL = r"^[+-]?(?:\d{1,3}(?:\.\d{2,3})*\.\d{3}|\d*),\d*(?:[eE][+-]?\d+)?$"
DOT_DECIMAL = r"\.(?:\d{0,2}|\d{4,})(?:\D|$)|^[+-]?0*\.\d"  # not three digits after others, as thousands have
DOT_NUMBER = r"^[+-]?\d*\.(?:\d{1,2}|\d{4,})(?:[eE][+-]?\d+)?$"
THREE_DIGITS = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
DATE = re.compile(r"\s*\d{1,4}[-/]\d{1,2}[-/]\d{1,4}\b")
FEWEST_SMALL = 3  # different numbers without a dot: fewer may be codes, such as those of missing values


@dataclass(frozen=True)
class Marks:
    """How many cells of a column need a comma or a dot to be the decimal mark or a separator of thousands."""

    comma_decimal: int = 0
    comma_group: int = 0
    dot_group: int = 0
    dot_decimal: int = 0
    either: int = 0  # such as 1,500
    small: bool = False  # all numbers without a comma are below 1000, and none has a decimal mark
    dot_either: int = 0  # such as 1.500, if all dots are followed by three digits
    small_beside_dots: bool = False  # numbers without a dot are several integers below 1000

    def __add__(self, other: Marks) -> Marks:
        """Return the sum over columns."""
        return Marks(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def find_marks(text: pa.ChunkedArray) -> Marks:
    """Count what the commas and dots of plainly written cells can mean."""

    def count(cells: pa.ChunkedArray, pattern: str) -> np.ndarray:
        return pc.fill_null(pc.match_substring_regex(cells, pattern), False).to_numpy()

    dot_decimal = int(count(text, DOT_DECIMAL).sum())
    has_comma = pc.fill_null(pc.match_substring(text, ","), False)
    comma = text.filter(has_comma)
    dots = text.filter(pc.fill_null(pc.match_substring_regex(text, r"\..*\."), False))
    if not len(comma) and not len(dots):
        if dot_decimal:
            return Marks(dot_decimal=dot_decimal)
        dotted = pc.fill_null(pc.match_substring(text, "."), False)
        either = _bare(text.filter(dotted))
        if not len(either) or not count(either, THREE_DIGITS).all():
            return Marks()
        bare = _bare(text.filter(pc.invert(dotted)).drop_null())
        small = bool(count(bare, r"^[+-]?(?:0|[1-9]\d{0,2})$").all())
        beside = small and len(pc.unique(bare)) >= FEWEST_SMALL
        return Marks(dot_either=len(either), small_beside_dots=beside)
    comma, dots = _bare(comma), _bare(dots)
    group, decimal = count(comma, grouped(",")), count(comma, COMMA_DECIMAL)
    plain = text.filter(pc.invert(has_comma)).drop_null()
    dot_decimal = int(count(_bare(plain), DOT_NUMBER).sum())
    return Marks(
        comma_decimal=int((decimal & ~group).sum()),
        comma_group=int((group & ~decimal).sum()),
        dot_group=int((count(dots, grouped(".")) & ~count(dots, r",.*\.")).sum()),
        dot_decimal=dot_decimal,
        either=int((group & decimal).sum()),
        small=len(plain) > 0 and bool(count(plain, r"^[+-]?\d{1,3}$").all()),
    )


def _bare(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the numbers of cells without their units."""
    return pc.coalesce(split_units(text)[0], text)


def other_dates(columns: Iterable[pa.ChunkedArray]) -> bool:
    """Whether a column has dates with slashes or hyphens, which say nothing on dots in numbers."""
    return any(is_text(cells) and len(cells) > 0 and DATE.match(cells[0].as_py() or "") for cells in columns)


def choose_decimal(
    marks: Mapping[str, Marks], separator: str | None, given: str | None, where: str, dates: bool = False
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
    dates : bool
        Whether the file has dates with slashes or hyphens.

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
        if mark.comma_decimal and mark.dot_decimal:
            raise InputError(
                f"both decimal marks: {mark.comma_decimal} with a comma, {mark.dot_decimal} with a dot",
                f"{where}, column '{name}'",
                "write the numbers with one of them",
            )
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
        elif mark.dot_either:
            chosen[name], note = _three_digits(name, mark, total, separator, dates, where)
            notes += note
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


def _three_digits(
    name: str, mark: Marks, total: Marks, separator: str | None, dates: bool, where: str
) -> tuple[str, list[str]]:
    """Return the decimal mark of a column with three digits after each dot, and notes.

    Numbers with three decimals have them all, and 950 has none. A file with semicolons has decimal commas more often
    than points, unless its dates are written with other signs than dots.
    """
    if total.dot_decimal:
        return ".", []
    if mark.small_beside_dots:
        return ",", [f"column '{name}': the dot is the separator of thousands"]
    if separator == ",":
        return ".", []
    if separator == ";" and not dates:
        raise InputError(
            "a dot may be the decimal mark or a separator of thousands",
            f"{where}, column '{name}'",
            "say --decimal . or --decimal ,",
        )
    return ".", [f"column '{name}': the dot is read as the decimal mark; if it separates thousands, say --decimal ,"]
