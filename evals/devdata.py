"""Labelled series for development, outside the project: found through the environment variable ``APE_DEV_DATA``.

The folder holds ``<set>/<series>.npz|csv`` with ``<set>/index.csv`` (series, family or category, text) and
``<set>/labels.csv`` (series, begin, end; 0-based, half-open).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.series import Series, load

VARIABLE = "APE_DEV_DATA"
TRAIN_END = {"skab": 400}  # what a set's own leaderboard trains on, where its files do not say


@dataclass(frozen=True)
class Labelled:
    """One series of a set, and where it is anomalous, bool [T]."""

    name: str
    family: str
    series: Series
    labels: np.ndarray


def dev_data() -> Path:
    """The folder; `InputError` where the variable names none."""
    folder = os.environ.get(VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        raise InputError(
            f"{VARIABLE} names no folder", folder or "environment", f"set {VARIABLE} to the labelled series"
        )
    return Path(folder)


def index(data_set: str) -> pd.DataFrame:
    """The set's ``index.csv``, by series."""
    return pd.read_csv(dev_data() / data_set / "index.csv").set_index("series")


def anomalous(data_set: str) -> list[str]:
    """Names of a set's series that hold an anomaly, in the order of its index."""
    events = pd.read_csv(dev_data() / data_set / "labels.csv")
    return [str(name) for name in index(data_set).index if name in set(events["series"])]


def labelled(data_set: str, name: str) -> Labelled:
    """One series with its labels; its text is what the index says was measured."""
    folder = dev_data() / data_set
    row = index(data_set).loc[name]
    path = next(path for suffix in (".npz", ".csv") if (path := folder / f"{name}{suffix}").exists())
    series = load(path, train_end=TRAIN_END.get(data_set), text=str(row["text"]))
    labels = np.zeros(series.length, dtype=bool)
    events = pd.read_csv(folder / "labels.csv")
    for begin, end in events.loc[events["series"] == name, ["begin", "end"]].to_numpy():
        labels[begin:end] = True
    family = next((str(row[column]) for column in ("family", "category") if column in row), data_set)
    return Labelled(name, family, series, labels)
