"""Damaged files in many dialects: no traceback, and no value that was not written.

Each file has one defect, or two. `KEEPING` defects leave every value readable: such a file is read right, not refused.
`BREAKING` ones may be refused. Where characters change, a few values may change with them.
"""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import load

ROWS = 260
FILES = 1_200
DIALECTS = [
    (",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", "."), ("|", ","), (" ", "."), (",", ","),
]  # fmt: skip
FORMATS = [
    "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S+02:00", "%Y%m%d%H%M%S", "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p", "%Y-%m-%dT%H:%M:%S.%fZ", "%d-%b-%Y %H:%M:%S", "seconds", "milliseconds", None,
]  # fmt: skip
WITHOUT_SPACE = ["%Y-%m-%dT%H:%M:%S+02:00", "%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%S.%fZ", "seconds", None]
TIMES = pd.date_range("2024-01-20", periods=ROWS, freq="30min")
KEEPING = (
    "nothing", "drop rows", "drop a block", "repeat rows", "swap rows", "reverse", "missing words", "blank lines",
    "comments", "trailing separator", "byte order mark", "utf-16", "utf-16 without mark", "units", "text column",
    "label column", "cut between rows", "index column", "named index", "row names", "preamble", "spaces", "quotes",
    "quoted header", "carriage returns", "no line end", "row of units", "plus signs", "thousands", "empty column",
    "gzip", "sep line", "total below", "latin-1", "commented header", "repeat the header", "drop the header",
)  # fmt: skip
BREAKING = (
    "stray text", "long row", "short row", "cut anywhere", "flip bytes", "change characters", "zero bytes",
)  # fmt: skip
CHANGED = {"flip bytes": 3, "change characters": 3, "cut anywhere": 1}  # values that the defect itself may change
# The file is ambiguous with both, or one undoes the other.
EXCLUSIVE = (
    {"utf-16", "utf-16 without mark", "byte order mark", "latin-1", "flip bytes", "zero bytes", "gzip", "cut anywhere"},
    {"spaces", "quotes", "thousands", "units", "plus signs", "row names"},
    {"index column", "named index", "row names", "drop the header", "commented header", "quoted header"},
    {"row names", "drop the header", "commented header", "quoted header", "row of units"},
    {"index column", "row of units"},
    {"named index", "row of units"},
    {"preamble", "sep line", "commented header", "row names", "drop the header"},
    {"swap rows", "reverse", "index column", "named index"},
    {"repeat rows", "index column", "named index"},
    {"trailing separator", "row names", "empty column"},
    {"drop the header", "repeat the header", "label column"},
)  # fmt: skip


@dataclass
class File:
    """A file as it was written: the values of its rows, and what may be read."""

    content: bytes
    values: np.ndarray
    order: list[int]
    missing: set[int]
    form: str | None
    defects: set[str]


