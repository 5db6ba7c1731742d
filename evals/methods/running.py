"""Train and score every comparison method in the same way.

All methods get the same windows and the same number of steps. The weights after the last step are used: there is no
early stopping and no choice among checkpoints. A point's score is the mean over the windows that cover it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ape.detectors.training import seeded
from ape.evals.methods.protocol import Method, Scorer
from ape.series import Series
from ape.series.numerics import NEGLIGIBLE, channel_scale
from ape.series.windows import joined, sliding, start_batches, starts, streamed_overlap_mean

STEPS, BATCH = 600, 64  # for every method; the backbones' budgets are of the same order
MAX_GRADIENT = 5.0
MAX_FITTED = 4000  # windows given to `Scorer.fit_scores` at most


def score(method: Method, series: Series, window: int, seed: int) -> np.ndarray:
    """Train on the training part of ``series`` and score the whole series.

    Parameters
    ----------
    method : Method
    series : Series
        Values [T, C], with a training part.
    window : int
        Samples per window.
    seed : int
        Fixes initial weights, batches and pseudo-anomalies.

    Returns
    -------
    ndarray, float32 [T]
        Higher is more anomalous.
    """
    train = joined(series.values, series.train_segments).astype(np.float64)
    shift, scale = train.mean(axis=0), channel_scale(train, NEGLIGIBLE)
    views = sliding(((series.values - shift) / scale).astype(np.float32), window)
    with seeded(seed):
        module = method.build(series.n_channels, window)
        fit(module, views, starts(series.train_segments, window), method.rate, seed)
    return _scores(module, views, series, window)


def fit(module: Scorer, views: np.ndarray, normal: np.ndarray, rate: float, seed: int) -> None:
    """Train ``module`` on normal windows, then call its `Scorer.fit_scores` with up to 4000 of them.

    ``normal``, int64 [N], are their indices in ``views`` [M, C, L].
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), rate)
    module.train()
    for _ in range(STEPS):
        chosen = torch.randint(len(normal), (min(BATCH, len(normal)),), generator=generator).numpy()
        loss = module.loss(torch.from_numpy(views[normal[chosen]]), generator)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), MAX_GRADIENT)
        optimiser.step()
    module.eval()
    fitted = np.unique(np.linspace(0, len(normal) - 1, min(len(normal), MAX_FITTED)).astype(int))
    with torch.no_grad():
        module.fit_scores(torch.from_numpy(views[normal[fitted]]))


@torch.no_grad()
def _scores(module: Scorer, views: np.ndarray, series: Series, window: int) -> np.ndarray:
    def point_scores(at: np.ndarray) -> np.ndarray:
        values = module.score(torch.from_numpy(views[at])).double().numpy()
        return np.repeat(values[:, None], window, axis=1) if values.ndim == 1 else values

    batches = start_batches(series.segments, window)
    return streamed_overlap_mean(((at, point_scores(at)) for at in batches), series.length)
