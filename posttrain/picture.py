"""A picture of the contrastive space: raw, augmented and pseudo-anomalous held-out windows in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ape.detectors.training import seeded
from ape.posttrain.candidates import Candidates
from ape.posttrain.detector import EnhancedDetector, device_of
from ape.posttrain.engine import outputs
from ape.rules import RuleBank, augment
from ape.series.numerics import auc
from ape.series.windows import sliding

POINTS = 100  # a branch
BRANCHES = ("raw", "augmented", "pseudo-anomalous")


@dataclass(frozen=True)
class Subjects:
    """Held-out hosts that nobody trained on, and their two other branches.

    Parameters
    ----------
    windows : Tensor, float32 [3, N, C, L]
        Data units; raw, augmented, pseudo-anomalous.
    positions : Tensor, int64 [N]
        Where the hosts lie in the series.
    """

    windows: torch.Tensor
    positions: torch.Tensor

    @classmethod
    def draw(cls, bank: RuleBank, candidates: Candidates, window: int, seed: int) -> Subjects:
        """Take up to a hundred hosts evenly from the held-out windows, from a generator of its own.

        Raises
        ------
        EmptyBankError
            The bank has no rule that can be placed.
        """
        generator = torch.Generator().manual_seed(seed + 2)
        starts = candidates.held_out_starts()
        starts = starts[np.unique(np.linspace(0, len(starts) - 1, POINTS).round().astype(int))]
        hosts, positions = torch.from_numpy(sliding(candidates.values, window)[starts]), torch.from_numpy(starts)
        pseudo = bank.sample(hosts, generator, positions).pseudo
        return cls(torch.stack([hosts, augment(hosts, generator, bank.context), pseudo]), positions)

    @torch.no_grad()
    def vectors(self, model: EnhancedDetector) -> np.ndarray:
        """What ``model`` makes of them now, unit vectors, float32 [3, N, D]."""
        device = device_of(model.backbone)
        windows, positions = self.windows.to(device), self.positions.to(device)
        model.module.eval()
        model.representation.eval()
        with seeded(0):  # some backbones draw, and the training must not depend on the picture
            nearest = torch.cat([model.nearest(branch, positions) for branch in windows])
            vectors = model.vectors(outputs(model, windows.flatten(0, 1), nearest))
        return vectors.unflatten(0, (3, -1)).cpu().numpy()


def picture(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Coordinates of vectors [3, N, D] before and after training, plain values for the report, see `plane`.

    Each has axes of its own: before training the head's directions mean nothing that they would mean afterwards.
    """
    return {"before": plane(before), "after": plane(after)}


def plane(vectors: np.ndarray) -> dict[str, Any]:
    """Vectors [3, N, D] on their two main axes (PCA over all branches).

    Returns
    -------
    dict
        ``x`` and ``y`` of each branch, rounded; the share of the variance that the two axes hold; and the separability
        of the vectors themselves: the AUC of the distance to the nearest raw window, pseudo-anomalous against raw.
    """
    rows = vectors.reshape(-1, vectors.shape[2]).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    axes = axes[:2]
    # The sign of an axis is free: its largest entry points upwards.
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    x, y = np.moveaxis((rows @ axes.T).reshape(*vectors.shape[:2], 2).round(4), 2, 0)
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-12)
    branches = {name: {"x": x[k].tolist(), "y": y[k].tolist()} for k, name in enumerate(BRANCHES)}
    return {
        "variance": round(float(shares[:2].sum()), 4),
        "separability": round(separability(vectors), 4),
        "branches": branches,
    }


def separability(vectors: np.ndarray) -> float:
    """AUC of the cosine distance to the nearest other raw vector: pseudo-anomalous against raw ones, of [3, N, D]."""
    raw, _, pseudo = vectors.astype(np.float64)
    among = raw @ raw.T
    np.fill_diagonal(among, -np.inf)
    return auc(-among.max(axis=1), -(pseudo @ raw.T).max(axis=1))
