"""The inputs of the network: a window relative to its normal references, for each channel and cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from ape.posttrain.discriminator.references import LARGEST, Nearest, References, pooled

INPUTS = 19
VALUE = 0  # input that holds the asinh of the standardised cells
SHAPE, REGRESSION = 4, 6  # inputs that hold the asinh of a difference, in usual sizes; see `compare`
SMOOTH = 9  # cells over which roughness is averaged
LEAST = 1e-3  # standard deviations; smallest divisor of a difference
CUT = 0.98  # quantile above which normal differences are cut off, so that a rare burst does not set their usual size


@dataclass(frozen=True)
class Usual:
    """What is usual in the training part of G series with C channels; differences in standard deviations.

    Parameters
    ----------
    low, high : Tensor [G, C]
        Range of the samples.
    step : Tensor [G, C]
        Mean size of the change from one sample to the next.
    repeats : Tensor [G, C]
        Share of samples that repeat the last one exactly.
    longest : Tensor [G, C]
        Most repeats in a row.
    swing : Tensor [G, C]
        Mean range inside a cell.
    differences : Tensor [G, C, 5]
        Root mean square of the differences that `compare` makes.
    distance : Tensor [G]
        Median distance to the nearest window.
    """

    low: Tensor
    high: Tensor
    step: Tensor
    repeats: Tensor
    longest: Tensor
    swing: Tensor
    differences: Tensor
    distance: Tensor

    def take(self, group: Tensor) -> Usual:
        """Return the rows of some series."""
        return Usual(**{name: value[group] for name, value in vars(self).items()})


def standardise(samples: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Standardise [G, C, n] with [G, C] each; extreme values are cut off."""
    return ((samples - centre[..., None]) / scale[..., None]).clamp(-LARGEST, LARGEST).float()


def clear_of(starts: Tensor, references: References) -> Tensor:
    """Return where references of windows at cells [B] of the same series may start: they do not overlap."""
    window = references.window
    places = torch.arange(references.cells.shape[2] - window + 1, device=starts.device)
    inside = places + window <= references.trained
    return inside & ((places - starts[:, None]).abs() >= window)


def measure_usual(samples: Tensor, references: References, places: Tensor | None = None, count: int = 48) -> Usual:
    """Measure what is usual in the training part.

    Parameters
    ----------
    samples : Tensor, float32 [G, C, T]
        Standardised training part.
    references : References
        The same at some factor.
    places : Tensor, bool [m], optional
        Where windows of the training part may start; by default everywhere.
    count : int
        Windows of each series that are compared with the others.
    """
    factor, window = references.factor, references.window
    change = samples.diff(dim=2)
    runs = repeats_in_a_row(samples)
    if places is None:
        places = torch.ones(references.trained - window + 1, dtype=torch.bool, device=samples.device)
    free = torch.nonzero(places)[:, 0]
    at = free[torch.linspace(0, len(free) - 1, count, device=samples.device).long()]
    rows = [_normal_differences(references, at[i], places) for i in range(count)]
    differences = torch.stack([row[0] for row in rows], 3).flatten(3).square()  # [G, C, 5, M * window]
    most = _quantile(differences, CUT)[..., None]
    distance = torch.stack([row[1] for row in rows], 1)
    return Usual(
        low=_quantile(samples, 0.002),
        high=_quantile(samples, 0.998),
        step=change.abs().mean(2).clamp(min=LEAST),
        repeats=(change == 0).float().mean(2),
        longest=runs.amax(2),
        swing=_swing(samples, factor).mean(2),
        differences=torch.minimum(differences, most).mean(3).sqrt().clamp(min=LEAST),
        distance=distance.median(1).values.clamp(min=LEAST),
    )


