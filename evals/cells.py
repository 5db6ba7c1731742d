"""Measure one cell of an experiment: one backbone, one method or all simple scores, on one series with one seed.

All systems score the whole series with the same window length. Metrics use the part after ``train_end``, or all points
if the series has no training part. Only metrics read labels. Alarms are raised as in production, by scores that are
calibrated on normal points, see `ape.evals.alarms`.

A backbone gives these systems:

- ``B: point error``, its reconstruction error;
- ``B: own score``, the score of its paper, if the backbone defines one;
- ``B: free voice``, the distance to earlier normal windows, which no bank changes;
- ``B + ARM`` for each arm, generator (``B + M's negatives``), folder of weights and recipe: the post-trained score,
  accepted or not;
- ``B + ARM, rules alone``: the same without the free voice;
- ``B + APE``: the score that the acceptance check keeps for the mined bank.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ape.detectors import Detector
from ape.detectors.detector import automatic_window
from ape.evals.alarms import alarm_figures
from ape.evals.arms import MinedCase, Outcome, mine_case
from ape.evals.attributed import Figures, attribution_figures
from ape.evals.cases import Case
from ape.evals.datasets import group, load_case, part
from ape.evals.experiment import ALONE, OURS, Experiment
from ape.evals.methods import METHODS, Method, running
from ape.evals.metrics import average_precision, in_time, ucr_accuracy, vus_pr
from ape.evals.metrics.checks import fill_unscored, segments
from ape.evals.reuse import once
from ape.evals.simple import SIMPLE
from ape.posttrain import DEFAULT, Negatives
from ape.runs.folder import versions
from ape.series import Series
from ape.series.numerics import NEGLIGIBLE, channel_scale
from ape.series.windows import joined


@dataclass(frozen=True)
class Measurement:
    """A system's score of the series, float [T], its seconds, and of an arm what `Outcome` says of it."""

    score: np.ndarray
    seconds: float
    kept: str | None = None
    attributed: Figures = field(default_factory=dict)
    calibrated: bool = False


def measure_cell(experiment: Experiment, out: Path, ucr_folder: Path | None, cell: str) -> dict[str, Any]:
    """Return the rows of one cell, one per system, with their seconds and the setting.

    Parameters
    ----------
    experiment : Experiment
    out : Path
        Folder of the experiment. Mined banks are stored in ``out/banks``.
    ucr_folder : Path, optional
        Folder of the published UCR files.
    cell : str
        ``SET--KIND--NAME--SERIES--SEED``.
    """
    data_set, kind, name, series_name, seed = cell.split("--")
    case = load_case(data_set, series_name, ucr_folder)
    series = case.series
    window = automatic_window(series)  # the backbones' default, used by all systems
    if kind == "backbone":
        measured = _measure_backbone(name, case, out / "banks" / data_set, int(seed), experiment)
    elif kind == "method":
        method = METHODS[name]
        score = partial(running.score, method, series, window, int(seed))
        measured = {f"{name} ({method.claim})": _timed(score)}
    else:
        measured = {each: _timed(partial(SIMPLE[each], series, window, int(seed))) for each in experiment.simple}
    test = slice(series.train_end, None)
    rows = [
        {
            "system": system,
            **_metrics(case.labels[test], each.score[test]),
            **alarm_figures(series, case.labels, each.score, each.calibrated),
            **each.attributed,
            "kept": each.kept,
        }
        for system, each in measured.items()
    ]
    about = {
        "set": data_set,
        "kind": kind,
        "series": series_name,
        "part": part(data_set, series_name),
        "recording": group(data_set, series_name),
        "family": case.family,
        "seed": int(seed),
        "window": window,
        "points": series.length,
        "channels": series.n_channels,
        "train_end": series.train_end,
        "fingerprint": series.fingerprint,
    }
    seconds = {system: round(each.seconds, 2) for system, each in measured.items()}
    return {"rows": rows, "seconds": seconds, "about": about, "hardware": _hardware(), "versions": versions()}


def _measure_backbone(name: str, case: Case, banks: Path, seed: int, experiment: Experiment) -> dict[str, Measurement]:
    """Measure a backbone and all its arms.

    The seconds of an arm include the training of the backbone. They do not include mining, which all seeds share.
    """
    series = case.series
    mined = mine_case(case, banks, seed, name)
    detector, training = once(series, f"{name} {seed}", partial(experiment.train, name, series, seed))
    point_error = _timed(partial(detector.score, series), training)
    point_error = replace(point_error, attributed=attribution_figures(case, detector))
    measured = {f"{name}: point error": point_error}
    if detector.module.has_own_score():
        measured[f"{name}: own score"] = _timed(partial(detector.score, series, own=True), training)
    for arm, post_train in _chosen_arms(mined, experiment).items():
        outcome = post_train(detector)
        seconds = training + outcome.seconds
        voices = {
            voice: Measurement(score, seconds, calibrated=outcome.calibrated) for voice, score in outcome.scores.items()
        }
        if "free" in voices:
            measured.setdefault(f"{name}: free voice", voices["free"])
        if "rules" in voices:
            measured[f"{name} + {arm}{ALONE}"] = voices["rules"]
        if "both" in voices:
            measured[f"{name} + {arm}"] = replace(voices["both"], kept=outcome.kept, attributed=outcome.attributed)
        if arm == "mined bank":
            accepted = voices.get(str(outcome.kept), point_error)
            measured[f"{name} + {OURS}"] = replace(accepted, seconds=seconds, kept=outcome.kept)
    return measured


def _chosen_arms(mined: MinedCase, experiment: Experiment) -> dict[str, Callable[[Detector], Outcome]]:
    """Return the experiment's arms, generators and recipes as functions of a trained detector, by name."""
    possible = mined.arms()
    arms = {arm: possible[arm] for arm in experiment.arms if arm in possible}
    arms |= {
        f"{name}'s negatives": partial(mined.enhance, negatives=_in_data_units(METHODS[name], mined.case.series))
        for name in experiment.generators
    }
    arms |= {name: partial(mined.enhance, weights=folder) for name, folder in experiment.weights.items()}
    return arms | {
        name: partial(mined.enhance, recipe=replace(DEFAULT, **changes))  # type: ignore[arg-type]
        for name, changes in experiment.recipes.items()
    }


def _in_data_units(method: Method, series: Series) -> Negatives:
    """Wrap a method's negatives, which are made from standardised windows, for windows in data units."""
    make = method.negatives
    assert make is not None
    train = joined(series.values, series.train_segments).astype(np.float64)
    shift = torch.from_numpy(train.mean(axis=0))[:, None].float()
    scale = torch.from_numpy(channel_scale(train, NEGLIGIBLE))[:, None].float()
    return lambda hosts, generator, starts: make((hosts - shift) / scale, generator, starts) * scale + shift


def _timed(score: Callable[[], np.ndarray], training: float = 0.0) -> Measurement:
    started = time.perf_counter()
    values = score()
    return Measurement(values, training + time.perf_counter() - started)


def _metrics(labels: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """Return the metrics of one score. UCR accuracy is defined for a single event only."""
    score = fill_unscored(score)
    flags = in_time(labels, score)._asdict()
    metrics = {"ap": average_precision(labels, score), "vus": vus_pr(labels, score), **flags}
    return metrics | ({"ucr": ucr_accuracy(labels, score)} if len(segments(labels)) == 1 else {})


def _hardware() -> dict[str, Any]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"machine": platform.machine(), "cpus": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}
