"""The free voice: how far a window is from the nearest normal one, without any training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from ape.posttrain.discriminator.inputs import REGRESSION, SHAPE

FREE_FACTORS = (1, 2)  # time scales at which the distance is read
MOVING = 32  # cells
LEAST = 1e-4  # squared usual sizes


def free_voice(seen: Tensor) -> Tensor:
    """Return the log of the local squared distance to what is normal, in usual sizes.

    It is the mean of the squared differences to the nearest window by shape and, with several channels, to the
    regression on the other channels.

    Parameters
    ----------
    seen : Tensor [B, C, 19, cells]
        Inputs of the network, see `ape.posttrain.discriminator.inputs.inputs`.

    Returns
    -------
    Tensor [B, C, cells]
        Mean over a centred moving window.
    """
    kinds = [SHAPE, REGRESSION] if seen.shape[1] > 1 else [SHAPE]
    square = torch.sinh(seen[:, :, kinds]).square().mean(2)  # the inputs hold the asinh
    moving = avg_pool1d(square, MOVING, 1, MOVING // 2, count_include_pad=False)[..., :-1]
    return torch.log(moving + LEAST)
