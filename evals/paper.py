"""The recipe of the paper, to compare with: InfoNCE over whole windows, on a projection of the backbone's latent.

Raw windows are queries, their own augmentations positives, pseudo-anomalous windows negatives. Backbone and projection
learn together under ``L_post = L_rec + lambda * L_con``.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from ape.detectors import Detector
from ape.detectors.inputs import prepared
from ape.detectors.training import seeded
from ape.posttrain.discriminator.tail import Tail
from ape.posttrain.freezing import training
from ape.rules import RuleBank, augment
from ape.series import Series
from ape.series.windows import joined, points, sliding, spaced_starts, start_batches, starts, streamed_overlap_mean

STEPS, BATCH = 400, 64  # windows in each of the three branches of a step
WEIGHT = 0.1  # lambda
TEMPERATURE = 0.1
HEAD_RATE, BACKBONE_RATE = 2e-3, 5e-5
WIDTH, DIMENSION, DROPOUT = 64, 32, 0.1  # of the projection
JITTER = 0.05  # noise on all branches, in training standard deviations, so that noise tells none of them
POOL, MOST_VALUES = 4096, 6_000_000  # triples of windows, and values in one branch of them
MAX_GRADIENT = 5.0
LEAST = 1e-3  # smallest scale of a latent's entry, as a share of the largest


class Projection(nn.Module):
    """A perceptron from a standardised latent [B, D] to unit vectors [B, 32]."""

    def __init__(self, normal: Tensor) -> None:
        """Take mean and scale from latents of normal windows, [N, D]."""
        super().__init__()
        scale = normal.std(0)
        self.mean = normal.mean(0)
        self.scale = scale.clamp(min=LEAST * float(scale.max()) + 1e-12)
        self.layers = nn.Sequential(
            nn.Linear(normal.shape[1], WIDTH), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, DIMENSION)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Project latents [B, D]."""
        return normalize(self.layers((latent - self.mean) / self.scale), dim=1)


def info_nce(query: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """Return the InfoNCE loss (van den Oord et al., arXiv 1807.03748) of unit vectors [B, D], one positive each.

    ``-log(e^{q.k+/t} / (e^{q.k+/t} + sum_j e^{q.k-_j/t}))``; all queries share the negatives, [N, D].
    """
    repulsion = torch.logsumexp(query @ negatives.T / TEMPERATURE, dim=1)
    return softplus(repulsion - (query * positive).sum(1) / TEMPERATURE).mean()


def score(detector: Detector, bank: RuleBank, series: Series, seed: int = 0) -> np.ndarray:
    """Post-train a copy of a detector on the CPU by the paper's recipe, and score the whole series.

    A point's score adds two calibrated tails, of its reconstruction error and of the distance of the windows that cover
    it to the centre of normal windows: minus log10 of the share of points of the training part that score as high.

    Parameters
    ----------
    detector : Detector
        Trained on the series.
    bank : RuleBank
    series : Series
    seed : int

    Returns
    -------
    ndarray, float64 [T]
    """
    detector, series = detector.clone(), prepared(detector, series)
    views = sliding(series.values, detector.window)
    with seeded(seed):
        generator = torch.Generator().manual_seed(seed)
        projection = _post_train(detector, bank, series, generator)
    with torch.no_grad():
        detector.module.eval()
        projection.eval()
        normal = torch.from_numpy(views[spaced_starts(series.train_segments, detector.window, POOL)])
        centre = normalize(_project(detector, projection, normal).mean(0), dim=0)

        def away(at: np.ndarray) -> np.ndarray:
            distance = 1 - _project(detector, projection, torch.from_numpy(views[at])) @ centre
            return np.repeat(distance.numpy()[:, None], detector.window, axis=1)

        batches = start_batches(series.segments, detector.window)
        distance = streamed_overlap_mean(((at, away(at)) for at in batches), series.length)
    scored = np.zeros(series.length)
    trained = points(series.train_segments)
    for part in (distance, detector.score(series)):
        on_normal = part[trained]
        scored += Tail.fit(on_normal[np.isfinite(on_normal)])(part)
    return scored


def _post_train(detector: Detector, bank: RuleBank, series: Series, generator: torch.Generator) -> Projection:
    """Train the detector in place with a new projection."""
    branches = _branches(detector, bank, series, generator)
    detector.module.eval()
    with torch.no_grad():
        latents = torch.cat([detector.encode(part) for part in branches[0].split(BATCH)])
    projection = Projection(latents)
    free = [parameter for parameter in detector.module.parameters() if parameter.requires_grad]
    groups = [{"params": projection.parameters(), "lr": HEAD_RATE}, {"params": free, "lr": BACKBONE_RATE}]
    optimiser = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    with training(detector.module, free):
        for _ in range(STEPS):
            pick = torch.randint(branches.shape[1], (BATCH,), generator=generator)
            raw, mild, pseudo = projection(detector.encode(branches[:, pick].flatten(0, 1))).chunk(3)
            loss = detector.loss(branches[0, pick]) + WEIGHT * info_nce(raw, mild, pseudo)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(list(chain(projection.parameters(), free)), MAX_GRADIENT)
            optimiser.step()
            schedule.step()
    return projection


def _branches(detector: Detector, bank: RuleBank, series: Series, generator: torch.Generator) -> Tensor:
    """Draw raw, augmented and pseudo-anomalous windows, [3, N, C, L]."""
    normal = starts(series.train_segments, detector.window)
    count = min(POOL, max(BATCH, MOST_VALUES // (detector.window * series.n_channels)))
    at = torch.from_numpy(normal)[torch.randint(len(normal), (count,), generator=generator)]
    raw = torch.from_numpy(sliding(series.values, detector.window)[at.numpy()])
    mild = augment(raw, generator, bank.context, bank.benign, at)
    branches = torch.stack([raw, mild, bank.sample(raw, generator, at).pseudo])
    deviation = joined(series.values, series.train_segments).std(axis=0, dtype=np.float64)
    noise = torch.randn(branches.shape, generator=generator) * torch.from_numpy(deviation).float()[:, None]
    return branches + JITTER * noise


def _project(detector: Detector, projection: Projection, windows: Tensor) -> Tensor:
    return torch.cat([projection(detector.encode(part)) for part in windows.split(BATCH)])
