"""Run an experiment: measure its cells in processes, resume after an interruption, write the report."""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ape.core.errors import InputError
from ape.core.extras import require_extra
from ape.core.files import read_json, write_json
from ape.core.validation import validated
from ape.evals.cell_schema import checked_cell
from ape.evals.cells import measure_cell
from ape.evals.experiment import Experiment, cell_names
from ape.evals.report import write_report
from ape.evals.third_party import THIRD_PARTY_PACKAGES
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.runs.jobs import FAILURES, map_jobs, show_progress

RECORD = "experiment.json"
CELLS = "cells"
MEASURED = ("arms", "variants", "generators", "recipes", "weights", "simple")  # what cells of the same name depend on


def run_experiment(experiment: Experiment, out: Path, ucr_folder: Path | None, workers: int, ray: str | None) -> int:
    """Measure all cells that ``out`` does not have yet, write the report, and return how many cells failed.

    Parameters
    ----------
    experiment : Experiment
    out : Path
        Gets ``experiment.json``, a JSON file for each cell in ``cells``, mined banks in ``banks``, and the report.
    ucr_folder : Path, optional
        Folder of the published UCR files.
    workers : int
        Number of processes.
    ray : str, optional
        Address of a Ray cluster to use instead.
    """
    names = cell_names(experiment, ucr_folder)
    if not names:
        raise InputError("nothing to measure", experiment.title, "name systems, and sets with series that short")
    _require_same(out, experiment)
    for folder in experiment.weights.values():
        load_pretrained(folder)  # refuses damaged weights before hours of work
    if experiment.third_party:
        require_extra("eval", THIRD_PARTY_PACKAGES, "the comparison of wrapped detectors", "third_party")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RECORD, TypeAdapter(Experiment).dump_python(experiment, mode="json"))
    work = partial(measure_cell, experiment, out, ucr_folder)
    measured = map_jobs(names, work, out / CELLS, workers, ray, show_progress(len(names)))
    if not measured:
        raise InputError("every cell failed", str(out / CELLS / FAILURES), "fix the errors in this file and rerun")
    cells = [checked_cell(cell, out / CELLS / f"{name}.json") for name, cell in measured.items()]
    _write_report(experiment, out, cells)
    return len(names) - len(measured)


def _require_same(out: Path, experiment: Experiment) -> None:
    """Raise `InputError` if cells of the same names in ``out`` were measured in another way."""
    if not (out / RECORD).exists():
        return
    before = _read_record(out)
    for key in MEASURED:
        if getattr(before, key) != getattr(experiment, key):
            raise InputError(f"this folder has cells of other '{key}'", str(out / RECORD), "give another --out")


def rewrite_report(out: Path) -> None:
    """Write the report of the cells in ``out`` again."""
    experiment = _read_record(out)
    paths = sorted((out / CELLS).glob("*--*.json"))
    if not paths:
        raise InputError("no cells", str(out / CELLS), "run the experiment first: ape eval run")
    place = {name: k for k, name in enumerate(experiment.sets)}
    cells = [checked_cell(read_json(path, "cell"), path) for path in paths]
    cells.sort(key=lambda cell: place.get(cell["about"]["set"], len(place)))
    _write_report(experiment, out, cells)


def _write_report(experiment: Experiment, out: Path, cells: list[dict[str, Any]]) -> None:
    write_report(out, experiment.title, experiment.reference, cells, experiment.differences)
    measured = {row["system"] for cell in cells for row in cell["rows"]}
    for name in dict.fromkeys(chain.from_iterable(experiment.differences)):
        if name not in measured:
            sys.stderr.write(f"note: no cell has the system '{name}', which 'differences' names\n")


def _read_record(out: Path) -> Experiment:
    obj = read_json(out / RECORD, "experiment")
    return validated(Experiment, obj, "not an experiment", out / RECORD, "run it again: ape eval run")
