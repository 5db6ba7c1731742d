"""What the voices say of points before calibration, and how they read it off the inputs of windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from ape.posttrain.discriminator.free import FREE_FACTORS, free_voice
from ape.posttrain.discriminator.inputs import VALUE
from ape.posttrain.discriminator.rules import BankDiscriminator
from ape.posttrain.discriminator.screening import of_channels, standing_out
from ape.posttrain.discriminator.subspace import Subspace

DISTANCES = 2  # to the nearest window and to the subspace


@dataclass(frozen=True)
class Evidence:
    """What the voices say of n points, before calibration. NaN in stretches that are shorter than a window.

    Parameters
    ----------
    bank : Tensor, float32 [n, C, R]
        Log-odds of each rule of the bank, mean over windows and factors; less at channels that a rule does not name. R
        is 0 without a bank.
    generic : Tensor, float32 [n, C, K]
        The same for each operator.
    free : Tensor, float32 [n, F, C]
        Logarithm of the free voice's squared distance, mean over windows, at each of its time scales; NaN at those that
        do not fit into a stretch.
    subspace : Tensor, float32 [n, C]
        Logarithm of the squared distance to the subspace of normal patches, mean over windows.
    time : Tensor, int64 [n]
        Place of the points in the training part or in the scored series.
    age : Tensor, int64 [n]
        Samples without a gap that followed a point when it was read; `Scoring.latency` if no later one changes it.
    benign : Tensor, float32 [n, C, Q + 1]
        The same for each benign rule, minus infinity at channels that it does not name, and last for any other anomaly
        than these; [n, C, 0] without any.
    """

    bank: Tensor
    generic: Tensor
    free: Tensor
    subspace: Tensor
    time: Tensor
    age: Tensor
    benign: Tensor

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.time)

    def take(self, pick: Tensor | slice) -> Evidence:
        """Return some points."""
        return Evidence(**{name: value[pick] for name, value in vars(self).items()})

    def split(self, values: int) -> Iterator[Evidence]:
        """Yield the points in parts, each with at most about so many log-odds of all operators."""
        rows = max(1, values // max(1, self.generic[:1].numel()))
        for first in range(0, len(self), rows):
            yield self.take(slice(first, first + rows))

    def over(self, begin: int, end: int) -> Evidence:
        """Return the evidence of the points ``begin`` to ``end``, by `time`; NaN at those that it lacks."""
        kept = self.take((self.time >= begin) & (self.time < end))
        at = {
            name: value.new_full((end - begin, *value.shape[1:]), torch.nan)
            for name, value in vars(kept).items()
            if value.is_floating_point()
        }
        for name, value in at.items():
            value[kept.time - begin] = getattr(kept, name)
        time = torch.arange(begin, end)
        age = torch.zeros_like(time)
        age[kept.time - begin] = kept.age
        return Evidence(**at, time=time, age=age)

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Evidence:
        """Return the points of all parts, one part after the other."""
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


@dataclass(frozen=True)
class Reader:
    """Reads all voices off the inputs of a batch of windows; of very many channels, those that stand out.

    Parameters
    ----------
    generic : BankDiscriminator
        Of all operators.
    subspace : Subspace
        Of the training part.
    bank : BankDiscriminator, optional
        Of the scenario's bank. Sees the backbone's inputs as well.
    backbone : callable, optional
        Maps windows [B, C, cells * factor] in data units and the factor to the backbone's inputs [B, C, N, cells].
    """

    generic: BankDiscriminator
    subspace: Subspace
    bank: BankDiscriminator | None = None
    backbone: Callable[[Tensor, int], Tensor] | None = None

    @property
    def rules(self) -> int:
        """Number of rules R of the bank."""
        return 0 if self.bank is None else self.bank.question.rules

    @property
    def voices(self) -> int:
        """Number of values at a point and channel: outputs of the bank's model, operators, and two distances."""
        outputs = 0 if self.bank is None else self.bank.channels.shape[0]
        return outputs + self.generic.channels.shape[0] + DISTANCES

    @cached_property
    def same_trunk(self) -> bool:
        """Whether both models have the same trunk, as after post-training, so that it is applied once."""
        if self.bank is None:
            return False
        own, other = (
            [*model.network.enter.parameters(), *model.network.blocks.parameters()]
            for model in (self.bank, self.generic)
        )
        return all(x is y or torch.equal(x, y) for x, y in zip(own, other, strict=True))

    def read(self, seen: Tensor, raw: Tensor | None, factor: int) -> Tensor:
        """Return what all voices say, [B, C, V, cells]: the bank's model, generic, free, subspace.

        The subspace voice speaks at the factor 1 and of several channels only; of one, the free voice knows more.

        Parameters
        ----------
        seen : Tensor [B, C, 19, cells]
            Inputs of the network.
        raw : Tensor [B, C, cells * factor], optional
            The same windows in data units, for the backbone.
        factor : int
        """
        free = free_voice(seen)
        speaks = factor == 1 and seen.shape[1] > 1
        subspace = self.subspace.distance(torch.sinh(seen[:, :, VALUE])) if speaks else torch.zeros_like(free)
        if self.backbone is not None and raw is not None:
            seen = torch.cat([seen, self.backbone(raw, factor)], 2)
        chosen = standing_out(seen)
        seen = seen if chosen is None else of_channels(seen, chosen)
        hidden, prototypes = self.generic.trunk(seen), self._prototypes(factor)
        parts = [self.generic.log_odds_of(hidden, seen, prototypes[0], chosen), torch.stack([free, subspace], 2)]
        if self.bank is not None:
            hidden = hidden if self.same_trunk else self.bank.trunk(seen)
            parts.insert(0, self.bank.log_odds_of(hidden, seen, prototypes[1], chosen))
        return torch.cat(parts, 2)

    def _prototypes(self, factor: int) -> list[tuple[Tensor, Tensor]]:
        """Return the prototypes of all operators and of the bank's model at a factor; they are computed once."""
        if factor in self._known:
            return self._known[factor]
        found = [model.prototypes(factor) for model in (self.generic, self.bank) if model is not None]
        if not torch.compiler.is_exporting():
            self._known[factor] = found
        return found

    @cached_property
    def _known(self) -> dict[int, list[tuple[Tensor, Tensor]]]:
        return {}

    def evidence(self, means: Mapping[int, Tensor | None], time: Tensor, age: Tensor) -> Evidence:
        """Gather what all voices say of n points.

        Parameters
        ----------
        means : mapping of int to Tensor [n, C, V], or None
            By factor: the mean over windows; None where no window fits.
        time, age : Tensor, int64 [n]
        """
        moved = self.generic.moved
        nothing = moved.new_full((len(time), self.generic.channels.shape[1], self.voices), torch.nan)
        fitting = [mean for mean in means.values() if mean is not None] or [nothing]
        odds = reduce(torch.add, fitting)[..., :-DISTANCES] / len(fitting)
        of_free = [means[factor] for factor in FREE_FACTORS if factor in means]
        free = torch.stack([(nothing if mean is None else mean)[..., -2] for mean in of_free], 1)
        subspace = (nothing if means[1] is None else means[1])[..., -1]
        count = self.generic.channels.shape[0]
        bank, benign, generic = odds.tensor_split((self.rules, odds.shape[-1] - count), -1)
        return Evidence(bank, generic, free, subspace, time, age, benign)
