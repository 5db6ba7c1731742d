"""The corpus: generated processes by number of channels, with references and usual sizes at every time scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ape.core.progress import Progress
from ape.posttrain.discriminator.inputs import Usual, measure_usual, standardise
from ape.posttrain.discriminator.references import References, pooled
from ape.posttrain.pretraining.anomalies import RELATIONAL, disturb_source
from ape.posttrain.pretraining.processes import LENGTH, Process, draw_process
from ape.rules import build_context
from ape.rules.schema import Context
from ape.series import Series

FACTORS = (1, 2, 4)  # samples in a cell
TRAINED = 0.6  # share of a process that is its training part
STRETCHES = 2  # of the last part of a process, each with one fault of a hidden signal
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
class Faults:
    """Faults of hidden signals, one in each of the last stretches of G processes.

    Parameters
    ----------
    samples : Tensor, float32 [G, C, T]
        The processes with the faults.
    operator : Tensor, int64 [G, stretches]
    start, length, creep : Tensor [G, stretches]
        In samples, from the begin of the stretch; the last as a share of the length.
    """

    samples: Tensor
    operator: Tensor
    start: Tensor
    length: Tensor
    creep: Tensor


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
    faults : Faults
    """

    number: np.ndarray
    samples: Tensor
    scales: Scales
    cycle: Tensor
    references: dict[int, References]
    usual: dict[int, Usual]
    faults: Faults

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.samples.shape[1]


@dataclass(frozen=True)
class _Member:
    """One process, its context and its faults."""

    number: int
    process: Process
    context: Context
    faults: tuple[Tensor, Tensor, Tensor, Tensor]


def build_corpus(seed: int, numbers: range, device: torch.device, progress: Progress | None = None) -> list[Group]:
    """Generate the processes with these numbers and measure them; one group for each number of channels."""
    by_channels: dict[int, list[_Member]] = {}
    for done, number in enumerate(numbers):
        member = _member(seed, number)
        by_channels.setdefault(member.process.values.shape[1], []).append(member)
        if progress is not None and done % 100 == 0:
            progress("processes", done, len(numbers))
    return [_group(members, device) for _, members in sorted(by_channels.items())]


def stretch() -> tuple[int, int]:
    """Return where the first stretch with a fault begins, and the length of each, in samples."""
    first = int(TRAINED * LENGTH)
    return first, (LENGTH - first) // STRETCHES


def _member(seed: int, number: int) -> _Member:
    """Generate one process, with one fault in each stretch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    operator = torch.multinomial((~RELATIONAL).float(), STRETCHES, replacement=True, generator=generator)
    first, length = stretch()
    drawn: list[Tensor] = []

    def disturb(source: np.ndarray) -> np.ndarray:
        at = slice(first, first + STRETCHES * length)
        made, *rest = disturb_source(torch.from_numpy(source[at]).view(STRETCHES, -1).float(), operator, generator)
        drawn.extend(rest)
        changed = source.copy()
        changed[at] = made.flatten().numpy()
        return changed

    process = draw_process(seed, number, disturb=disturb)
    names = tuple(map(str, range(process.values.shape[1])))
    context = build_context(Series(np.ascontiguousarray(process.values[:first]), names))
    return _Member(number, process, context, (operator, *drawn))  # type: ignore[arg-type]


def _group(members: list[_Member], device: torch.device) -> Group:
    """Stack processes with the same number of channels and measure what is usual in them."""
    samples = torch.from_numpy(np.stack([member.process.values.T for member in members])).to(device)
    disturbed = torch.from_numpy(np.stack([member.process.disturbed.T for member in members])).to(device)
    trained = int(TRAINED * samples.shape[2])

    def of(field: str) -> Tensor:
        rows = [[getattr(channel, field) for channel in member.context.channels] for member in members]
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
        number=np.array([member.number for member in members]),
        samples=samples,
        scales=scales,
        cycle=torch.tensor([float(member.context.cycle) for member in members], device=device),
        references=references,
        usual={f: _usual(standard, references[f]) for f in FACTORS},
        faults=Faults(
            disturbed, *(torch.stack(part).to(device) for part in zip(*(m.faults for m in members), strict=True))
        ),
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
