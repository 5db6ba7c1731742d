"""Backbones without post-training on labelled UCR series: ``python -m ape.evals.backbones --out DIR``.

Each is trained on the part before ``train_end`` with its usual budget, and scored two ways: by its paper's own score,
and by its reconstruction error smoothed over a window. Labels are read for the metrics only. Average precision is over
the part after ``train_end``. VUS-PR follows TSB-AD, so that it stands beside what TSB-AD publishes of other UCR series:
the whole series, 250 thresholds, a buffer of its estimate of the period.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d
from scipy.signal import argrelmax

from ape.core.errors import InputError
from ape.evals.jobs import measure_all, options, publish

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "vae": ("vae", {}),
    "donut": ("donut", {}),
    "fcvae": ("fcvae", {}),
    "lstm-ae": ("lstm-ae", {}),
    "omni-anomaly": ("omni-anomaly", {}),
    "transformer": ("transformer", {}),
    "tranad": ("tranad", {}),
    "timesnet": ("timesnet", {}),
    "crossad": ("crossad", {}),
    "anomaly transformer": ("transformer", {"association": True}),
    "timesnet, not normalised": ("timesnet", {"normalise": False}),
}
# TSB-AD-U, commit 8763009, mean VUS-PR over its 70 UCR series of what goes by these names there
PUBLISHED = {
    "donut": 0.013,
    "omni-anomaly": 0.025,
    "anomaly transformer": 0.011,
    "tranad": 0.020,
    "timesnet": 0.023,
}
SHORTER_THAN = 20_000
WINDOWS_A_POINT = 16  # that a score is the mean of
THRESHOLDS, LAGS, LEAST_LAG, USUAL = 250, 400, 3, 125  # of TSB-AD's protocol


def main() -> int:
    """Measure all series shorter than a length, and print the tables."""
    parser = options("backbones", __doc__.splitlines()[0])
    parser.add_argument("--model", action="append", choices=MODELS, help="may be repeated; default: all")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--shorter-than", type=int, default=SHORTER_THAN, metavar="N", help="points; default: 20000")
    arguments = parser.parse_args()
    try:
        models = arguments.model or list(MODELS)
        text = report(arguments.out, models, arguments.seeds, arguments.shorter_than, arguments.workers)
    except InputError as error:
        sys.stderr.write(f"backbones: {error}\n")
        return 2
    publish(arguments.out, text)
    return 0


def report(out: Path, models: list[str], seeds: int, shorter_than: int, workers: int) -> str:
    """Measure what is not in ``out`` yet; the tables."""
    from ape.evals.devdata import index

    lengths = index("ucr")["length"]
    names = [name for name, length in lengths.items() if length < shorter_than]
    jobs = [f"{model}--{name}--{seed}" for seed in range(seeds) for model in models for name in names]
    return tables(measure_all(jobs, measure, out, workers))


def measure(job: str) -> dict[str, Any]:
    """Metrics of one model on one series for one seed."""
    from ape import detectors
    from ape.evals.devdata import labelled
    from ape.evals.metrics import average_precision, vus_pr

    model, name, seed = job.split("--")
    case = labelled("ucr", name)
    series, test = case.series, slice(case.series.train_end, None)
    backbone, options = MODELS[model]
    began = time.perf_counter()
    detector = detectors.create(backbone, device="cpu", **options).fit(series, seed=int(seed))
    trained = time.perf_counter()
    score = partial(detector.score, series, stride=max(1, detector.window // WINDOWS_A_POINT))
    scores = {"own": score(own=True), "smoothed": uniform_filter1d(score(), detector.window)}
    buffer = tsb_period(series.values[:, 0])
    return {
        "series": name,
        "family": case.family,
        "model": model,
        "seed": int(seed),
        "window": detector.window,
        "seconds": {"train": trained - began, "score": time.perf_counter() - trained},
        "ap": {way: average_precision(case.labels[test], found[test]) for way, found in scores.items()},
        "vus": {way: vus_pr(case.labels, found, buffer, THRESHOLDS) for way, found in scores.items()},
    }


def tsb_period(values: np.ndarray) -> int:
    """TSB-AD's estimate of the period of values [T]: the lag of the highest peak of the autocorrelation."""
    from statsmodels.tsa.stattools import acf

    correlation = acf(values[:SHORTER_THAN].astype(np.float64), nlags=LAGS, fft=True)[LEAST_LAG:]
    peaks = argrelmax(correlation)[0]
    highest = peaks[np.argmax(correlation[peaks])] if len(peaks) else 0
    return int(highest) + LEAST_LAG if 3 <= highest <= 300 else USUAL


def tables(results: list[dict[str, Any]]) -> str:
    """Plain text: a table for each metric and score, models by families, then means, published figures and seconds."""
    frame = pd.json_normalize(results)
    frame["model"] = pd.Categorical(frame["model"], list(MODELS))
    by_model = frame.groupby("model", observed=True)
    parts = []
    for metric, what in (("ap", "Average precision after the training part"), ("vus", "VUS-PR as TSB-AD takes it")):
        for way in ("own", "smoothed"):
            values = f"{metric}.{way}"
            table = frame.pivot_table(values, "model", "family", observed=True)
            table.insert(0, "all", by_model[values].mean())
            parts.append((f"{what}, {'own score' if way == 'own' else 'smoothed error'}", table))
    seconds = by_model[["seconds.train", "seconds.score"]].mean()
    seconds.insert(0, "published VUS-PR, other UCR series", pd.Series(PUBLISHED))
    spread = frame.groupby(["model", "series"], observed=True)["ap.smoothed"].std()
    seconds.insert(1, "sd of ap.smoothed over seeds", spread.groupby("model", observed=True).mean())
    parts.append(("Published, spread, and seconds a series", seconds))
    return "\n".join(f"{title}\n\n{table.round(3).to_string()}\n" for title, table in parts)


if __name__ == "__main__":
    sys.exit(main())
