"""Damaged files in many dialects: no traceback, and no value that was not written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import load

ROWS = 260
FILES = 900
DIALECTS = [(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", ".")]
FORMATS = ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S+02:00", "%Y%m%d%H%M%S", None]
TIMES = pd.date_range("2024-01-20", periods=ROWS, freq="30min")
KEEPING = (
    "nothing", "drop rows", "drop a block", "repeat rows", "swap rows", "reverse", "missing words", "blank lines",
    "comments",
    "trailing separator", "byte order mark", "utf-16", "units", "text column", "label column", "cut between rows",
    "index column",
    "preamble", "spaces", "quotes",
)  # fmt: skip
BREAKING = (
    "stray text",
    "long row",
    "short row",
    "cut anywhere",
    "flip bytes",
    "change characters",
    "zero bytes",
    "drop the header",
    "repeat the header",
)


def written(draw, separator, decimal, form):
    """Return the rows of a table as (time, value) and its lines."""
    values = np.round(np.sin(np.arange(ROWS) / 6) * 40 + draw.normal(size=ROWS) + draw.choice([0, 100, 5000]), 2)
    rows = []
    for time, value in zip(TIMES, values, strict=True):
        cell = f"{value:.2f}".replace(".", decimal)
        rows.append([*([time.strftime(form)] if form else []), cell])
    return values, rows


def damaged(draw, defect, separator, form, values, rows):
    """Return the bytes of the damaged file, and the values that may be read by position in the table."""
    header = [*(["time"] if form else []), "value"]
    order = list(range(ROWS))
    encoding, end, before = "utf-8", "", []
    rows = [list(row) for row in rows]
    missing: set[int] = set()
    if defect == "drop rows":
        gone = set(draw.choice(np.arange(2, ROWS - 2), 5, replace=False).tolist())
        order = [k for k in order if k not in gone]
    elif defect == "drop a block":
        first = int(draw.integers(20, 150))
        order = [k for k in order if not first <= k < first + 40]
    elif defect == "repeat rows":
        order = sorted([*order, *draw.choice(ROWS, 4, replace=False).tolist()])
    elif defect == "swap rows" and form:
        a, b = draw.choice(ROWS, 2, replace=False)
        order[a], order[b] = order[b], order[a]
    elif defect == "reverse" and form:
        order = order[::-1]
    elif defect == "missing words":
        missing = set(draw.choice(ROWS, 6, replace=False).tolist())
        for k in missing:
            rows[k][-1] = str(draw.choice(["", "-", "NULL", "NaN", "n/a"]))
    elif defect == "units":
        for row in rows:
            row[-1] += " mbar"
    elif defect == "text column":
        header.append("state")
        for row in rows:
            row.append("RUN")
    elif defect == "label column":
        header.append("is_anomaly")
        for k, row in enumerate(rows):
            row.append(str(int(k > 200)))
    elif defect == "index column":
        header.insert(0, "")
        for k, row in enumerate(rows):
            row.insert(0, str(k))
    elif defect == "spaces":
        rows = [[f" {cell} " for cell in row] for row in rows]
    elif defect == "quotes":
        rows = [[f'"{cell}"' for cell in row] for row in rows]
    elif defect == "trailing separator":
        end = separator
    elif defect == "byte order mark":
        encoding = "utf-8-sig"
    elif defect == "utf-16":
        encoding = "utf-16"
    elif defect == "preamble":
        before = ["Logger 7", "exported today", ""]
    elif defect == "stray text":
        rows[int(draw.integers(ROWS))][-1] = "oops"
    elif defect == "long row":
        rows[int(draw.integers(ROWS))].append("17")
    elif defect == "short row":
        k = int(draw.integers(ROWS))
        rows[k] = rows[k][:-1]
        missing = {k}
    if form is None and (defect in ("drop rows", "drop a block", "repeat rows")):
        pass  # without times, the rows are what they are
    lines = [separator.join(rows[k]) + end for k in order]
    head = [*before, separator.join(header) + end]
    if defect == "blank lines" and form:
        lines.insert(int(draw.integers(len(lines))), "")
    elif defect == "comments":
        lines.insert(int(draw.integers(len(lines))), "# a pause")
    elif defect == "cut between rows":
        lines = lines[: int(draw.integers(140, len(lines)))]
        order = order[: len(lines)]
    elif defect == "drop the header":
        head = head[:-1]
    elif defect == "repeat the header":
        lines.insert(int(draw.integers(len(lines))), head[-1])
    content = ("\n".join([*head, *lines]) + "\n").encode(encoding)
    if defect == "cut anywhere":
        content = content[: int(draw.integers(len(content) // 2, len(content)))]
    elif defect == "zero bytes":
        at = int(draw.integers(len(content)))
        content = content[:at] + b"\0\0" + content[at:]
    elif defect == "flip bytes":
        changed = bytearray(content)
        for at in draw.integers(len(content), size=3):
            changed[at] = int(draw.integers(256))
        content = bytes(changed)
    elif defect == "change characters":
        changed = bytearray(content)
        for at in draw.integers(len(content), size=3):
            changed[at] = ord(draw.choice(list("0123456789.,;:- \n")))
        content = bytes(changed)
    return content, order, missing


def wrong_values(series, form, values, order, missing, defect):
    """Return how many points have a value that was not written for them."""
    at = np.unique(series.row_points)
    read = series.exact[at, 0]
    if series.n_channels != 1:
        return len(read)
    if form is None:
        expected = values[order]
        if defect in ("cut anywhere", "zero bytes"):
            expected = expected[: len(read)]
        if len(read) != len(expected):
            return abs(len(read) - len(expected))
        keep = np.array([k not in missing for k in order])[: len(read)]
    else:
        if series.clock is None:
            return len(read)
        where = np.searchsorted(TIMES.to_numpy(), series.clock[at].astype("datetime64[ns]"))
        where = np.minimum(where, ROWS - 1)
        known = TIMES.to_numpy()[where] == series.clock[at]
        if not known.all() and defect != "change characters":
            return len(read)
        expected = np.where(known, values[where], np.inf)
        keep = np.array([k not in missing for k in where])
    return int((np.abs(read - expected)[keep] > 2e-3).sum())


def outcome(tmp_path, number):
    draw = np.random.default_rng(number)
    separator, decimal = DIALECTS[number % len(DIALECTS)]
    form = FORMATS[int(draw.integers(len(FORMATS)))]
    defects = KEEPING + BREAKING
    defect = defects[number % len(defects)]
    values, rows = written(draw, separator, decimal, form)
    content, order, missing = damaged(draw, defect, separator, form, values, rows)
    path = tmp_path / "series.csv"
    path.write_bytes(content)
    try:
        series = load(path)
    except InputError as error:
        assert "\n" not in str(error)
        return defect, "refused", str(error)
    wrong = wrong_values(series, form, values, order, missing, defect)
    if defect in ("flip bytes", "change characters"):
        wrong = max(0, wrong - 3)  # a changed digit is another number
    if defect == "cut anywhere":
        wrong = max(0, wrong - 1)  # a number that is cut off is another number
    return defect, "wrong" if wrong else "right", f"{separator!r} {decimal!r} {form}: {wrong} wrong; {series.notes}"


@pytest.mark.extended
def test_damaged_files_are_read_right_or_refused(tmp_path):
    outcomes = [(number, *outcome(tmp_path, number)) for number in range(FILES)]
    assert [each for each in outcomes if each[2] == "wrong"] == []
    refused = {defect: text for _, defect, what, text in outcomes if what == "refused" and defect in KEEPING}
    assert refused == {}
    assert {defect for _, defect, what, _ in outcomes if what == "right"} >= set(KEEPING)
