"""How numbers are written in cells: signs, groups of thousands, units, exponents."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.rewriting import Rewriting

SPACES = "\u00a0\u2007\u2009\u202f"  # that separate thousands, beside the plain space
MINUS = "\u2010\u2011\u2012\u2013\u2212"  # other characters for the minus sign
CURRENCY = "$£¥฿\u20a0-\u20c0"  # a range of signs, for use in brackets
BODY = r"[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?"
# Begins with a letter or a sign such as % and °; its digits are exponents, as in m3/h.
UNIT = r"[^\d\s.,+\-:;|/\\'\"#()\[\]=_<>~≈≤≥·*^&!?@xX][^\s\d,;:|\"=]{0,8}[1-4]?[^\s\d,;:|\"=]{0,8}"
WITHOUT_UNIT = rf"^(?P<number>{BODY})$"
WITH_UNIT = rf"^(?P<number>{BODY})\s*(?P<unit>{UNIT}|\[{UNIT}\]|\({UNIT}\))$"
PREFIX = rf"(?:[A-Z]{{0,3}}[{CURRENCY}]|[A-Z]{{3}} )"  # as in $5, R$ 5, US$ 5, EUR 5
WITH_PREFIX = rf"^(?P<unit>{PREFIX})\s*(?P<number>{BODY})$"
# Groups of thousands, not by commas or dots.
GROUPS = rf"^(?:{PREFIX}\s*)?[+-]?\d{{1,3}}(?:[ '’_]\d{{3}})+(?:[.,]\d*)?(?:\s*[^\d\s].*)?$"
# What is written in several ways, and the plain way.
REWRITING = Rewriting(
    odd=rf"[{MINUS}{SPACES} '’_(dD]|^-[A-Z{CURRENCY}]|-$",
    rules=(
        (f"[{SPACES}]", " "),
        (rf"^[{MINUS}]\s*([\d.,{CURRENCY}])", r"-\1"),
        (r"^([+-])\s+([\d.,])", r"\1\2"),
        (rf"^-\s*({PREFIX})\s*", r"\1-"),
        (rf"^\(({PREFIX}?)\s*([\d.,][\d.,' ]*)\)$", r"\1-\2"),
        (rf"^({PREFIX})\s*\(([\d.,][\d.,' ]*)\)$", r"\1-\2"),
        (r"^(\d[\d.,' ]*)-$", r"-\1"),
        (r"([\d.,])[dD]([+-]?\d{1,3})$", r"\1e\2"),
    ),
)
BETWEEN_GROUPS = (r"(\d)[ '’_](\d)", r"\1\2")
TRUTH = {"true": "1", "false": "0"}
INFINITE = ("inf", "-inf", "+inf", "infinity", "-infinity", "+infinity")
SAMPLE = 200  # cells


def grouped(mark: str) -> str:
    """Return the pattern of numbers with groups of thousands; groups have three digits, or two in India."""
    other = "," if mark == "." else "."
    return rf"^[+-]?[1-9]\d{{0,2}}(?:\{mark}\d{{2,3}})*\{mark}\d{{3}}(?:\{other}\d*)?$"


def looks_like_number(cell: str) -> bool:
    """Whether a cell contains one number, possibly with thousands separators or a unit."""
    cell = cell.strip()
    if cell.lower() in (*INFINITE, *TRUTH):
        return True
    cell = REWRITING.cell(cell)
    if re.match(GROUPS, cell):
        cell = re.sub(*BETWEEN_GROUPS, cell)
    for pattern in (WITH_UNIT, WITH_PREFIX, WITHOUT_UNIT):
        if match := re.match(pattern, cell):
            return match["number"].count(".") < 2 or re.match(grouped("."), match["number"]) is not None
    return False


def mostly_numbers(text: pa.ChunkedArray) -> bool:
    """Whether more than half of the cleaned cells contain numbers, in a sample from the whole column."""
    present = text.drop_null()
    if len(present) == 0:
        return True
    cells = present.take(pa.array(np.arange(0, len(present), max(1, len(present) // SAMPLE)))).to_pylist()
    return 2 * sum(map(looks_like_number, cells)) > len(cells)


def plainly_written(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cleaned cells with plain signs and exponents, and without spaces and apostrophes in numbers."""
    if not REWRITING.any_odd(text):
        return text
    text = REWRITING.column(text)
    return pc.if_else(pc.match_substring_regex(text, GROUPS), pc.replace_substring_regex(text, *BETWEEN_GROUPS), text)


def split_units(text: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[str]]:
    """Return the numbers of cells with a unit (null for other cells), and the units."""
    numbers, units = pa.chunked_array([pa.nulls(len(text), pa.string())]), []
    if not pc.any(pc.match_substring_regex(text, r"[^\d.,+\-eE]")).as_py():
        return numbers, []
    for pattern in (WITH_UNIT, WITH_PREFIX):
        parts = fields(text, pattern)
        units += [unit.strip().strip("[]()") for unit in pc.unique(parts["unit"]).drop_null().to_pylist()]
        numbers = pc.coalesce(numbers, parts["number"])
    return numbers, list(dict.fromkeys(units))


def fields(text: pa.ChunkedArray, pattern: str) -> dict[str, pa.ChunkedArray]:
    """Return the named groups of a pattern in each cell; null where it does not match."""
    parts = pc.extract_regex(text, pattern)
    return {
        field.name: pa.chunked_array([pc.struct_field(chunk, field.name) for chunk in parts.chunks], pa.string())
        for field in parts.type
    }
