"""Export an enhanced detector into a folder, and check that it gives the same scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim

import ape
from ape.core.errors import InputError
from ape.core.files import atomic_folder, write_bytes, write_json
from ape.detectors import Detector
from ape.detectors.inputs import FARTHEST, prepared
from ape.export.graphs import ScoreGraph, WindowGraph, exportable_reader
from ape.export.onnx import as_onnx, require_onnx
from ape.export.standalone import scorer
from ape.monitor import Threshold
from ape.posttrain import EnhancedDetector
from ape.posttrain.discriminator.evidence import DISTANCES
from ape.posttrain.discriminator.free import FREE_FACTORS
from ape.posttrain.discriminator.references import LARGEST
from ape.posttrain.discriminator.search import REST
from ape.posttrain.discriminator.windows import steps_for
from ape.posttrain.following import MISSING
from ape.series import Series

FORMAT = 1
MANIFEST, SCORE, TRAINING = "manifest.json", "score.onnx", "training.npy"
STANDALONE = Path(scorer.__file__).parent
SCRIPTS = {"scorer.py": "scorer.py", "mlflow_model.py": "registry.py"}  # by their names in an export
# Roundings move a score by a step of the calibration, which has 1000: at most 0.008 below a score of 1.3.
TOLERANCE = 0.02  # of scores above HIGH, a thousandth
HIGH = 20.0
CHECKED = 20_000  # points of a series, at most
JOINING = (
    "windows start every `stride` cells of each scale; a cell is the mean of `factor` rows",
    "the evidence of a row is the mean over the windows that cover it, then over the scales",
    "the newest rows, which windows still to come will cover, also count the window that ends with the last cell",
    "references are windows of the training part, and of the series up to `rest` cells before a window",
    "score.onnx maps the evidence of rows to their scores",
)


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Parameters
    ----------
    folder : Path
    points : int
        That were scored in both ways.
    difference : float
        Largest absolute difference of their scores; of scores above 20, in twentieths of the score.
    tolerance : float
        Largest one that is accepted.
    """

    folder: Path
    points: int
    difference: float
    tolerance: float = TOLERANCE


def export(
    detector: Detector | EnhancedDetector, folder: Path | str, series: Series, threshold: Threshold | None = None
) -> Exported:
    """Write a detector as ONNX graphs with a manifest and a script that scores without APE, after a check.

    Parameters
    ----------
    detector : EnhancedDetector
    folder : path
        New, empty, or that of an earlier export, which is replaced.
    series : Series
        To be scored in both ways; its first 20,000 points are.
    threshold : Threshold, optional
        For the manifest.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        The detector cannot be exported, or the scores differ by more than 0.02. Nothing is written then.
    """
    require_onnx()
    enhanced = require_exportable(detector)
    series = prepared(enhanced, series.until(min(series.length, CHECKED)))
    with atomic_folder(Path(folder), MANIFEST) as temporary, torch.no_grad():
        manifest = _write_graphs(enhanced, temporary)
        manifest["threshold"] = None if threshold is None else threshold.level
        np.save(temporary / TRAINING, enhanced.normal.values, allow_pickle=False)
        for name, script in SCRIPTS.items():
            write_bytes(temporary / name, (STANDALONE / script).read_bytes())
        write_json(temporary / MANIFEST, manifest)
        difference = _difference(enhanced, temporary, series)
        if not difference <= TOLERANCE:
            what = f"the scores of the export differ by {difference:.3g}, more than {TOLERANCE:g}"
            raise InputError(what, series.name, "serve the detector with 'ape api', and report this")
        found = Exported(Path(folder), series.length, difference)
        check = {"series": series.name, "points": found.points, "difference": difference, "tolerance": TOLERANCE}
        write_json(temporary / MANIFEST, {**manifest, "check": check})
    return found