def _normal_differences(references: References, start: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Compare the window at one place of every series; differences [G, C, 5, window] and distances [G]."""
    cells = references.cells[:, :, int(start) : int(start) + references.window]
    group = torch.arange(len(cells), device=cells.device)
    allowed = clear_of(start.expand(len(cells)), references)
    allowed[:, : len(places)] &= places
    near = references.nearest(cells, group, allowed)
    return compare(cells, near, references.regression_residual(cells, group)), near.distance


def compare(cells: Tensor, near: Nearest, residual: Tensor) -> Tensor:
    """Return the differences of windows [B, C, window] to what they are compared with, [B, C, 5, window].

    To the nearest window by value over all channels, by value in this channel, by shape, to the envelope of the nearest
    windows, and to the regression on the other channels.
    """
    above, below = cells - near.joint.amax(1), near.joint.amin(1) - cells
    envelope = above.clamp(min=0) - below.clamp(min=0)
    return torch.stack([cells - near.joint[:, 0], cells - near.own, cells - near.shape, envelope, residual], 2)


def inputs(samples: Tensor, references: References, usual: Usual, group: Tensor, allowed: Tensor) -> Tensor:
    """Return the inputs of the network for windows of several series.

    Parameters
    ----------
    samples : Tensor, float32 [B, C, window * factor]
        Standardised windows.
    references : References
    usual : Usual
        Of the same series.
    group : Tensor, int64 [B]
        The series of each window.
    allowed : Tensor, bool [B, n - window + 1]
        Where references may start, see `References.nearest`.

    Returns
    -------
    Tensor [B, C, 19, window]
    """
    cells = pooled(samples, references.factor)
    near = references.nearest(cells, group, allowed)
    residual = references.regression_residual(cells, group)
    return inputs_of(samples, near, residual, usual.take(group), references.factor)


def inputs_of(samples: Tensor, near: Nearest, residual: Tensor, usual: Usual, factor: int) -> Tensor:
    """Return the inputs of the network, [B, C, 19, window].

    Parameters
    ----------
    samples : Tensor, float32 [B, C, window * factor]
        Standardised windows.
    near : Nearest
    residual : Tensor [B, C, window]
        On the other channels.
    usual : Usual
        Of the series of each window.
    factor : int
    """
    cells, first, distance = pooled(samples, factor), near.joint[:, 0], near.distance
    differences = compare(cells, near, residual)
    relative = torch.asinh(differences / usual.differences[..., None])
    change = pad(samples.diff(dim=2), (1, 0))
    largest = change.abs().unflatten(2, (-1, factor)).amax(3) / usual.step[..., None]
    move = pad(cells.diff(dim=2), (1, 0)) / usual.step[..., None]
    runs = repeats_in_a_row(samples).unflatten(2, (-1, factor)).amax(3)
    swing = (_swing(samples, factor) + LEAST) / (usual.swing[..., None] + LEAST)
    top, bottom = samples.unflatten(2, (-1, factor)).amax(3), samples.unflatten(2, (-1, factor)).amin(3)
    beyond = (top - usual.high[..., None]).clamp(min=0) - (usual.low[..., None] - bottom).clamp(min=0)
    size = relative[:, :, 0].abs()
    others = (size.sum(1, keepdim=True) - size) / max(size.shape[1] - 1, 1)
    least = 0.05 * usual.step[..., None]
    roughness = (_roughness(cells) + least) / (_roughness(first) + least)
    constants = torch.stack(
        [
            usual.repeats,
            torch.log(distance / usual.distance + 0.05)[:, None].expand_as(usual.step),
            torch.log(usual.differences[:, :, 0]),
            torch.full_like(usual.step, float(torch.log2(torch.tensor(factor)))),
        ],
        2,
    )
    varying = [
        torch.asinh(cells),
        torch.asinh(first),
        *relative.unbind(2),
        torch.asinh(move),
        torch.log(largest + 0.01),
        torch.log(roughness),
        torch.log1p(runs) - torch.log1p(usual.longest)[..., None],
        torch.log(swing),
        torch.asinh(beyond),
        others,
        size.amax(1, keepdim=True).expand_as(size),
    ]
    return torch.cat([torch.stack(varying, 2), constants[..., None].expand(-1, -1, -1, cells.shape[2])], 2)


def repeats_in_a_row(samples: Tensor) -> Tensor:
    """Count how many samples of [..., n] before each one are exactly equal to it without a break, float32."""
    time = torch.arange(samples.shape[-1], device=samples.device, dtype=torch.float32)
    changed = pad(samples.diff(dim=-1) != 0, (1, 0), value=True)
    return time - _largest_so_far(torch.where(changed, time, torch.zeros_like(time)))


def _largest_so_far(values: Tensor) -> Tensor:
    """Return the cumulative maximum over the last axis of values that are not negative."""
    if not torch.compiler.is_exporting():
        return values.cummax(-1).values
    step = 1
    while step < values.shape[-1]:  # ONNX has no cumulative maximum
        values, step = torch.maximum(values, pad(values[..., :-step], (step, 0))), 2 * step
    return values


def _swing(samples: Tensor, factor: int) -> Tensor:
    cells = samples[..., : samples.shape[-1] // factor * factor].unflatten(-1, (-1, factor))
    return cells.amax(-1) - cells.amin(-1)


def _roughness(cells: Tensor) -> Tensor:
    """Return the local mean of the absolute change, [B, C, window]."""
    change = pad(cells.diff(dim=2).abs(), (1, 0))
    return avg_pool1d(change, SMOOTH, stride=1, padding=SMOOTH // 2, count_include_pad=False)


def _quantile(values: Tensor, share: float) -> Tensor:
    """Return a quantile over the last axis by sorting; `torch.quantile` refuses long rows."""
    place = round(share * (values.shape[-1] - 1))
    return values.sort(dim=-1).values[..., place]
