"""Compute gradients for the two kinds of step: of the head alone, and of ``L_post`` in backbone and head."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ape.detectors import Detector, WindowedDetector
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.losses import contrast
from ape.posttrain.parts import Parts, as_parts, parts_of
from ape.posttrain.recipe import Recipe
from ape.posttrain.representation import Representation


def head_gradients(head: Representation, parts: Parts, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Add the gradients of ``lambda * L_con`` to those of the head, given stored inputs of the three branches, [3B, .].

    Returns
    -------
    tuple of Tensor, scalars
        ``L_con``, detached, and zero.
    """
    contrastive = head_loss(head, parts, recipe)
    (recipe.weight * contrastive).backward()
    return contrastive.detach(), torch.zeros_like(contrastive)


def head_loss(head: Representation, parts: Parts, recipe: Recipe) -> Tensor:
    """Return ``L_con`` for inputs of the three branches, [3B, .]."""
    return contrast(head(parts).unflatten(1, (3, -1)), recipe, head.centres)


def joint_gradients(
    model: EnhancedDetector, windows: Tensor, nearest: Tensor, recipe: Recipe, at_once: int
) -> tuple[Tensor, Tensor]:
    """Add the gradients of ``L_post = L_rec + lambda * L_con`` to those of backbone and head.

    Parameters
    ----------
    model : EnhancedDetector
    windows : Tensor [3, B, C, L]
        Raw, augmented and pseudo-anomalous, data units.
    nearest : Tensor [3, B, 3 cells]
        Their pooled differences to the nearest training windows.
    recipe : Recipe
    at_once : int
        Number of windows in one pass of the backbone. Below 3B, the windows are processed in parts and recomputed in
        the backward pass (Chen et al., arXiv 1604.06174), so that the contrast still uses all of them. ``L_rec`` is
        then the mean over parts of the raw windows.

    Returns
    -------
    tuple of Tensor, scalars
        ``L_con`` and ``L_rec``, detached.
    """
    head, backbone, raw = model.representation, model.backbone, windows[0]
    flat, known = windows.flatten(0, 1), nearest.flatten(0, 1)
    if at_once >= len(flat):
        contrastive, reconstruction = joint_losses(model, windows, nearest, recipe)
        (recipe.weight * contrastive + reconstruction).backward()
        return contrastive.detach(), reconstruction.detach()

    def some(x: Tensor, near: Tensor) -> Parts:
        return parts_of(backbone, x, near)[0]

    pairs = zip(flat.split(at_once), known.split(at_once), strict=True)
    rows = [checkpoint(some, x, near, use_reentrant=False) for x, near in pairs]
    parts = Parts(*(torch.cat(part) for part in zip(*rows, strict=True)))
    contrastive = head_loss(head, parts, recipe)
    (recipe.weight * contrastive).backward()
    reconstruction = torch.zeros_like(contrastive.detach())
    for x in raw.split(at_once):
        loss = backbone.loss(x) * (len(x) / len(raw))
        loss.backward()
        reconstruction += loss.detach()
    return contrastive.detach(), reconstruction


def joint_losses(model: EnhancedDetector, windows: Tensor, nearest: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Return ``L_con`` and ``L_rec`` of windows [3, B, C, L], see `joint_gradients`."""
    parts, reconstruction = one_pass(model.backbone, windows.flatten(0, 1), nearest.flatten(0, 1), windows.shape[1])
    return head_loss(model.representation, parts, recipe), reconstruction


def one_pass(backbone: Detector, windows: Tensor, nearest: Tensor, loss_count: int) -> tuple[Parts, Tensor]:
    """Return `parts_of` of windows [B, C, L], and the loss of the first ``loss_count`` windows.

    `Detector` does not require `one_pass`, because it only saves time. A detector without it is called three times.
    """
    if not isinstance(backbone, WindowedDetector):
        return parts_of(backbone, windows, nearest)[0], backbone.loss(windows[:loss_count])
    rebuilt, latent, loss = backbone.one_pass(windows, loss_count)
    return as_parts(backbone, windows, rebuilt, latent, nearest)[0], loss
