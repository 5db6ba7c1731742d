"""A table that is written in a random dialect reads as what was written."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.series import load

ROWS = 140
TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S+01:00", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%m/%d/%Y %I:%M:%S %p", "%d-%b-%Y %H:%M:%S", None,
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1")


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    separator: str
    decimal: str
    thousands: str
    time_format: str | None
    encoding: str
    line_end: str
    header: bool
    comment: bool
    trailing: bool
    compressed: bool
    unit: str

    @property
    def quote(self) -> str:
        return '"' if self.separator in (self.decimal, self.thousands) else ""


@st.composite
def dialects(draw):
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = draw(st.sampled_from([".", ","]))
    header = draw(st.booleans())
    return Dialect(
        separator=separator,
        decimal=decimal,
        thousands=draw(st.sampled_from(["", "." if decimal == "," else ",", "'"])),
        time_format=draw(st.sampled_from(TIME_FORMATS)),
        encoding=draw(st.sampled_from(ENCODINGS)),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
        header=header,
        comment=draw(st.booleans()),
        trailing=header and draw(st.booleans()),
        compressed=draw(st.booleans()),
        unit=draw(st.sampled_from(["", " %", "°C", " kW"])),
    )


def number(value: float, dialect: Dialect) -> str:
    text = f"{value:,.3f}" if dialect.thousands else f"{value:.3f}"
    text = text.replace(",", "T").replace(".", dialect.decimal).replace("T", dialect.thousands)
    return f"{dialect.quote}{text}{dialect.unit}{dialect.quote}"


def write(values, times, dialect: Dialect) -> bytes:
    lines = ["# written by a test"] if dialect.comment else []
    end = dialect.separator if dialect.trailing else ""
    names = ["höhe", "flow"][: values.shape[1]]
    if dialect.header:
        lines.append(dialect.separator.join((["Zeit"] if dialect.time_format else []) + names) + end)
    for time, row in zip(times, values, strict=True):
        cells = [time.strftime(dialect.time_format)] if dialect.time_format else []
        lines.append(dialect.separator.join([*cells, *(number(value, dialect) for value in row)]) + end)
    content = (dialect.line_end.join(lines) + dialect.line_end).encode(dialect.encoding)
    return gzip.compress(content) if dialect.compressed else content


@settings(max_examples=150)
@given(
    dialect=dialects(),
    channels=st.integers(1, 2),
    level=st.sampled_from([0.0, 3.0, 950.0, 12_345.0]),
    start=st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2060-01-01")),
    step=st.sampled_from(["1min", "15min", "1h", "6h"]),
    seed=st.integers(0, 1000),
)
def test_what_was_written_is_read(tmp_path_factory, dialect, channels, level, start, step, seed):
    times = pd.date_range(pd.Timestamp(start).floor("s"), periods=ROWS, freq=step)
    wave = np.sin(np.arange(ROWS)[:, None] / 5 + np.arange(channels)) * 60 + level
    values = np.round(wave + np.random.default_rng(seed).normal(size=(ROWS, channels)), 3)
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_bytes(write(values, times, dialect))
    try:
        series = load(path)
    except ValueError as error:
        # the only files that may be refused are ambiguous, and the message says what to do
        assert any(hint in str(error) for hint in ("--decimal", "--dayfirst", "cells for", "numbers in quotes")), error
        return
    np.testing.assert_allclose(series.exact, values, atol=1e-3 + 1e-6 * level)
    if dialect.time_format is None:
        assert series.timestamps is None
    else:
        assert (series.clock == times.to_numpy()).all()
