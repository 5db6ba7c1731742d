"""Training and scoring all methods alike: same windows, same steps, last weights, mean over overlapping windows."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ape.detectors.training import seeded
from ape.evals.methods.protocol import Method
from ape.series import Series
from ape.series.windows import sliding, start_batches, streamed_overlap_mean

STEPS, BATCH = 600, 64  # of every method; the backbones' budgets are of this order
MAX_GRADIENT = 5.0
MOST_NORMAL = 4000  # windows that a score may be fitted to


def score(method: Method, series: Series, window: int, seed: int) -> np.ndarray:
    """Train on the training part of ``series`` and score all of it, float32 [T].

    There is no early stop and no choice among weights: what counts are those after the last step.
    """
    train = series.train.astype(np.float64)
    shift, scale = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-8)
    views = sliding(((series.values - shift) / scale).astype(np.float32), window)
    normal = views[: len(train) - window + 1]
    with seeded(seed):
        module = method.build(series.n_channels, window)
        fit(module, normal, method.rate, seed)
    return _scores(module, views, series.length, window)


def fit(module: nn.Module, normal: np.ndarray, rate: float, seed: int) -> None:
    """Train ``module`` on windows [N, C, L], and let it take what its score needs from them."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), rate)
    module.train()
    for _ in range(STEPS):
        chosen = torch.randint(len(normal), (min(BATCH, len(normal)),), generator=generator).numpy()
        loss = module.loss(torch.from_numpy(normal[chosen]), generator)  # type: ignore[operator]
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), MAX_GRADIENT)
        optimiser.step()
    module.eval()
    spread = np.unique(np.linspace(0, len(normal) - 1, min(len(normal), MOST_NORMAL)).astype(int))
    with torch.no_grad():
        module.fit_scores(torch.from_numpy(normal[spread]))  # type: ignore[operator]


@torch.no_grad()
def _scores(module: nn.Module, views: np.ndarray, length: int, window: int) -> np.ndarray:
    def scored(at: np.ndarray) -> np.ndarray:
        values = module.score(torch.from_numpy(views[at])).double().numpy()  # type: ignore[operator]
        return np.repeat(values[:, None], window, axis=1) if values.ndim == 1 else values

    return streamed_overlap_mean(((at, scored(at)) for at in start_batches(length, window)), length)
