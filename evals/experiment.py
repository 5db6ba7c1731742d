"""Experiments as TOML files: which systems are compared, on which series, with how many seeds.

The files in ``evals/experiments/`` are known by name. Unknown keys and names are refused.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import asdict, fields
from math import inf
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ape import detectors
from ape.core.errors import InputError
from ape.core.validation import validated
from ape.detectors.detector import automatic_window
from ape.evals.arms import ARMS
from ape.evals.datasets import SETS, Scenarios, group, series_names
from ape.evals.methods import METHODS
from ape.evals.simple import SIMPLE
from ape.evals.third_party import THIRD_PARTY
from ape.posttrain import DEFAULT, Recipe
from ape.runs.jobs import NAME, NAME_CHARACTERS
from ape.series import Series

FOLDER = Path(__file__).parent / "experiments"
OWN_NAME = re.compile(rf"(?=.{{1,60}}$){NAME.pattern}")
ALONE = ", rules alone"  # end of the name of a score without the free voice
OURS = "APE"  # name of the system with the score that the acceptance check keeps


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Experiment:
    """What an experiment compares. `ape.evals.cells` says which systems the entries give.

    Parameters
    ----------
    title : str
    sets : list of str
        Data sets, see `ape.evals.datasets`.
    seeds : int
    longest : int, optional
        Leave out series with more points.
    of_each_recording : int, optional
        Series of each recording, at most: the first ones. All by default.
    backbones : list of str
        Backbones with their default options.
    third_party : list of str
        Wrapped detectors of other libraries, see `ape.evals.third_party`. They take series of one channel.
    variants : dict
        Backbones with other options: ``name = { backbone = "...", option = value }``.
    arms : list of str
        Ways to post-train each backbone, variant and wrapped detector, see `ape.evals.arms`.
    generators : list of str
        Methods of other authors whose pseudo-anomalies replace the bank's in post-training.
    recipes : dict
        Changes of the default recipe, trained with the mined bank: ``name = { field = value }``.
    weights : dict
        Folders that ``ape pretrain`` wrote, each used with the mined bank in place of the package's weights:
        ``name = "folder"``.
    methods : list of str
        Methods of other authors, each with its own training and score, see `ape.evals.methods`.
    simple : list of str
        Scores without a network, see `ape.evals.simple`.
    faults : int
        Faults of each scenario of TimeAnomaly-Bench, at most.
    scenarios : {"tuning", "confirmation", "all"}
        Of TimeAnomaly-Bench. Nothing is tuned on those for confirmation.
    reference : str
        The system that all others are compared with.
    differences : list of (str, str)
        Pairs of systems, whose differences the report gives.
    """

    title: str
    sets: list[Literal[SETS]] = Field(min_length=1)  # type: ignore[valid-type]
    seeds: int = Field(default=1, ge=1, le=100)
    longest: int | None = Field(default=None, ge=1)
    of_each_recording: int | None = Field(default=None, ge=1)
    backbones: list[str] = Field(default_factory=list)
    third_party: list[str] = Field(default_factory=list)
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    arms: list[str] = Field(default_factory=lambda: ["mined bank"])
    generators: list[str] = Field(default_factory=list)
    recipes: dict[str, dict[str, int | float | str]] = Field(default_factory=dict)
    weights: dict[str, Path] = Field(default_factory=dict)
    methods: list[str] = Field(default_factory=list)
    simple: list[str] = Field(default_factory=list)
    faults: int = Field(default=1, ge=1)
    scenarios: Scenarios = "all"
    reference: str = f"vae + {OURS}"
    differences: list[tuple[str, str]] = Field(default_factory=list)

    @property
    def trained(self) -> list[str]:
        """Names of the detectors that are post-trained: backbones, variants and wrapped detectors."""
        return [*self.backbones, *self.variants, *self.third_party]

    @property
    def posttrained(self) -> list[str]:
        """Names of the ways to post-train each of them."""
        generators = [f"{name}'s negatives" for name in self.generators]
        return [*self.arms, *generators, *self.weights, *self.recipes]

    def new_detector(self, name: str) -> detectors.WindowedDetector:
        """Return an untrained detector for a backbone or variant."""
        options = dict(self.variants.get(name, {"backbone": name}))
        return detectors.create(options.pop("backbone"), device="cpu", **options)

    def train(self, name: str, series: Series, seed: int) -> detectors.WindowedDetector:
        """Train a backbone, a variant or a wrapped detector on a series."""
        if name in self.third_party:
            if series.n_channels > 1:
                what = f"{name} takes one channel, not {series.n_channels}"
                raise InputError(what, series.name, "leave out 'third_party', or sets with several channels")
            return THIRD_PARTY[name](series, automatic_window(series), seed)
        return self.new_detector(name).fit(series, seed=seed)


def read_experiment(name: str) -> Experiment:
    """Read an experiment by the name of a file in ``evals/experiments/``, or by the path of a TOML file."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.toml")))
        raise InputError("no such experiment", name, f"give a .toml file, or one of: {known}")
    try:
        experiment = TypeAdapter(Experiment).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(first["msg"], f"{path}, {'.'.join(map(str, first['loc']))}", "fix the file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not TOML: {error}", str(path), "fix the file") from error
    _require_known_names(experiment, path)
    _require_own_names(experiment, path)
    for name, options in experiment.variants.items():
        _require_variant(experiment, name, options, f"{path}, variants.{name}")
    for name, changes in experiment.recipes.items():
        _require_recipe(changes, f"{path}, recipes.{name}")
    return experiment


