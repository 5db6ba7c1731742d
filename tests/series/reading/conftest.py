"""A wave, tables of it, and how they are written and read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ape.series import ReadOptions, load

T = 300
WAVE = np.round(np.sin(np.arange(T) / 7) + 0.01 * np.cos(np.arange(T)), 4)
TIMES = pd.date_range("2024-02-01", periods=T, freq="5min")


def point(value: float) -> str:
    return f"{value:.4f}"


def comma(value: float) -> str:
    return f"{value:.4f}".replace(".", ",")


def table(header, cell, separator=",", times=TIMES, values=WAVE, end="", time=str):
    rows = [f"{time(t)}{separator}{cell(v)}{end}" for t, v in zip(times, values, strict=True)]
    return "\n".join([*header, *rows]) + "\n"


def read(tmp_path, content, name="series.csv", column=None, train_end=None, **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(path, column=column, train_end=train_end, options=ReadOptions(**options))


def join_columns(header, *columns, separator=","):
    rows = (separator.join(map(str, cells)) for cells in zip(*columns, strict=True))
    return "\n".join([*header, *rows]) + "\n"


def put(cells, row, cell):
    return [cell if k == row else each for k, each in enumerate(cells)]
