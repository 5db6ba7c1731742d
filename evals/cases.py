"""Labelled series of any set, by name: the published UCR archive, sets in ``APE_DEV_DATA``, TimeAnomaly-Bench."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ape.core.errors import InputError
from ape.evals.contamination import pseudo
from ape.evals.devdata import Labelled, anomalous, index, labelled
from ape.evals.fidelity import oracle_bank
from ape.evals.timeanomalybench import SCENARIOS, make
from ape.evals.timeanomalybench.texts import written
from ape.rules import Context, RuleBank
from ape.series import from_array, load

# number, name, end of training, and first and last anomalous position, counted from 0
PUBLISHED = re.compile(r"(\d+)_UCR_Anomaly_(.+)_(\d+)_(\d+)_(\d+)\.txt")
# Recordings to tune on, with all series cut from them; the other half is for confirmation.
TUNING = ("ECG", "InternalBleeding", "CIMIS44AirTemperature", "TkeepFifthMARS", "resperation", "qtdbSel1005V")
CONTAMINATED = "ucr contaminated "  # and how many % of the training points are pseudo-anomalous
SETS = ("ucr", "nab", "asd", "skab", "bench", *(f"{CONTAMINATED}{percent}" for percent in (1, 5, 10)))
BENCH_FAULTS, BENCH_EVENTS = 1, 3  # of a scenario, and of a fault

Oracle = Callable[[Context], RuleBank]


@dataclass(frozen=True)
class Case:
    """A labelled series, and where its faults are simulated, a bank written from the truth."""

    labelled: Labelled
    oracle: Oracle | None = None


def names(data_set: str, folder: Path | None = None, longest: int | None = None) -> list[str]:
    """Names of a set's series that hold an anomaly, those of at most ``longest`` points.

    Parameters
    ----------
    data_set : str
        One of `SETS`.
    folder : Path, optional
        Of the published UCR files, from whose names this module alone reads the labels.
    longest : int, optional
    """
    if data_set == "bench":
        return [f"{name}.{fault.name}" for name, s in SCENARIOS.items() for fault in s.faults[:BENCH_FAULTS]]
    if data_set.startswith(CONTAMINATED):
        return names("ucr", folder, longest)
    if data_set == "ucr" and folder is not None:
        found = _published(folder)
        return [name for name, (path, _) in found.items() if longest is None or load(path).length <= longest]
    lengths = index(data_set)["length"]
    return [name for name in anomalous(data_set) if longest is None or lengths[name] <= longest]


def case(data_set: str, name: str, folder: Path | None = None) -> Case:
    """One of them."""
    if data_set == "bench":
        return _simulated(name)
    if data_set.startswith(CONTAMINATED):
        clean = case("ucr", name, folder).labelled
        planted = pseudo(clean, float(data_set.removeprefix(CONTAMINATED)) / 100)
        return Case(replace(clean, series=planted.series))
    if data_set == "ucr" and folder is not None:
        path, (_, family, _, first, last) = _published(folder)[name]
        series = load(path)
        labels = np.zeros(series.length, dtype=bool)
        labels[int(first) : int(last) + 1] = True
        return Case(Labelled(name, family, series, labels))
    return Case(labelled(data_set, name))


def recording(name: str) -> str:
    """What a series was cut from: its name without number, added noise or distortion, and running number.

    On TimeAnomaly-Bench it is the scenario, whose faults share a process.
    """
    return clean(name.partition(".")[0]).rstrip("0123456789")


def tuned_on(name: str) -> bool:
    """Whether the default recipe was chosen on the UCR recording that a series was cut from."""
    return clean(name).startswith(TUNING)


def clean(name: str) -> str:
    """Name of a series without its number and the word for added noise or distortion."""
    return re.sub(r"^\d+_(DISTORTED|NOISE)?", "", name)


def _published(folder: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Files of the archive by name, with the parts of their names."""
    parts = {path: match.groups() for path in sorted(folder.glob("*.txt")) if (match := PUBLISHED.fullmatch(path.name))}
    if not parts:
        raise InputError("no published UCR files", str(folder), "give the folder with '*_UCR_Anomaly_*.txt'")
    return {f"{part[0]}_{part[1]}": (path, part) for path, part in parts.items()}


def _simulated(name: str) -> Case:
    """A run of TimeAnomaly-Bench with its scenario's manual for a text."""
    scenario = SCENARIOS[name.partition(".")[0]]
    run = make(scenario, name.partition(".")[2], seed=0, events=BENCH_EVENTS)
    texts = written(scenario.texts, len(run.values) * scenario.step, 0)
    text = f"{texts['measured']}\n{texts['manual']}"
    series = from_array(run.values, list(scenario.units), run.train_end, name=name, text=text)
    return Case(Labelled(name, scenario.name, series, run.labels), partial(oracle_bank, run))
