"""One cell of an experiment: a backbone, a method or what is simple, on one series, for one seed.

Every score is of the whole series, by the same windows at the same overlap, and judged on the part after ``train_end``
(all of it where there is none). Nothing is chosen by a label.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ape import detectors
from ape.detectors.detector import automatic_window
from ape.evals.arms import scene_of
from ape.evals.cases import Case, case, recording
from ape.evals.methods import METHODS, Method, running
from ape.evals.posttraining import judged, scores_of
from ape.evals.report import OURS
from ape.evals.simple import SIMPLE
from ape.posttrain import DEFAULT, Negatives
from ape.posttrain.acceptance import Kept
from ape.runs.folder import versions
from ape.series import Series

if TYPE_CHECKING:
    from ape.evals.experiment import Experiment

FREE = ("error", "mahalanobis", "nearest", "without heads")  # scores that no post-training goes into


@dataclass(frozen=True)
class Measured:
    """A system's score of a whole series, float [T], what it took, and what the acceptance kept of it."""

    score: np.ndarray
    seconds: float
    kept: Kept | None = None


def measure(experiment: Experiment, out: Path, folder: Path | None, job: str) -> dict[str, Any]:
    """Rows of one cell, one a system, and what it was measured with; ``job`` is ``SET--KIND--NAME--SERIES--SEED``."""
    data_set, kind, name, series_name, seed = job.split("--")
    found = case(data_set, series_name, folder)
    series, labels = found.labelled.series, found.labelled.labels
    window = automatic_window(series.train)  # the backbones' default, which all systems get
    if kind == "simple":
        measured = {each: _timed(partial(SIMPLE[each], series, window, int(seed))) for each in experiment.simple}
    elif kind == "method":
        method = METHODS[name]
        measured = {f"{name} ({method.claim})": _timed(partial(running.score, method, series, window, int(seed)))}
    else:
        measured = _backbone(name, found, out / "banks" / data_set, int(seed), experiment)
    test = slice(series.train_end, None)
    figures = judged(labels[test], {system: each.score[test] for system, each in measured.items()})
    rows = [{"system": system, **figures[system], "kept": each.kept} for system, each in measured.items()]
    seconds = {system: round(each.seconds, 2) for system, each in measured.items()}
    about = {
        "set": data_set,
        "kind": kind,
        "series": series_name,
        "recording": recording(series_name),
        "family": found.labelled.family,
        "seed": int(seed),
        "window": window,
        "points": series.length,
        "channels": series.n_channels,
        "train_end": series.train_end,
        "fingerprint": series.fingerprint,
    }
    return {"rows": rows, "seconds": seconds, "about": about, "hardware": hardware(), "versions": versions()}


def hardware() -> dict[str, Any]:
    """What a cell was measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"machine": platform.machine(), "cpus": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}


def in_our_engine(method: Method, series: Series) -> Negatives:
    """A method's negatives for windows in data units."""
    assert method.negatives is not None
    make = method.negatives
    shift = torch.from_numpy(series.train.mean(axis=0))[:, None].float()
    scale = torch.from_numpy(np.maximum(series.train.std(axis=0), 1e-8))[:, None].float()
    return lambda hosts, generator, starts: make((hosts - shift) / scale, generator, starts) * scale + shift


def _timed(score: Callable[[], np.ndarray]) -> Measured:
    began = time.perf_counter()
    found = score()
    return Measured(found, time.perf_counter() - began)


def _backbone(name: str, found: Case, banks: Path, seed: int, experiment: Experiment) -> dict[str, Measured]:
    """The backbone's own error, what needs no training beside it, and every arm of our engine on it.

    The time of an arm holds that of the backbone's training; mining, which all seeds share, is not in it.
    """
    series = found.labelled.series
    banks.mkdir(parents=True, exist_ok=True)
    scene = scene_of(found, banks, seed)
    available = scene.arms()
    chosen = {arm: available[arm] for arm in experiment.arms if arm in available}
    chosen |= {
        f"{method}'s negatives": partial(scene.enhance, negatives=in_our_engine(METHODS[method], series))
        for method in experiment.generators
    }
    chosen |= {
        recipe: partial(scene.enhance, recipe=replace(DEFAULT, **changes))  # type: ignore[arg-type]
        for recipe, changes in experiment.recipes.items()
    }
    began = time.perf_counter()
    detector = detectors.create(name, device="cpu").fit(series, seed=seed)
    fitting = time.perf_counter() - began
    own = _timed(partial(detector.score, series))
    own = replace(own, seconds=own.seconds + fitting)
    measured = {f"{name}: point error": own}
    for arm, post_train in {"untrained": available["untrained"], **chosen}.items():
        began = time.perf_counter()
        result = post_train(detector)
        if result.candidate is None:
            continue
        curves = result.candidate.curves(series.values)
        parts = scores_of(arm, curves, result.candidate.require_calibration())
        took = fitting + time.perf_counter() - began
        if arm == "untrained":
            free = {part: parts[part] for part in FREE}
            measured |= {f"{name}: {part}": Measured(score, took) for part, score in free.items()}
        if arm in chosen:
            measured[f"{name} + {arm}"] = Measured(parts["fused"], took, result.report["kept"])
        if arm == "mined bank":
            given = {"post-trained": parts["fused"], "training-free": free["without heads"], "original": own.score}
            measured[f"{name} + {OURS}"] = Measured(given[result.report["kept"]], took, result.report["kept"])
    return measured
