"""The contrastive part of the post-training objective."""

from __future__ import annotations

import torch
from torch.nn.functional import softplus


def info_nce(
    query: torch.Tensor,
    keys: torch.Tensor,
    positive: torch.Tensor,
    negatives: torch.Tensor,
    temperature: float,
    negative: torch.Tensor | None = None,
) -> torch.Tensor:
    """InfoNCE with one or more positives a query, and all negatives in common unless ``negative`` says which.

    For each pair of a query q and one of its positives k+, ``-log(e^{q.k+/t} / (e^{q.k+/t} + sum_j e^{q.k-_j/t}))``
    (van den Oord et al., arXiv 1807.03748); keys that are not a query's positives are left out, never pushed away.

    Parameters
    ----------
    query : Tensor [B, D]
        Unit vectors of raw windows.
    keys : Tensor [K, D]
        Unit vectors of candidates for positives.
    positive : bool Tensor [B, K]
        Which keys are positives of which query; at least one each.
    negatives : Tensor [N, D]
        Unit vectors to be pushed away.
    temperature : float
    negative : bool Tensor [B, N], optional
        Which negatives are those of which query.

    Returns
    -------
    Tensor, scalar
        Mean over positives, then over queries.
    """
    likeness = query @ negatives.T / temperature
    if negative is not None:
        likeness = likeness.masked_fill(~negative, -torch.inf)
    repulsion = torch.logsumexp(likeness, dim=1, keepdim=True)
    each = softplus(repulsion - query @ keys.T / temperature)
    return ((each * positive).sum(1) / positive.sum(1)).mean()
