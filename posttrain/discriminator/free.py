"""The free voice: how far a window is from the nearest normal one, without any training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from ape.posttrain.discriminator.inputs import JOINT

MOVING = 16  # cells
LEAST = 1e-3  # usual sizes


def free_voice(seen: Tensor) -> Tensor:
    """Return the log of the local distance to the nearest window, in usual sizes.

    Parameters
    ----------
    seen : Tensor [B, C, 19, cells]
        Inputs of the network, see `ape.posttrain.discriminator.inputs.inputs`.

    Returns
    -------
    Tensor [B, C, cells]
        Root mean square over a centred moving window, logarithm.
    """
    square = torch.sinh(seen[:, :, JOINT]).square()  # the inputs hold the asinh
    padded = torch.nn.functional.pad(square, (MOVING // 2, (MOVING - 1) // 2))
    inside = torch.nn.functional.pad(torch.ones_like(square[:1, :1]), (MOVING // 2, (MOVING - 1) // 2))
    mean = avg_pool1d(padded, MOVING, 1) / avg_pool1d(inside, MOVING, 1)
    return 0.5 * torch.log(mean + LEAST**2)
