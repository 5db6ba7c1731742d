"""Dense InfoNCE: every point against normal and the rules (van den Oord et al., arXiv 1807.03748)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def dense_contrast(odds: Tensor, rule: Tensor, share: Tensor) -> Tensor:
    """Return the contrastive loss of each cell, [..., W].

    A cell belongs to its rule with the share of the change, and to normal with the rest.

    Parameters
    ----------
    odds : Tensor [..., R, W]
        Log-odds of the rules against normal.
    rule : Tensor, int64 [...]
        The rule of each window; -1 for normal ones.
    share : Tensor [..., W]
        How anomalous a cell is, 0 to 1.
    """
    logits = torch.cat([torch.zeros_like(odds[..., :1, :]), odds], -2)
    target = one_hot(rule + 1, logits.shape[-2])[..., None] * share[..., None, :]
    target[..., 0, :] = 1 - share
    return -(target * logits.log_softmax(-2)).sum(-2)
