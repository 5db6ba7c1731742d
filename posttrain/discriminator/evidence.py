"""What the voices say of points before calibration, and how they read it off the inputs of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ape.posttrain.discriminator.free import free_voice
from ape.posttrain.discriminator.rules import BankDiscriminator


@dataclass(frozen=True)
class Evidence:
    """What the voices say of n points, before calibration. NaN in stretches that are shorter than a window.

    Parameters
    ----------
    bank : Tensor, float32 [n, C, R]
        Log-odds of each rule of the bank, mean over windows and factors; minus infinity at channels that a rule does
        not name. R is 0 without a bank.
    generic : Tensor, float32 [n, C, K]
        The same for each operator.
    free : Tensor, float32 [n, C]
        Logarithm of the free voice's distance.
    time : Tensor, int64 [n]
        Place of the points in the training part or in the scored series.
    age : Tensor, int64 [n]
        Samples without a gap that followed a point when it was read; `Scoring.latency` for final points.
    """

    bank: Tensor
    generic: Tensor
    free: Tensor
    time: Tensor
    age: Tensor

    def __len__(self) -> int:
        return len(self.time)

    def take(self, pick: Tensor | slice) -> Evidence:
        """Return some points."""
        return Evidence(**{name: value[pick] for name, value in vars(self).items()})

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Evidence:
        """Return the points of all parts, one part after the other."""
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


@dataclass(frozen=True)
class Reader:
    """Reads all voices off the inputs of a batch of windows.

    Parameters
    ----------
    generic : BankDiscriminator
        Of all operators.
    bank : BankDiscriminator, optional
        Of the scenario's bank. Sees the backbone's inputs as well.
    backbone : callable, optional
        Maps windows [B, C, cells * factor] in data units and the factor to the backbone's inputs [B, C, N, cells].
    """

    generic: BankDiscriminator
    bank: BankDiscriminator | None = None
    backbone: Callable[[Tensor, int], Tensor] | None = None

    @property
    def rules(self) -> int:
        """Number of rules R of the bank."""
        return 0 if self.bank is None else self.bank.channels.shape[0]

    def read(self, seen: Tensor, raw: Tensor, factor: int) -> Tensor:
        """Return what all voices say, [B, C, R + K + 1, cells]: bank, generic, free.

        Parameters
        ----------
        seen : Tensor [B, C, 19, cells]
            Inputs of the network.
        raw : Tensor [B, C, cells * factor]
            The same windows in data units.
        factor : int
        """
        parts = [self.generic.log_odds(seen, factor), free_voice(seen)[:, :, None]]
        if self.bank is not None:
            if self.backbone is not None:
                seen = torch.cat([seen, self.backbone(raw, factor)], 2)
            parts.insert(0, self.bank.log_odds(seen, factor))
        return torch.cat(parts, 2)

    def evidence(self, voices: Tensor, time: Tensor, age: Tensor) -> Evidence:
        """Split what all voices say of points, [n, C, R + K + 1]."""
        return Evidence(voices[..., : self.rules], voices[..., self.rules : -1], voices[..., -1], time, age)
