"""Detectors of other libraries: ``python -m ape.evals.speed.peers NAME FILE TRAIN_END WINDOW OUT``.

Reads a CSV file, fits the detector, and saves a score for every row in ``OUT``. Each detector has the defaults of its
library, except for the window where the library has no rule of its own. Those that learn are fitted to the training
part and score all rows; those that compare a series with itself get all rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Score = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A detector of another library.

    Parameters
    ----------
    package : str
        Distribution that has the version.
    settings : str
        What it runs with.
    score : callable
        From all rows, float64 [T, C], those of the training part, and a window length, to scores [T].
    channels : bool
        Whether it takes more than one channel.
    calls : str
        Name of the peer whose function does nearly all of the work.
    compiled : bool
        Whether the code of `stumpy.stump` is taken from the disk, where APE keeps it. stumpy itself compiles it in
        every process.
    """

    package: str
    settings: str
    score: Score
    channels: bool = True
    calls: str = ""
    compiled: bool = False


def pyod(module: str, name: str, own: bool = False, window: bool = True) -> Score:
    """Return a detector of PyOD; ``own`` if it can score only what it was fitted to."""

    def score(values: np.ndarray, train: np.ndarray, length: int) -> np.ndarray:
        detector = _import(f"pyod.models.{module}", name)(**({"window_size": length} if window else {}))
        return detector.fit(values).decision_scores_ if own else detector.fit(train).decision_function(values)

    return score


def dtaianomaly(name: str, own: bool = False) -> Score:
    """Return a detector of dtaianomaly."""

    def score(values: np.ndarray, train: np.ndarray, length: int) -> np.ndarray:
        detector = _import("dtaianomaly.anomaly_detection", name)(window_size=length)
        return detector.fit(values if own else train).decision_function(values)

    return score


def aeon(module: str, name: str, own: bool = False, window: bool = True) -> Score:
    """Return a detector of aeon."""

    def score(values: np.ndarray, train: np.ndarray, length: int) -> np.ndarray:
        detector = _import(f"aeon.anomaly_detection.series.{module}", name)(
            **({"window_size": length} if window else {})
        )
        if own:
            return detector.fit_predict(values, axis=0)
        return detector.fit(train, axis=0).predict(values, axis=0)

    return score


def tsb_ad_matrix_profile(values: np.ndarray, train: np.ndarray, length: int) -> np.ndarray:
    """Return the matrix profile of TSB-AD, with its own rule for the window."""
    tuned = _import("TSB_AD.HP_list", "Optimal_Uni_algo_HP_dict")["MatrixProfile"]
    return _import("TSB_AD.model_wrapper", "run_MatrixProfile")(values, **tuned)


def tsb_ad_timesnet(values: np.ndarray, train: np.ndarray, length: int) -> np.ndarray:
    """Return the scores of TSB-AD's TimesNet."""
    np.Inf = np.inf  # type: ignore[attr-defined]  # written for NumPy 1  # noqa: NPY201
    kind = "Uni" if values.shape[1] == 1 else "Multi"
    tuned = _import("TSB_AD.HP_list", f"Optimal_{kind}_algo_HP_dict")["TimesNet"]
    return _import("TSB_AD.model_wrapper", "run_TimesNet")(train, values, **tuned)


def stumpy_alone(values: np.ndarray, train: np.ndarray, length: int) -> np.ndarray:
    """Return the matrix profile by stumpy."""
    return over_points(_import("stumpy", "stump")(values[:, 0], length)[:, 0], length)


def over_points(distances: Any, window: int) -> np.ndarray:
    """Return at each point the mean distance [T - window + 1] of the windows that cover it, [T]."""
    values = np.asarray(distances, dtype=np.float64)
    return np.convolve(values, np.ones(window)) / np.convolve(np.ones(len(values)), np.ones(window))


def _import(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


DEFAULTS, WINDOW = "defaults", "defaults, window given"
SELF_JOIN = "stumpy, compiled before"
PEERS = {
    "PyOD TimeSeriesOD": Peer("pyod", "defaults (isolation forest), window given", pyod("ts_od", "TimeSeriesOD")),
    "PyOD MatrixProfile": Peer("pyod", WINDOW, pyod("ts_matrix_profile", "MatrixProfile", own=True)),
    "PyOD SpectralResidual": Peer("pyod", DEFAULTS, pyod("ts_spectral_residual", "SpectralResidual", window=False)),
    "PyOD KShape": Peer("pyod", WINDOW, pyod("ts_kshape", "KShape")),
    "PyOD SAND": Peer("pyod", WINDOW, pyod("ts_sand", "SAND")),
    "PyOD LSTMAD": Peer("pyod", WINDOW, pyod("ts_lstm", "LSTMAD")),
    "PyOD AnomalyTransformer": Peer("pyod", WINDOW, pyod("ts_anomaly_transformer", "AnomalyTransformer")),
    "TSB-AD MatrixProfile": Peer("TSB-AD", "its tuned settings", tsb_ad_matrix_profile, False, SELF_JOIN, True),
    "TSB-AD TimesNet": Peer("TSB-AD", "its tuned settings", tsb_ad_timesnet),
    "dtaianomaly MatrixProfileDetector": Peer(
        "dtaianomaly", WINDOW, dtaianomaly("MatrixProfileDetector", own=True), True, SELF_JOIN, True
    ),
    "dtaianomaly KMeansAnomalyDetector": Peer("dtaianomaly", WINDOW, dtaianomaly("KMeansAnomalyDetector")),
    "dtaianomaly AutoEncoder": Peer("dtaianomaly", WINDOW, dtaianomaly("AutoEncoder")),
    "aeon STOMP": Peer("aeon", WINDOW, aeon("distance_based", "STOMP", own=True), False, SELF_JOIN, True),
    "aeon KMeansAD": Peer("aeon", WINDOW, aeon("distance_based", "KMeansAD")),
    "aeon DWT_MLEAD": Peer("aeon", DEFAULTS, aeon("distribution_based", "DWT_MLEAD", own=True, window=False), False),
    "stumpy": Peer("stumpy", "stump, window given", stumpy_alone, False, SELF_JOIN),
    SELF_JOIN: Peer("stumpy", "stump, window given", stumpy_alone, False, compiled=True),
}


def main(arguments: list[str]) -> int:
    """Score one file."""
    name, file, train_end, window, out = arguments
    if PEERS[name].compiled:
        _import("ape.series.matrix_profile", "load_stumpy")()
    values = pd.read_csv(file).to_numpy(dtype=np.float64)
    scores = np.ravel(PEERS[name].score(values, values[: int(train_end)], int(window))).astype(np.float64)
    if len(scores) != len(values):
        sys.stderr.write(f"{name}: {len(scores)} scores for {len(values)} rows\n")
        return 1
    unfinished = Path(out).with_suffix(".unfinished.npy")
    np.save(unfinished, scores)
    unfinished.replace(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
