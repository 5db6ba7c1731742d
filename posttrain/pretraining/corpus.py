"""The corpus: generated processes by number of channels, with references and usual sizes at every time scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ape.core.progress import Progress
from ape.posttrain.discriminator.inputs import Usual, measure_usual, standardise
from ape.posttrain.discriminator.references import References, pooled
from ape.posttrain.pretraining.processes import LENGTH, draw_process
from ape.rules import build_context
from ape.rules.schema import Context
from ape.series import Series

FACTORS = (1, 2, 4)  # samples in a cell
TRAINED = 0.6  # share of a process that is its training part
AT_ONCE = 64  # processes measured together


@dataclass(frozen=True)
class Scales:
    """What operators need to know of the channels, data units, [G, C] each; see `ape.rules.schema.ChannelContext`."""

    centre: Tensor
    scale: Tensor
    residual: Tensor
    low: Tensor
    high: Tensor
    limit_low: Tensor
    limit_high: Tensor


@dataclass(frozen=True)
class Group:
    """Processes with the same number of channels.

    Parameters
    ----------
    number : ndarray, int64 [G]
        Of each process, as in `draw_process`.
    samples : Tensor, float32 [G, C, T]
        Data units.
    scales : Scales
    cycle : Tensor [G]
        Period in samples, or a substitute.
    references : dict of int to References
        By factor.
    usual : dict of int to Usual
        By factor.
    """

    number: np.ndarray
    samples: Tensor
    scales: Scales
    cycle: Tensor
    references: dict[int, References]
    usual: dict[int, Usual]

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.samples.shape[1]


def build_corpus(seed: int, numbers: range, device: torch.device, progress: Progress | None = None) -> list[Group]:
    """Generate the processes with these numbers and measure them; one group for each number of channels."""
    by_channels: dict[int, list[tuple[int, np.ndarray, Context]]] = {}
    for done, number in enumerate(numbers):
        values = draw_process(seed, number).values
        names = tuple(map(str, range(values.shape[1])))
        context = build_context(Series(values[: int(TRAINED * LENGTH)], names))
        by_channels.setdefault(values.shape[1], []).append((number, values, context))
        if progress is not None and done % 100 == 0:
            progress("processes", done, len(numbers))
    return [_group(members, device) for _, members in sorted(by_channels.items())]


def _group(members: list[tuple[int, np.ndarray, Context]], device: torch.device) -> Group:
    """Stack processes with the same number of channels and measure what is usual in them."""
    samples = torch.from_numpy(np.stack([values.T for _, values, _ in members])).to(device)
    contexts = [context for *_, context in members]
    trained = int(TRAINED * samples.shape[2])

    def of(field: str) -> Tensor:
        rows = [[getattr(channel, field) for channel in context.channels] for context in contexts]
        return torch.tensor(rows, dtype=torch.float32, device=device)

    scales = Scales(
        centre=samples[:, :, :trained].median(2).values,
        scale=of("scale"),
        residual=of("residual_scale"),
        low=of("quantile_low"),
        high=of("quantile_high"),
        limit_low=of("limit_low"),
        limit_high=of("limit_high"),
    )
    standard = standardise(samples[:, :, :trained], scales.centre, scales.scale)
    references = {f: References(pooled(standard, f), trained // f, f) for f in FACTORS}
    return Group(
        number=np.array([number for number, *_ in members]),
        samples=samples,
        scales=scales,
        cycle=torch.tensor([float(context.cycle) for context in contexts], device=device),
        references=references,
        usual={f: _usual(standard, references[f]) for f in FACTORS},
    )


def _usual(standard: Tensor, references: References) -> Usual:
    """Measure what is usual, some processes at a time."""
    parts = [
        measure_usual(
            standard[i : i + AT_ONCE],
            References(references.cells[i : i + AT_ONCE], references.trained, references.factor),
        )
        for i in range(0, len(standard), AT_ONCE)
    ]
    return Usual(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})