def time_text(time, form):
    if form == "seconds":
        return str(time.value // 10**9)
    return str(time.value // 10**6) if form == "milliseconds" else time.strftime(form)


def possible(defects, separator, decimal, form):
    """Whether a file with these defects has one meaning."""
    if any(len(defects & group) > 1 for group in EXCLUSIVE):
        return False
    if form is None and defects & {"swap rows", "reverse", "blank lines", "drop a block"}:
        return False
    if separator == " " and defects & {
        "trailing separator", "spaces", "units", "empty column", "missing words", "row of units", "short row",
        "total below", "sep line", "index column", "thousands",
    }:  # fmt: skip
        return False
    if form is None and decimal == "," and defects & {"drop the header", "commented header"}:
        return False  # one column with decimal commas, or two of integers
    if separator == " " and {"row names", "repeat the header"} <= defects:
        return False  # a row with a blank cell, and spaces do not tell which
    if form is None and {"thousands", "drop the header"} <= defects:
        return False  # one column with separators of thousands, or two
    single = form is None and not defects & {"index column", "named index", "row names", "text column", "label column"}
    return not (single and defects & {"short row", "preamble", "total below", "row of units"})


def written(number):
    """Return a file, the same for the same number."""
    draw = np.random.default_rng(number)
    separator, decimal = DIALECTS[number % len(DIALECTS)]
    every = [*KEEPING, *BREAKING]
    while True:
        form = draw.choice(np.array(WITHOUT_SPACE if separator == " " else FORMATS, dtype=object))
        defects = {every[number % len(every)], *draw.choice(KEEPING, int(draw.integers(2))).tolist()}
        if possible(defects, separator, decimal, form):
            break
        number = number if len(defects) > 1 else number + 1
    level = 5000 if "thousands" in defects else draw.choice([0, 100, 5000])
    values = np.round(np.sin(np.arange(ROWS) / 6) * 40 + draw.normal(size=ROWS) + level, 2)
    number_form = ",.2f" if "thousands" in defects else "+.2f" if "plus signs" in defects else ".2f"
    swap = str.maketrans(",.", ".," if decimal == "," else ",.")
    cells = [format(value, number_form).translate(swap) for value in values]
    rows = [[*([time_text(time, form)] if form else []), cell] for time, cell in zip(TIMES, cells, strict=True)]
    content, order, missing = damaged(draw, defects, separator, rows, [*(["time"] if form else []), "value"])
    return File(content, values, order, missing, form, defects)


def damaged(draw, defects, separator, rows, header):
    """Return the bytes of the damaged file, the order of its rows, and the rows whose value is missing."""
    order, missing = list(range(ROWS)), set()
    units = [*[""] * (len(header) - 1), "mbar"]
    if "drop rows" in defects:
        gone = set(draw.choice(np.arange(2, ROWS - 2), 5, replace=False).tolist())
        order = [k for k in order if k not in gone]
    if "drop a block" in defects:
        first = int(draw.integers(20, 150))
        order = [k for k in order if not first <= k < first + 40]
    if "repeat rows" in defects:
        order = sorted([*order, *draw.choice(order, 4, replace=False).tolist()])
    if "swap rows" in defects:
        a, b = draw.choice(len(order), 2, replace=False)
        order[a], order[b] = order[b], order[a]
    if "reverse" in defects:
        order = order[::-1]
    if "missing words" in defects:
        missing = set(draw.choice(ROWS, 6, replace=False).tolist())
        for k in missing:
            rows[k][-1] = str(draw.choice(["-", "NULL", "NaN", "n/a"] if len(header) == 1 else ["", "NULL", "n/a"]))
    if "units" in defects:
        for row in rows:
            row[-1] += " mbar"
    if "stray text" in defects:
        rows[int(draw.integers(ROWS))][-1] = "oops"
    for defect, name, cell in (
        ("text column", "Übergang" if "latin-1" in defects else "state", lambda k: "RUN"),
        ("label column", "is_anomaly", lambda k: str(int(k > 200))),
        ("empty column", "spare", lambda k: ""),
    ):
        if defect in defects:
            header, units = [*header, name], [*units, ""]
            rows = [[*row, cell(k)] for k, row in enumerate(rows)]
    if defects & {"index column", "named index", "row names"}:
        names = [] if "row names" in defects else ["" if "index column" in defects else "index"]
        header, units = [*names, *header], ["", *units]
        rows = [[str(k + ("row names" in defects)), *row] for k, row in enumerate(rows)]
    if "spaces" in defects:
        rows = [[f" {cell} " for cell in row] for row in rows]
    if "long row" in defects:
        rows[int(draw.integers(ROWS))].append("17")
    if "short row" in defects:
        k = int(draw.integers(ROWS))
        last = len(rows[k]) - 1
        rows[k] = rows[k][:last]
        if not defects & {"text column", "label column", "empty column"}:
            missing = {*missing, k}
    quoted = "quotes" in defects
    rows = [
        [f'"{cell}"' if quoted or (cell.count(separator) and separator != " ") else cell for cell in row]
        for row in rows
    ]
    end = separator if "trailing separator" in defects else ""
    lines = [separator.join(rows[k]) + end for k in order]
    if "cut between rows" in defects:
        lines = lines[: int(draw.integers(min(200, len(lines) - 5), len(lines)))]
        order = order[: len(lines)]
    head = [separator.join(f'"{name}"' for name in header) if "quoted header" in defects else separator.join(header)]
    head[0] = ("# " if "commented header" in defects else "") + head[0] + end
    if "blank lines" in defects:
        lines.insert(int(draw.integers(len(lines))), "")
    if "comments" in defects:
        lines.insert(int(draw.integers(len(lines))), "# a pause")
    if "repeat the header" in defects:
        lines.insert(int(draw.integers(1, len(lines))), head[0])
    if "drop the header" in defects:
        head = []
    if "row of units" in defects:
        head.append(separator.join(units) + end)
    if "preamble" in defects:
        head = ["Logger 7", "exported today", "", *head]
    if "sep line" in defects:
        head = [f"sep={separator}", *head]
    if "total below" in defects:
        lines.append(separator.join(["Total", *[""] * (len(header) - 2), "17"]) + end)
    line_end = "\r\n" if "carriage returns" in defects else "\n"
    text = line_end.join([*head, *lines]) + ("" if "no line end" in defects else line_end)
    encodings = {"byte order mark": "utf-8-sig", "utf-16": "utf-16", "utf-16 without mark": "utf-16-le"}
    encoding = next((encodings[each] for each in defects & set(encodings)), "latin-1" if "latin-1" in defects else None)
    return changed(draw, text.encode(encoding or "utf-8"), defects), order, missing


def changed(draw, content, defects):
    """Return the content with the defects of its bytes."""
    if "cut anywhere" in defects:
        content = content[: int(draw.integers(3 * len(content) // 4, len(content)))]
    if "zero bytes" in defects:
        at = int(draw.integers(len(content)))
        content = content[:at] + b"\0\0" + content[at:]
    for defect, characters in (("flip bytes", None), ("change characters", b"0123456789.,;:- \n")):
        if defect in defects:
            array = bytearray(content)
            for at in draw.integers(len(content), size=3):
                array[at] = int(draw.integers(256)) if characters is None else int(draw.choice(list(characters)))
            content = bytes(array)
    return gzip.compress(content) if "gzip" in defects else content


def wrong_values(series, file):
    """Return how many points have a value that was not written for them."""
    at = np.unique(series.row_points)
    read = series.exact[at, 0]
    if series.n_channels != 1:
        return len(read)
    if file.form is None:
        expected = file.values[file.order]
        if file.defects & {"cut anywhere", "zero bytes"}:
            expected = expected[: len(read)]
        if len(read) != len(expected):
            return abs(len(read) - len(expected))
        keep = np.array([k not in file.missing for k in file.order])[: len(read)]
    else:
        if series.clock is None:
            return len(read)
        where = np.searchsorted(TIMES.to_numpy(), series.clock[at].astype("datetime64[ns]"))
        where = np.minimum(where, ROWS - 1)
        known = TIMES.to_numpy()[where] == series.clock[at]
        if not known.all() and not file.defects & set(CHANGED):
            return len(read)
        expected = np.where(known, file.values[where], np.inf)
        keep = np.array([k not in file.missing for k in where])
    return int((np.abs(read - expected)[keep] > 2e-3).sum())


def outcome(folder, number):
    """Return what became of a file: right, wrong, refused or traceback; with its defects and the text."""
    file = written(number)
    path = folder / ("series.csv.gz" if "gzip" in file.defects else "series.csv")
    path.write_bytes(file.content)
    try:
        series = load(path)
    except InputError as error:
        return file.defects, "refused" if "\n" not in str(error) else "traceback", str(error)
    except Exception as error:
        return file.defects, "traceback", repr(error)
    wrong = wrong_values(series, file) - max(CHANGED.get(defect, 0) for defect in file.defects)
    return file.defects, "wrong" if wrong > 0 else "right", f"{file.form}: {wrong} wrong; {series.notes}"


@pytest.mark.extended
def test_damaged_files_are_read_right_or_refused(tmp_path):
    outcomes = [(number, *outcome(tmp_path, number)) for number in range(FILES)]
    assert [each for each in outcomes if each[2] in ("wrong", "traceback")] == []
    assert [each for each in outcomes if each[2] == "refused" and not each[1] & set(BREAKING)] == []
    right = Counter(defect for _, defects, what, _ in outcomes if what == "right" for defect in defects)
    assert set(right) >= set(KEEPING)
