"""Picture of the contrastive space: raw, augmented and pseudo-anomalous held-out windows in two dimensions."""

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

POINTS = 100  # per branch
BRANCHES = ("raw", "augmented", "pseudo-anomalous")


@dataclass(frozen=True)
class Subjects:
    """Held-out hosts that were not used for training, and their two other branches.

    Parameters
    ----------
    windows : Tensor, float32 [3, N, C, L]
        Data units; raw, augmented, pseudo-anomalous.
    positions : Tensor, int64 [N]
        Starts of the hosts in the series.
    """

    windows: torch.Tensor
    positions: torch.Tensor

    @classmethod
    def draw(cls, bank: RuleBank, candidates: Candidates, window: int, seed: int) -> Subjects:
        """Take up to a hundred evenly spaced hosts from the held-out windows. The draw has its own generator.

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
        """Return the unit vectors that ``model`` gives them, float32 [3, N, D]."""
        device = device_of(model.backbone)
        windows, positions = self.windows.to(device), self.positions.to(device)
        model.module.eval()
        model.representation.eval()
        with seeded(0):  # some backbones draw random numbers; training must not depend on the picture
            nearest = torch.cat([model.nearest(branch, positions) for branch in windows])
            vectors = model.vectors(outputs(model, windows.flatten(0, 1), nearest))
        return vectors.unflatten(0, (3, -1)).cpu().numpy()


def picture(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Return the coordinates of vectors [3, N, D] before and after training as plain values, see `plane`.

    The two have separate axes, because the directions of the head before training are unrelated to those after it.
    """
    return {"before": plane(before), "after": plane(after)}


def plane(vectors: np.ndarray) -> dict[str, Any]:
    """Project vectors [3, N, D] on their two main axes (PCA over all branches).

    Returns
    -------
    dict
        ``x`` and ``y`` of each branch, rounded; the share of the variance on the two axes; and the `separability` of
        the vectors.
    """
    rows = vectors.reshape(-1, vectors.shape[2]).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    axes = axes[:2]
    # the sign of an axis is arbitrary: make its largest entry positive
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
    """Return how well the cosine distance to the nearest other raw vector separates vectors [3, N, D].

    This is the AUC of pseudo-anomalous against raw vectors.
    """
    raw, _, pseudo = vectors.astype(np.float64)
    among = raw @ raw.T
    np.fill_diagonal(among, -np.inf)
    return auc(-among.max(axis=1), -(pseudo @ raw.T).max(axis=1))
