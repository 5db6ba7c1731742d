"""The contrastive part of the post-training objective."""

from __future__ import annotations

import torch
from torch.nn.functional import softplus

from ape.posttrain.recipe import Recipe


def info_nce(
    query: torch.Tensor,
    keys: torch.Tensor,
    positive: torch.Tensor,
    negatives: torch.Tensor,
    temperature: float,
    negative: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute the InfoNCE loss (van den Oord et al., arXiv 1807.03748) with one or more positives per query.

    The loss of a query q and one of its positives k+ is ``-log(e^{q.k+/t} / (e^{q.k+/t} + sum_j e^{q.k-_j/t}))``. Keys
    that are not positives of a query are ignored. All queries share the negatives unless ``negative`` selects them.

    Parameters
    ----------
    query : Tensor [B, D]
        Unit vectors of raw windows.
    keys : Tensor [K, D]
        Unit vectors of possible positives.
    positive : bool Tensor [B, K]
        Which keys are positives of which query, at least one per query.
    negatives : Tensor [N, D]
        Unit vectors to push away.
    temperature : float
    negative : bool Tensor [B, N], optional
        Which negatives belong to which query.

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


def contrast(vectors: torch.Tensor, recipe: Recipe, centres: torch.Tensor) -> torch.Tensor:
    """Return ``L_con``, averaged over heads, of unit vectors [H, 3, B, D] of the raw, augmented and pseudo branches.

    If the recipe has no negatives, windows are attracted to ``centres`` [H, D].
    """
    return torch.stack([_contrast(head, recipe, centre) for head, centre in zip(vectors, centres, strict=True)]).mean()


def _contrast(vectors: torch.Tensor, recipe: Recipe, centre: torch.Tensor) -> torch.Tensor:
    raw, augmented, pseudo = vectors
    if recipe.negatives == "none":
        return 1 - (vectors[:2] @ centre).mean()
    own = torch.eye(len(raw), dtype=torch.bool, device=raw.device)
    if recipe.negatives == "batch":
        return info_nce(raw, augmented, own, augmented, recipe.temperature, ~own)
    if recipe.positives == "own":
        return info_nce(raw, augmented, own, pseudo, recipe.temperature)
    everyone = torch.cat([torch.ones_like(own), ~own], 1)
    return info_nce(raw, torch.cat([augmented, raw]), everyone, pseudo, recipe.temperature)
