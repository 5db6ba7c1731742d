"""Labelled development series outside the repository, in the folder that ``APE_DEV_DATA`` names.

Each data set is a folder with ``SERIES.npz`` or ``SERIES.csv`` files, ``index.csv`` (columns series, length, text, and
family or category) and ``labels.csv`` (columns series, begin, end; 0-based, half-open).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.evals.cases import Case
from ape.series import load

VARIABLE = "APE_DEV_DATA"
TRAIN_END = {"skab": 400}  # the set's leaderboard trains on these points; the files do not say so


def load_case(data_set: str, name: str) -> Case:
    """Load one series with its labels. The text of the series is the index's description of the measurement."""
    folder = _folder() / data_set
    row = _index(data_set).loc[name]
    path = next(path for suffix in (".npz", ".csv") if (path := folder / f"{name}{suffix}").exists())
    series = load(path, train_end=TRAIN_END.get(data_set), text=str(row["text"]))
    of_rows = np.zeros(len(series.row_points), dtype=bool)
    events = pd.read_csv(folder / "labels.csv")
    for begin, end in events.loc[events["series"] == name, ["begin", "end"]].to_numpy():
        of_rows[begin:end] = True
    labels = of_rows[series.point_rows]
    family = next((str(row[column]) for column in ("family", "category") if column in row), data_set)
    return Case(name, family, series, labels)


def anomalous_series(data_set: str, longest: int | None = None) -> list[str]:
    """Return the names of the series with an anomaly and at most ``longest`` points, in the order of the index."""
    lengths = _index(data_set)["length"]
    anomalous = set(pd.read_csv(_folder() / data_set / "labels.csv")["series"])
    return [
        str(name) for name, length in lengths.items() if name in anomalous and (longest is None or length <= longest)
    ]


def _index(data_set: str) -> pd.DataFrame:
    return pd.read_csv(_folder() / data_set / "index.csv").set_index("series")


def _folder() -> Path:
    folder = os.environ.get(VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        raise InputError(
            f"{VARIABLE} names no folder", folder or "environment", f"set {VARIABLE} to the folder of labelled series"
        )
    return Path(folder)
