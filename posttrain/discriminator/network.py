"""The network: a dense trunk, and one prototype for normal and for each rule that a point is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from ape.posttrain.discriminator.inputs import INPUTS
from ape.rules import OPERATORS

NAMES = tuple(OPERATORS)  # in this order
WIDTH = 64
DILATIONS = (1, 2, 4, 8, 16, 1, 4)
KERNEL = 5
CONDITIONS = 8  # see `condition`
ROWS = 8  # that a CPU maps at once: more of them leave its cache, and each takes up to twice as long


def condition(size: Tensor, length: Tensor, creep: Tensor) -> Tensor:
    """Describe what a rule says, as inputs of the network.

    Parameters
    ----------
    size : Tensor [..., 2]
        Smallest and largest change, in robust standard deviations of the series; NaN if the rule does not say.
    length : Tensor [..., 2]
        Shortest and longest duration in cells; NaN if the rule does not say.
    creep : Tensor [...]
        Share of the duration over which the anomaly builds up; NaN if the rule does not say.

    Returns
    -------
    Tensor [..., 8]
        Each quantity is followed by whether it is known.
    """
    known = [~x.isnan() for x in (size[..., 0], length[..., 0], creep)]
    logs = [torch.log(size.clamp(min=1e-2)), torch.log(length.clamp(min=1e-1)) - 2.5]
    parts = [*logs[0].unbind(-1), *logs[1].unbind(-1), creep]
    return torch.stack([torch.nan_to_num(x) for x in parts] + [x.float() for x in known], -1)


class Block(nn.Module):
    """Residual block of a dilated convolution and a pointwise one."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.wide = nn.Conv1d(width, width, KERNEL, padding=dilation * (KERNEL // 2), dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, width, 128] to the same shape."""
        return x + self.mix(nn.functional.gelu(self.wide(self.norm(x))))


class RuleDiscriminator(nn.Module):
    """Log-odds of rules against normal, ``log p(rule | x) / p(normal | x)``.

    A point and a rule meet in a dot product: the point's feature vector with the prototype of the rule, less that of
    normal. The prototype depends on the operator and on what the rule says of size, length and creep.

    Parameters
    ----------
    width : int
        Channels of the trunk.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.enter = nn.Conv1d(INPUTS, width, KERNEL, padding=KERNEL // 2)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in DILATIONS)
        self.leave = nn.Sequential(nn.GroupNorm(8, width), nn.Conv1d(width, width, 1), nn.GELU())
        self.prototypes = nn.Parameter(torch.randn(len(NAMES), width) / width**0.5)
        self.bias = nn.Parameter(torch.full((len(NAMES),), -3.0))
        self.said = nn.Sequential(nn.Linear(CONDITIONS, 32), nn.GELU())
        self.shift = nn.Parameter(torch.zeros(len(NAMES), 32, width + 1))

    def features(self, x: Tensor) -> Tensor:
        """Map inputs [..., 19, 128] to features [..., width, 128]."""
        return self.leave(self.trunk(x.flatten(0, -3))).unflatten(0, x.shape[:-2])

    def trunk(self, x: Tensor) -> Tensor:
        """Map inputs [N, 19, 128] through all layers but the last, [N, width, 128]."""
        if not torch.compiler.is_exporting() and x.device.type == "cpu" and len(x) > ROWS:
            return torch.cat([self._layers(part) for part in x.split(ROWS)])
        return self._layers(x)

    def _layers(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        for block in self.blocks:
            h = block(h)
        return h

    def rule_prototypes(self, operator: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prototypes [..., width] and the biases [...] of rules.

        Parameters
        ----------
        operator : Tensor, int64 [...]
            Places in `NAMES`.
        said : Tensor [..., 8]
            From `condition`.
        """
        # `embedding` and not indexing: with several threads, the gradient of indexing depends on their order.
        heard = self.said(said) - self.said(torch.zeros_like(said))  # zero if the rule says nothing
        shift = embedding(operator, self.shift.flatten(1)).unflatten(-1, self.shift.shape[1:])
        moved = torch.einsum("...h,...hd->...d", heard, shift)
        bias = embedding(operator, self.bias[:, None])[..., 0]
        return embedding(operator, self.prototypes) + moved[..., :-1], bias + moved[..., -1]

    def log_odds(self, features: Tensor, prototypes: Tensor, bias: Tensor) -> Tensor:
        """Return the log-odds of rules with prototypes [B, R, width] or [R, width] at features [B, C, width, 128].

        Returns
        -------
        Tensor [B, C, R, 128]
        """
        prototypes, bias = prototypes.unsqueeze(-3), bias.unsqueeze(-2)[..., None]
        return prototypes @ features + bias
