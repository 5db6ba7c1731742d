"""Data sets of labelled series by name: UCR, NAB, ASD, SKAB, TEP and TimeAnomaly-Bench.

UCR series come from the published files if their folder is given, else from the development data (`ape.evals.devdata`).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from ape.core.errors import InputError
from ape.evals import devdata
from ape.evals.cases import Case, is_tuning, recording
from ape.evals.oracle import oracle_bank
from ape.evals.timeanomalybench import SCENARIOS, make
from ape.evals.timeanomalybench.texts import draw_texts
from ape.evals.variants import VARIANTS
from ape.series import from_array, load

UCR_HALVES = {"ucr tuning": True, "ucr confirmation": False}  # whether the default recipe was chosen on them
SETS = ("ucr", "nab", "asd", "skab", "tep", "bench", *VARIANTS, *UCR_HALVES)
BENCH_EVENTS = 3  # of the fault of a series
SEPARATE_RUNS = ("asd", "skab", "tep")  # each series is a server or a run of its own
Scenarios = Literal["tuning", "confirmation", "all"]
# number, name, end of the training part, first and last anomalous position (0-based)
PUBLISHED_FILE = re.compile(r"(\d+)_UCR_Anomaly_(.+)_(\d+)_(\d+)_(\d+)\.txt")


def series_names(
    data_set: str,
    ucr_folder: Path | None = None,
    longest: int | None = None,
    faults: int = 1,
    scenarios: Scenarios = "all",
) -> list[str]:
    """Return the names of a data set's series that contain an anomaly.

    Parameters
    ----------
    data_set : str
        One of `SETS`.
    ucr_folder : Path, optional
        Folder of the published UCR files. Their file names contain the labels.
    longest : int, optional
        Leave out series with more points. All series of TimeAnomaly-Bench are included.
    faults : int
        Of each scenario of TimeAnomaly-Bench, at most.
    scenarios : {"tuning", "confirmation", "all"}
        Of TimeAnomaly-Bench.
    """
    if data_set == "bench":
        return [
            f"{name}.{fault.name}"
            for name, scenario in SCENARIOS.items()
            if scenarios in ("all", part("bench", name))
            for fault in scenario.faults[:faults]
        ]
    if data_set in VARIANTS:
        return series_names("ucr", ucr_folder, longest)
    if data_set in UCR_HALVES:
        return [name for name in series_names("ucr", ucr_folder, longest) if is_tuning(name) == UCR_HALVES[data_set]]
    if data_set == "ucr" and ucr_folder is not None:
        files = _published_files(ucr_folder)
        return [name for name, (path, _) in files.items() if longest is None or load(path).length <= longest]
    return devdata.anomalous_series(data_set, longest)


def load_case(data_set: str, name: str, ucr_folder: Path | None = None) -> Case:
    """Load one series of a data set. Parameters are those of `series_names`."""
    if data_set == "bench":
        return _simulated(name)
    if data_set in VARIANTS:
        return VARIANTS[data_set](load_case("ucr", name, ucr_folder))
    if data_set in UCR_HALVES:
        return load_case("ucr", name, ucr_folder)
    if data_set == "ucr" and ucr_folder is not None:
        return _published(name, ucr_folder)
    return devdata.load_case(data_set, name)


def part(data_set: str, name: str) -> str | None:
    """Return "tuning" or "confirmation", for series of UCR and TimeAnomaly-Bench. Nothing is tuned on the second."""
    if data_set == "bench":
        return "confirmation" if SCENARIOS[name.partition(".")[0]].confirmation else "tuning"
    if data_set.startswith("ucr"):
        return "tuning" if is_tuning(name) else "confirmation"
    return None


def group(data_set: str, name: str) -> str:
    """Return what intervals are drawn over: the recording of a series, or the series if it is a run of its own."""
    return name if data_set in SEPARATE_RUNS else recording(name)


def _published(name: str, folder: Path) -> Case:
    path, (_, family, _, first, last) = _published_files(folder)[name]
    series = load(path)
    labels = np.zeros(series.length, dtype=bool)
    labels[int(first) : int(last) + 1] = True
    return Case(name, family, series, labels)


def _published_files(folder: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Return path and parts of the file name of each published file, by series name."""
    parts = {
        path: match.groups() for path in sorted(folder.glob("*.txt")) if (match := PUBLISHED_FILE.fullmatch(path.name))
    }
    if not parts:
        raise InputError("no published UCR files", str(folder), "give the folder with '*_UCR_Anomaly_*.txt'")
    return {f"{part[0]}_{part[1]}": (path, part) for path, part in parts.items()}


def _simulated(name: str) -> Case:
    """Simulate a fault of TimeAnomaly-Bench. The text of the series is the scenario's manual.

    The wrong manual is that of the next scenario of the same part.
    """
    scenario_name, _, fault = name.partition(".")
    scenario = SCENARIOS[scenario_name]
    run = make(scenario, fault, seed=0, events=BENCH_EVENTS)
    peers = [other for other in SCENARIOS if part("bench", other) == part("bench", scenario_name)]
    next_one = SCENARIOS[peers[(peers.index(scenario_name) + 1) % len(peers)]]
    seconds = len(run.values) * scenario.step
    own, other = (draw_texts(each.texts, seconds, 0) for each in (scenario, next_one))
    text, other_text = (f"{own['measured']}\n{texts['manual']}" for texts in (own, other))
    series = from_array(run.values, list(scenario.units), run.train_end, name=scenario_name, text=text)
    oracle, of_all = partial(oracle_bank, [scenario.fault(fault)]), partial(oracle_bank, scenario.faults)
    return Case(name, scenario.name, series, run.labels, oracle, of_all, other_text, run.mask)