def require_exportable(detector: Detector | EnhancedDetector) -> EnhancedDetector:
    """Return a detector that can be exported.

    Raises
    ------
    InputError
        It is not enhanced, has benign rules, or reads counters.
    """
    if not isinstance(detector, EnhancedDetector):
        raise InputError("only an enhanced detector can be exported", "ape export", "enhance it: ape enhance, ape run")
    if detector.bank.benign and detector.model.question.benign:
        what = f"{len(detector.bank.benign)} benign rules depend on clock and history, which a graph does not have"
        raise InputError(what, "bank.json", "serve it with 'ape api', or run without the benign rules")
    if detector.required.counters:
        what = f"'{detector.required.counters[0]}' is a counter, whose increments a graph does not have"
        raise InputError(what, "ape export", "serve it with 'ape api', or train on increments")
    return detector


def _write_graphs(detector: EnhancedDetector, folder: Path) -> dict[str, Any]:
    """Write the graphs; return the manifest."""
    scoring, reader, normal = detector.scoring(continues=False), exportable_reader(detector), detector.normal
    data, scales = scoring.normal, []
    channels, window = len(data.centre), scoring.window
    for search in scoring.searches:
        graph = WindowGraph(reader, search, data.centre, data.scale)
        cells = torch.zeros(channels, 1024)
        examples = {
            "windows": torch.randn(4, channels, window * search.factor),
            "start": 32 * torch.arange(4),
            "cells": cells,
            "free": torch.ones(1024, dtype=torch.bool),
        }
        count, blocks = Dim("windows", min=1, max=1024), Dim("blocks", min=4, max=2**25)
        sizes = {"windows": {0: count}, "start": {0: count}, "cells": {1: 32 * blocks}, "free": {0: 32 * blocks}}
        name = f"windows-{search.factor}.onnx"
        write_bytes(folder / name, as_onnx(graph, examples, sizes, "evidence"))
        scales.append({"factor": search.factor, "samples": window * search.factor, "graph": name})
    factors = [factor for factor in FREE_FACTORS if factor in scoring.factors]
    points = {
        "odds": torch.randn(4, channels, reader.voices - DISTANCES),
        "free": torch.randn(4, len(factors), channels),
        "subspace": torch.randn(4, channels),
        "age": torch.arange(4),
    }
    count = Dim("points", min=1)
    write_bytes(folder / SCORE, as_onnx(ScoreGraph(detector), points, {name: {0: count} for name in points}, "score"))
    shift, scale = (part.double().numpy() for part in detector.shift_and_scale)
    low, high = (
        np.broadcast_to((shift + sign * FARTHEST * scale).clip(-3e38, 3e38), channels).tolist() for sign in (-1, 1)
    )
    return {
        "format": FORMAT,
        "ape": ape.__version__,
        "channels": [channel.name for channel in detector.bank.context.channels],
        "offset": detector.required.offset_of(channels).tolist(),
        "step": detector.required.step,
        "low": low,
        "high": high,
        "centre": data.centre.tolist(),
        "scale": data.scale.tolist(),
        "limit": LARGEST,
        "window": window,
        "stride": window // steps_for(len(detector.bank.context.channels)),
        "rest": REST * window,
        "scales": scales,
        "score": SCORE,
        "rules": list(detector.rule_names),
        "operators": reader.voices - DISTANCES - reader.rules,
        "free_factors": factors,
        "latency": scoring.latency,
        "missing_score": MISSING,
        "training": {
            "file": TRAINING,
            "segments": [list(part) for part in normal.segments],
            "clean": [list(part) for part in normal.clean],
        },
        "joining": list(JOINING),
    }


def _difference(detector: EnhancedDetector, folder: Path, series: Series) -> float:
    """Return the largest difference between the scores of a prepared series; infinite if other points have scores."""
    expected = detector.score(series)
    missing = None if series.missing is None else np.asarray(series.missing.any(axis=1))
    begins = tuple(gap.position for gap in series.gaps)
    found = scorer.Scorer(folder).score(series.values, missing, begins)
    if not np.array_equal(np.isnan(expected), np.isnan(found)):
        return float("inf")
    return float(np.nanmax(np.abs(expected - found) / np.maximum(1.0, expected / HIGH), initial=0.0))
