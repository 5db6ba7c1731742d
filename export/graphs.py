"""What scores a window and what calibrates the scores, as modules that can be exported."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import log10

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from ape.posttrain import EnhancedDetector
from ape.posttrain.backbone_inputs import backbone_inputs, passed_at_once
from ape.posttrain.calibration import AGES, GENERIC, SUBSPACE, SUBSPACE_SHARE
from ape.posttrain.discriminator.evidence import Reader
from ape.posttrain.discriminator.inputs import inputs_of, standardise
from ape.posttrain.discriminator.references import Moments, Nearest, distinct_minima, pooled
from ape.posttrain.discriminator.search import REST, Search
from ape.posttrain.discriminator.tail import EXTRAPOLATED, GRID, Tail


def exportable_reader(detector: EnhancedDetector) -> Reader:
    """Return what reads the evidence off windows, without batches and random numbers inside."""
    further = None
    if detector.statistics is not None:
        further = partial(backbone_inputs, detector.backbone, detector.statistics, through=passed_at_once)
    detector.backbone.module.eval()
    reader = Reader(detector.generic, detector.reader.subspace, detector.model, further)
    _ = reader.same_trunk  # compares weights, which a graph cannot
    return reader


class WindowGraph(nn.Module):
    """Evidence of windows at one time scale: scaling, nearest references, backbone and discriminators.

    Parameters
    ----------
    reader : Reader
    search : Search
        Of the training part.
    centre, scale : Tensor [C]
        Standardise the samples.
    """

    def __init__(self, reader: Reader, search: Search, centre: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.reader, self.usual = reader, search.usual
        self.factor, self.window, self.trained = search.factor, search.window, search.trained
        self.references = search.training
        _ = self.references.coefficients  # they are computed once
        self.centre, self.scale = centre[None], scale[None]

    def forward(self, windows: Tensor, start: Tensor, cells: Tensor, free: Tensor) -> Tensor:
        """Return what all voices say, [B, window, C, V]: rules, operators, free voice, subspace.

        Parameters
        ----------
        windows : Tensor, float32 [B, C, window * factor]
            Data units.
        start : Tensor, int64 [B]
            Where they start among the cells.
        cells : Tensor, float32 [C, n]
            Standardised: the training part, then those of the scored series; n is a multiple of 32.
        free : Tensor, bool [n]
            Where a reference may start.
        """
        samples = standardise(windows, self.centre, self.scale)
        own = pooled(samples, self.factor)
        near = self._nearest(own, start, cells, free)
        group = torch.zeros_like(start)  # all windows are of one series
        residual = self.references.regression_residual(own, group)
        seen = inputs_of(samples, near, residual, self.usual.take(group), self.factor)
        return self.reader.read(seen, windows, self.factor).permute(0, 3, 1, 2)

    def _nearest(self, own: Tensor, start: Tensor, cells: Tensor, free: Tensor) -> Nearest:
        """Find the nearest references, as `Search.nearest` does, in one block."""
        channels = cells.shape[0]
        wide = pad(cells, (0, self.window - 1))  # one place for each cell
        mean, spread = own.mean(2).T[..., None], own.std(2, correction=0).T[..., None]  # [C, B, 1]
        centred = (own.transpose(0, 1) - mean).reshape(-1, 1, self.window)
        product = conv1d(wide[None], centred, groups=channels)[0].unflatten(0, (channels, -1))  # [C, B, n]
        near, shape = Moments.of(wide[:, None], self.window).compare(product, mean, spread, self.window)
        place = torch.arange(cells.shape[1])
        apart = (place - start[:, None]).abs() >= self.window
        trained = place + self.window <= self.trained
        allowed = ((trained & apart) | (place <= start[:, None] - REST * self.window)) & free
        barred = torch.where(allowed, 0.0, torch.inf)
        best = [(values + barred).argmin(2).T for values in (near, shape)]
        everywhere = cells.expand(own.shape[0], -1, -1)
        return Nearest.at(own, everywhere, distinct_minima(near.sum(0) + barred), *best)


class ScoreGraph(nn.Module):
    """Calibrated score of points from their evidence, see `ape.posttrain.calibration.Calibration`.

    Parameters
    ----------
    detector : EnhancedDetector
    """

    def __init__(self, detector: EnhancedDetector) -> None:
        super().__init__()
        calibration = detector.require_calibration()
        self.voice, self.latency = detector.kept, calibration.latency
        self.bank, self.generic = (torch.from_numpy(part) for part in (calibration.bank, calibration.generic))
        self.rules, self.free, self.apart = calibration.rules, calibration.free, calibration.subspace
        self.own, self.of_subspace = (calibration.scores[voice] for voice in (detector.kept, SUBSPACE))

    def forward(self, odds: Tensor, free: Tensor, subspace: Tensor, age: Tensor) -> Tensor:
        """Return the score, float32 [n].

        Parameters
        ----------
        odds : Tensor, float32 [n, C, R + K]
            Log-odds of rules and operators, mean over windows and time scales.
        free : Tensor, float32 [n, F, C]
            The free voice at each of its time scales, mean over windows; minus infinity where none fits.
        subspace : Tensor, float32 [n, C]
            The subspace voice, mean over windows.
        age : Tensor, int64 [n]
            Samples known after each point, at most the latency.
        """
        bank, generic = odds.amax(1).double().split([len(self.bank), len(self.generic)], 1)
        named, every = (_log_added(x) for x in (bank - self.bank, generic - self.generic))
        rules = tail_of(self.rules, torch.logaddexp(named, every - GENERIC))
        peaks = free.amax(2).double().unbind(1)
        distant = torch.stack([tail_of(tail, x) for tail, x in zip(self.free, peaks, strict=True)]).amax(0)
        value = {"rules": rules, "free": distant, "both": rules + torch.log1p(distant)}[self.voice]
        passed = torch.stack([age >= least for least in AGES]).long().sum(0)
        stage = torch.where(age >= self.latency, len(AGES) + 1, passed)
        score = _calibrated(self.own, value, stage)
        if self.voice == "both" and not self.apart.constant:
            apart = tail_of(self.apart, subspace.amax(1).double())
            score = score + log10(1 - SUBSPACE_SHARE)
            apart = _calibrated(self.of_subspace, apart, stage) + log10(SUBSPACE_SHARE)
            score = torch.maximum(score, apart).clamp(min=0)
        return score


def _calibrated(tails: Sequence[Tail], values: Tensor, stage: Tensor) -> Tensor:
    *stages, trained = tails
    staged = torch.stack([tail_of(tail, values) for tail in stages])
    own = staged.gather(0, stage.clamp(max=len(stages) - 1)[None])[0]
    return torch.minimum(tail_of(trained, values), own).float()


def _log_added(odds: Tensor) -> Tensor:
    largest = odds.amax(1, keepdim=True)
    return (odds - largest).exp().sum(1).log() + largest[:, 0]


def tail_of(tail: Tail, values: Tensor) -> Tensor:
    """Return the calibrated score of values [n], as `Tail` does, float64."""
    quantiles = torch.from_numpy(tail.quantiles)
    below = (quantiles < values[:, None]).double().sum(1) / GRID * (1 - EXTRAPOLATED)
    beyond = (values - quantiles[-1]).clamp(min=0) / tail.excess
    log10 = torch.log(torch.tensor(10.0, dtype=torch.float64))
    return (beyond - torch.log(1 - below)) / log10