def _require_known_names(experiment: Experiment, path: Path) -> None:
    generators = [name for name, method in METHODS.items() if method.negatives is not None]
    changed = [field for changes in experiment.recipes.values() for field in changes]
    for key, given, known in (
        ("backbones", experiment.backbones, detectors.names()),
        ("third_party", experiment.third_party, list(THIRD_PARTY)),
        ("arms", experiment.arms, list(ARMS)),
        ("methods", experiment.methods, list(METHODS)),
        ("generators", experiment.generators, generators),
        ("simple", experiment.simple, list(SIMPLE)),
        ("recipes", changed, [each.name for each in fields(DEFAULT)]),
    ):
        if unknown := [each for each in given if each not in known]:
            raise InputError(f"no '{unknown[0]}'", f"{path}, {key}", f"use names from: {', '.join(known)}")


def _require_own_names(experiment: Experiment, path: Path) -> None:
    """Raise `InputError` unless each set and system has a name of its own, which can be that of a file."""
    for key, given in (
        ("sets", experiment.sets),
        ("backbones", experiment.trained),
        ("arms", experiment.posttrained),
        ("methods", experiment.methods),
        ("simple", experiment.simple),
    ):
        if twice := [name for name, count in Counter(given).items() if count > 1]:
            raise InputError(f"'{twice[0]}' is there twice", f"{path}, {key}", "give each system a name of its own")
    for name in (*experiment.variants, *experiment.recipes, *experiment.weights):
        if not OWN_NAME.fullmatch(name) or "--" in name or name == OURS or name.endswith(ALONE):
            what = f"'{name[:60]}' cannot be the name of a system"
            raise InputError(what, str(path), f"use up to 60 {NAME_CHARACTERS}, not '--', '{OURS}' or '{ALONE}'")


def _require_recipe(changes: dict[str, int | float | str], where: str) -> None:
    validated(Recipe, asdict(DEFAULT) | changes, "not a recipe", where, "see ape.posttrain.Recipe", root="recipe")
    if wrong := [field for field, value in changes.items() if not isinstance(value, str) and not 0 <= value < inf]:
        raise InputError(f"'{wrong[0]}' is negative or not finite", where, "give a number of at least 0")


def _require_variant(experiment: Experiment, name: str, options: dict[str, Any], where: str) -> None:
    if not isinstance(options.get("backbone"), str):
        raise InputError("it needs 'backbone'", where, f"name the one that it changes: {', '.join(detectors.names())}")
    if fixed := [option for option in ("name", "device") if option in options]:
        raise InputError(f"'{fixed[0]}' cannot be changed", where, "leave it out")
    if not isinstance(options.get("window", 1), int):
        raise InputError("'window' is not a whole number", where, "give samples")
    try:
        experiment.new_detector(name)
    except InputError as error:
        raise InputError(error.what, where, error.hint) from error


def cell_names(experiment: Experiment, ucr_folder: Path | None) -> list[str]:
    """Return the names of all cells, ``SET--KIND--NAME--SERIES--SEED``.

    Cells of one series are neighbours. The first one mines the bank of the series; the others wait for it.
    ``ucr_folder`` contains the published UCR files.
    """
    kinds = [("backbone", name) for name in experiment.trained]
    kinds += [("method", name) for name in experiment.methods]
    kinds += [("simple", "all")] if experiment.simple else []
    return [
        f"{data_set}--{kind}--{name}--{series}--{seed}"
        for seed in range(experiment.seeds)
        for data_set in experiment.sets
        for series in _chosen_series(experiment, data_set, ucr_folder)
        for kind, name in kinds
    ]


def _chosen_series(experiment: Experiment, data_set: str, ucr_folder: Path | None) -> list[str]:
    names = series_names(data_set, ucr_folder, experiment.longest, experiment.faults, experiment.scenarios)
    earlier: Counter[str] = Counter()
    chosen = []
    for name in names:
        recording = group(data_set, name)
        if experiment.of_each_recording is None or earlier[recording] < experiment.of_each_recording:
            chosen.append(name)
        earlier[recording] += 1
    return chosen
