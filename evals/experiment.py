"""Experiments as files: what is compared, on which series, with how many seeds; run cell by cell, so that they go on.

``evals/experiments/NAME.toml`` holds one each; unknown keys and names are refused.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ape.core.errors import InputError
from ape.core.files import write_json
from ape.detectors.registry import BACKBONES
from ape.evals.arms import ARMS
from ape.evals.cases import SETS, names
from ape.evals.cells import measure
from ape.evals.methods import METHODS
from ape.evals.report import write_report
from ape.evals.simple import SIMPLE
from ape.posttrain import DEFAULT
from ape.runs.jobs import FAILURES, Told, map_jobs, show_progress

FOLDER = Path(__file__).parent / "experiments"
RECORD = "experiment.json"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Experiment:
    """What an experiment compares; see `ape.evals.cells` for the names of the systems that come of it.

    Parameters
    ----------
    title : str
    sets : list of str
        See `ape.evals.cases`.
    seeds : int
    longest : int, optional
        Longer series are left out.
    backbones, arms, generators, methods, simple : list of str
        Backbones, what is done to each by our engine, whose pseudo-anomalies our engine gets, methods of others as they
        are, and what needs no network.
    recipes : dict
        Changes of the default recipe, by the name of the system that comes of it; with the mined bank.
    reference : str
        The system that all others are compared with.
    """

    title: str
    sets: list[Literal[SETS]]  # type: ignore[valid-type]
    seeds: int = Field(default=1, ge=1, le=100)
    longest: int | None = None
    backbones: list[str] = Field(default_factory=list)
    arms: list[str] = Field(default_factory=lambda: ["mined bank"])
    generators: list[str] = Field(default_factory=list)
    recipes: dict[str, dict[str, int | float]] = Field(default_factory=dict)
    methods: list[str] = Field(default_factory=list)
    simple: list[str] = Field(default_factory=list)
    reference: str = "vae + APE"


def read_experiment(name: str) -> Experiment:
    """An experiment by the name of one that comes with the project, or by its file."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.toml")))
        raise InputError("no such experiment", name, f"give a .toml file, or one of: {known}")
    try:
        found = TypeAdapter(Experiment).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not TOML: {error}", str(path), "fix the file") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(first["msg"], f"{path}, {'.'.join(map(str, first['loc']))}", "fix the file") from error
    _known(found, path)
    return found


def _known(experiment: Experiment, path: Path) -> None:
    """Refuse names that there are not."""
    generators = [name for name, method in METHODS.items() if method.negatives is not None]
    changed = [field for changes in experiment.recipes.values() for field in changes]
    for field, given, there in (
        ("backbones", experiment.backbones, list(BACKBONES)),
        ("arms", experiment.arms, list(ARMS)),
        ("methods", experiment.methods, list(METHODS)),
        ("generators", experiment.generators, generators),
        ("simple", experiment.simple, list(SIMPLE)),
        ("recipes", changed, [each.name for each in fields(DEFAULT)]),
    ):
        if strange := [each for each in given if each not in there]:
            raise InputError(f"no '{strange[0]}'", f"{path}, {field}", f"take some of: {', '.join(there)}")


def cells(experiment: Experiment, folder: Path | None) -> list[str]:
    """Names of the experiment's cells; those of one series stand together, so that its bank is mined once."""
    kinds = [("backbone", name) for name in experiment.backbones]
    kinds += [("method", name) for name in experiment.methods]
    kinds += [("simple", "all")] if experiment.simple else []
    return [
        f"{data_set}--{kind}--{name}--{series}--{seed}"
        for seed in range(experiment.seeds)
        for data_set in experiment.sets
        for series in names(data_set, folder, experiment.longest)
        for kind, name in kinds
    ]


def run_experiment(
    experiment: Experiment, out: Path, folder: Path | None, workers: int, ray: str | None, told: Told | None = None
) -> int:
    """Measure all cells that are not in ``out`` yet, then write the report; how many failed."""
    jobs = cells(experiment, folder)
    work = partial(measure, experiment, out, folder)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RECORD, TypeAdapter(Experiment).dump_python(experiment))
    done = map_jobs(jobs, work, out / "cells", workers, ray, told or show_progress(len(jobs)))
    if not done:
        raise InputError("every cell failed", str(out / "cells" / FAILURES), "fix what it says, call again")
    write_report(out, experiment.title, experiment.reference, list(done.values()))
    return len(jobs) - len(done)
