"""Changed series of the UCR archive, to measure how robust detectors are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ape.detectors.detector import automatic_window
from ape.evals.cases import Case
from ape.evals.contamination import plant
from ape.series import from_array
from ape.series.numerics import NEGLIGIBLE, channel_scale

DRIFT = 1.0  # standard deviations of the training part, from its end to the end of the series
NOISE = 0.2  # standard deviations of the training part


def contaminated(case: Case, share: float) -> Case:
    """Plant pseudo-anomalies that cover a share of the training part."""
    return replace(case, series=plant(case.series, share)[0])


def shortened(case: Case, periods: int) -> Case:
    """Keep the end of the training part: so many windows, of one period each, or all if there are fewer."""
    trained = case.series.train_end or 0
    first = max(0, trained - periods * automatic_window(case.series))
    return _changed(case, case.series.values[first:], trained - first, case.labels[first:])


def drifting(case: Case) -> Case:
    """Let the level rise after the training part."""
    trained, length = case.series.train_end or 0, case.series.length
    rise = np.maximum(0, np.arange(length) - trained)[:, None] / max(1, length - trained)
    return _changed(case, case.series.values + DRIFT * _scale(case) * rise, trained, case.labels)


def noisy(case: Case) -> Case:
    """Add white noise everywhere."""
    noise = np.random.default_rng(13).normal(size=case.series.values.shape)
    return _changed(case, case.series.values + NOISE * _scale(case) * noise, case.series.train_end or 0, case.labels)


def finer(case: Case) -> Case:
    """Put a point in the middle between any two points."""
    values, length = case.series.values, case.series.length
    at = np.arange(2 * length - 1) / 2
    channels = [np.interp(at, np.arange(length), channel) for channel in values.T]
    labels = case.labels[np.floor(at).astype(int)] & case.labels[np.ceil(at).astype(int)]
    return _changed(case, np.stack(channels, 1), 2 * (case.series.train_end or 0), labels)


def _changed(case: Case, values: np.ndarray, train_end: int, labels: np.ndarray) -> Case:
    series = from_array(
        values.astype(np.float32), list(case.series.channels), train_end, name=case.series.name, text=case.series.text
    )
    return replace(case, series=series, labels=labels)


def _scale(case: Case) -> np.ndarray:
    return channel_scale(case.series.train, NEGLIGIBLE)


VARIANTS: dict[str, Callable[[Case], Case]] = {
    **{f"ucr contaminated {percent}": partial(contaminated, share=percent / 100) for percent in (1, 5, 10)},
    **{f"ucr {periods} periods": partial(shortened, periods=periods) for periods in (5, 10, 20)},
    "ucr drift": drifting,
    "ucr noise": noisy,
    "ucr twice as fine": finer,
}
