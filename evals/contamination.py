"""Plant pseudo-anomalies into the training part of a series, to test how post-training copes with contaminated data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from ape.detectors.detector import automatic_window
from ape.rules import broad_bank, build_context
from ape.series import Series
from ape.series.windows import starts

HOST_STEP = 1.25  # distance between two host windows, in window lengths


def plant(series: Series, share: float, seed: int = 0) -> tuple[Series, list[tuple[int, int]]]:
    """Plant pseudo-anomalies of broad rules into the training part.

    Parameters
    ----------
    series : Series
    share : float
        Share of the training points to cover. The last pseudo-anomaly may exceed it.
    seed : int

    Returns
    -------
    Series
        With the same points outside the planted spans.
    list of (int, int)
        Begin and end (exclusive) of each planted pseudo-anomaly.
    """
    window, end = automatic_window(series), len(series.train)
    generator = np.random.default_rng([seed, 11])
    hosts = np.arange(generator.integers(window // 2), end - window, int(HOST_STEP * window))
    hosts = hosts[np.isin(hosts, starts(series.train_segments, window))]
    hosts = generator.permutation(hosts)
    windows = torch.from_numpy(np.stack([series.values[at : at + window].T for at in hosts]))
    sample = broad_bank(build_context(series)).sample(
        windows, torch.Generator().manual_seed(seed), torch.from_numpy(hosts)
    )
    changed = [np.flatnonzero(mask) for mask in sample.mask.any(1).numpy()]
    spans = [(int(at + points[0]), int(at + points[-1] + 1)) for at, points in zip(hosts, changed, strict=True)]
    values, planted = series.values.copy(), list(_first_spans(spans, share * end))
    for at, pseudo, span in zip(hosts, sample.pseudo.numpy(), spans, strict=True):
        if span in planted:
            values[at : at + window] = pseudo.T
    return replace(series, values=values), planted


def _first_spans(spans: list[tuple[int, int]], points: float) -> Iterator[tuple[int, int]]:
    """Yield spans from the first one until they cover this many points together."""
    covered = 0
    for begin, end in spans:
        if covered >= points:
            return
        covered += end - begin
        yield begin, end
