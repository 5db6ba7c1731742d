"""One cell of an experiment: a backbone, a method or what is simple, on one series, for one seed.

Every score is of the whole series, by the same windows at the same overlap, and judged on the part after ``train_end``
(all of it where there is none). Nothing is chosen by a label.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ape import detectors
from ape.detectors.detector import automatic_window
from ape.evals.cases import Case, case, recording
from ape.evals.methods import METHODS, Method, running
from ape.evals.posttraining import arms, judged, scores_of
from ape.evals.simple import SIMPLE
from ape.graphs.folder import versions
from ape.posttrain import DEFAULT, Negatives
from ape.series import Series

if TYPE_CHECKING:
    from ape.evals.experiment import Experiment

OURS = "APE"

Scores = dict[str, np.ndarray]


def measure(experiment: Experiment, out: Path, folder: Path | None, job: str) -> dict[str, Any]:
    """Rows of one cell, one a system, and what it was measured with; ``job`` is ``SET--KIND--NAME--SERIES--SEED``."""
    data_set, kind, name, series_name, seed = job.split("--")
    found = case(data_set, series_name, folder)
    series, labels = found.labelled.series, found.labelled.labels
    window = automatic_window(series.train)  # the backbones' default, which all systems get
    began = time.perf_counter()
    if kind == "simple":
        scores: Scores = {each: SIMPLE[each](series, window, int(seed)) for each in experiment.simple}
        accepted: dict[str, bool] = {}
    elif kind == "method":
        method = METHODS[name]
        scores, accepted = {f"{name} ({method.claim})": running.score(method, series, window, int(seed))}, {}
    else:
        scores, accepted = _backbone(name, found, out / "banks" / data_set, int(seed), experiment)
    test = slice(series.train_end, None)
    rows = [
        {"system": system, **figures, "accepted": accepted.get(system)}
        for system, figures in judged(labels[test], {k: v[test] for k, v in scores.items()}).items()
    ]
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
        "seconds": round(time.perf_counter() - began, 2),
    }
    return {"rows": rows, "about": about, "hardware": hardware(), "versions": versions()}


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


def _backbone(name: str, found: Case, banks: Path, seed: int, experiment: Experiment) -> tuple[Scores, dict[str, bool]]:
    """The backbone's own error, what needs no training beside it, and every arm of our engine on it."""
    series = found.labelled.series
    detector = detectors.create(name, device="cpu").fit(series, seed=seed)
    banks.mkdir(parents=True, exist_ok=True)
    available = arms(series, found.labelled.name, banks, seed, found.oracle)
    enhance = available["mined bank"]
    chosen = {arm: available[arm] for arm in experiment.arms if arm in available}
    chosen |= {
        f"{method}'s negatives": partial(enhance, negatives=in_our_engine(METHODS[method], series))
        for method in experiment.generators
    }
    chosen |= {
        recipe: partial(enhance, recipe=replace(DEFAULT, **changes))  # type: ignore[arg-type]
        for recipe, changes in experiment.recipes.items()
    }
    own = detector.score(series)
    scores: Scores = {f"{name}: point error": own}
    accepted = {}
    for arm, post_train in {"untrained": available["untrained"], **chosen}.items():
        result = post_train(detector)
        if result.candidate is None:
            continue
        calibration = result.candidate.require_calibration()
        curves = result.candidate.curves(series.values)
        parts = scores_of(arm, curves, calibration)
        if arm == "untrained":
            scores |= {f"{name}: {part}": parts[part] for part in ("error", "mahalanobis", "nearest")}
            scores[f"{name}: without heads"] = parts["without heads"]
        if arm in chosen:
            scores[f"{name} + {arm}"] = parts["fused"]
            accepted[f"{name} + {arm}"] = bool(result.accepted)
        if arm == "mined bank":
            scores[f"{name} + {OURS}"] = parts["fused"] if result.accepted else own
            accepted[f"{name} + {OURS}"] = bool(result.accepted)
    return scores, accepted
