"""Run an experiment: measure its cells in processes, resume after an interruption, write the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from ape.core.errors import InputError
from ape.core.files import read_json, write_json
from ape.evals.cells import measure_cell
from ape.evals.experiment import Experiment, cell_names
from ape.evals.report import write_report
from ape.posttrain.discriminator.pretrained import read_card
from ape.runs.jobs import FAILURES, map_jobs, show_progress

RECORD = "experiment.json"
CELLS = "cells"


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
    for folder in experiment.weights.values():
        read_card(folder)  # refuses missing weights before hours of work
    names = cell_names(experiment, ucr_folder)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RECORD, TypeAdapter(Experiment).dump_python(experiment, mode="json"))
    work = partial(measure_cell, experiment, out, ucr_folder)
    results = map_jobs(names, work, out / CELLS, workers, ray, show_progress(len(names)))
    if not results:
        raise InputError("every cell failed", str(out / CELLS / FAILURES), "fix the errors in this file and rerun")
    write_report(out, experiment.title, experiment.reference, list(results.values()), experiment.differences)
    return len(names) - len(results)


def rewrite_report(out: Path) -> None:
    """Write the report of the cells in ``out`` again."""
    record = read_json(out / RECORD, "experiment")
    paths = sorted((out / CELLS).glob("*--*.json"))
    if not paths:
        raise InputError("no cells", str(out / CELLS), "run the experiment first: ape eval run")
    cells = [read_json(path, "cell") for path in paths]
    write_report(out, record["title"], record["reference"], cells, record["differences"])
