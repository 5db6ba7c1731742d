"""Labelled development series outside the repository, in the folder that ``APE_DEV_DATA`` names.

Each data set is a folder with ``SERIES.npz`` or ``SERIES.csv`` files, ``index.csv`` (columns series, length, text, and
family or category), ``labels.csv`` (columns series, begin, end; 0-based, half-open; perhaps root_cause_channels, their
0-based numbers), and perhaps ``manual.txt``, a text
about the plant and its typical failures, the same for all series. The texts of NAB are in ``nab_texts.toml`` here.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.evals.cases import Case
from ape.series import Series, load

VARIABLE = "APE_DEV_DATA"
TRAIN_END = {"skab": 400}  # the set's leaderboard trains on these points; the files do not say so
INDEX, LABELS, MANUAL = "index.csv", "labels.csv", "manual.txt"
CHANNELS = "root_cause_channels"
FAILURES = "Typical failures"  # heading in a manual; what is above it says what was measured
OTHER_PLANT = {"skab": "tep", "tep": "skab"}  # whose failures a wrong text describes
NAB_TEXTS = Path(__file__).with_name("nab_texts.toml")


def load_case(data_set: str, name: str) -> Case:
    """Load one series with its labels.

    The text of the series is the index's description of the measurement, and the manual of its plant if there is one.
    """
    folder = _folder() / data_set
    row = _index(data_set).loc[name]
    path = next((path for suffix in (".npz", ".csv") if (path := folder / f"{name}{suffix}").exists()), None)
    if path is None:
        raise InputError(f"no file of the series '{name}'", str(folder), "add it, or remove its row in index.csv")
    text, other_text = _nab_texts(name) if data_set == "nab" else _texts(data_set, str(row["text"]))
    series = load(path, train_end=TRAIN_END.get(data_set), text=text)
    events = _labels(data_set)
    events = events[events["series"] == name]
    labels = np.zeros(len(series.row_points), dtype=bool)
    for begin, end in events[["begin", "end"]].to_numpy():
        if not 0 <= begin < end <= len(labels):
            what = f"no part of the {len(labels)} rows of '{name}': {begin} to {end}"
            raise InputError(what, str(folder / LABELS), "give 0-based positions, begin before end")
        labels[begin:end] = True
    family = next((str(row[column]) for column in ("family", "category") if column in row), data_set)
    at_fault = _at_fault(events, path, series) if CHANNELS in events and events[CHANNELS].ne("").all() else None
    return Case(name, family, series, labels[series.point_rows], other_text=other_text, at_fault=at_fault)


def _at_fault(events: pd.DataFrame, path: Path, series: Series) -> np.ndarray:
    """Return where each channel is at fault, bool [T, C]; the labels number the channels of the ``.npz`` file."""
    try:
        with np.load(path) as file:
            names = file["channels"].tolist()
    except (OSError, ValueError, KeyError) as error:
        hint = f"give an .npz file with 'channels', or labels without {CHANNELS}"
        raise InputError("it names no channels", str(path), hint) from error
    of_rows = np.zeros((len(series.row_points), series.n_channels), dtype=bool)
    for begin, end, numbers in events[["begin", "end", CHANNELS]].to_numpy():
        places = [int(number) if number.isdecimal() else len(names) for number in numbers.split()]
        if max(places, default=len(names)) >= len(names):
            what = f"no channels of '{path.stem}': {numbers}"
            raise InputError(what, str(path.with_name(LABELS)), f"give numbers from 0 to {len(names) - 1}")
        named = {names[place] for place in places}
        of_rows[begin:end, [channel in named for channel in series.channels]] = True
    return of_rows[series.point_rows]


def _texts(data_set: str, described: str) -> tuple[str, str | None]:
    """Return the text of a series, and the same with another plant's failures in place of its own."""
    path = _folder() / data_set / MANUAL
    if not path.exists():
        return described, None
    measured, own = _manual(data_set)
    about = measured if described == MANUAL else f"{described}\n{measured}"
    other = OTHER_PLANT.get(data_set)
    if other is None or not (_folder() / other / MANUAL).exists():
        return f"{about}\n{own}", None
    return f"{about}\n{own}", f"{about}\n{_manual(other)[1]}"


def _nab_texts(name: str) -> tuple[str, str]:
    """Return the text of a series of NAB, and the same with the failures of the next system in place of its own."""
    systems = tomllib.loads(NAB_TEXTS.read_text(encoding="utf-8"))["systems"]
    own = next((i for i, system in enumerate(systems) if name.startswith(system["series"])), None)
    if own is None:
        raise InputError(f"no text about '{name}'", str(NAB_TEXTS), "add one, or remove the series from index.csv")
    right, other = (
        f"{systems[own]['measured']}\n\n{FAILURES}\n{systems[i % len(systems)]['failures'].strip()}"
        for i in (own, own + 1)
    )
    return right, other


def _manual(data_set: str) -> tuple[str, str]:
    """Return what a manual says about the measurement, and about failures."""
    measured, heading, failures = (_folder() / data_set / MANUAL).read_text(encoding="utf-8").partition(FAILURES)
    return measured.strip(), f"{heading}{failures}".strip()


def anomalous_series(data_set: str, longest: int | None = None) -> list[str]:
    """Return the names of the series with an anomaly and at most ``longest`` points, in the order of the index."""
    lengths = _index(data_set)["length"]
    anomalous = set(_labels(data_set)["series"])
    return [
        str(name) for name, length in lengths.items() if name in anomalous and (longest is None or length <= longest)
    ]


def _index(data_set: str) -> pd.DataFrame:
    index = _table(data_set, INDEX, ["length"], ["series", "text"])
    if index["series"].duplicated().any():
        raise InputError("a series is there twice", str(_folder() / data_set / INDEX), "remove a row")
    if index["series"].str.contains("--").any():  # it separates the parts of a cell's name
        raise InputError("the name of a series has '--'", str(_folder() / data_set / INDEX), "rename it")
    return index.set_index("series")


def _labels(data_set: str) -> pd.DataFrame:
    return _table(data_set, LABELS, ["begin", "end"], ["series"])


def _table(data_set: str, name: str, numbers: list[str], others: list[str]) -> pd.DataFrame:
    """Read a table of texts of a data set, which must have these columns; the first ones are whole numbers."""
    path, columns = _folder() / data_set / name, ", ".join([*others, *numbers])
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if missing := [column for column in others if column not in table]:
            raise KeyError(missing[0])
        return table.assign(**{column: table[column].map(int) for column in numbers})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read it: {error}"[:200], str(path), f"give a CSV file with {columns}") from error


def _folder() -> Path:
    folder = os.environ.get(VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        raise InputError(
            f"{VARIABLE} names no folder", folder or "environment", f"set {VARIABLE} to the folder of labelled series"
        )
    return Path(folder)
