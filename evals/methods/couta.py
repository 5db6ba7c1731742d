"""COUTA: one-class loss calibrated by two heads and by injected anomalies (Xu et al., TKDE 2024)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss, relu

from ape.evals.methods.draws import some_channels
from ape.evals.methods.encoders import layers_for, tcn
from ape.evals.methods.protocol import Method, Scorer

WIDTH, KERNEL, EMBEDDED = 16, 2, 16
INJECTED = 0.2  # injected anomalies per window of the batch
WEIGHT = 0.1  # of the loss that separates injected anomalies from normal windows
MIN_CENTRE = 0.1  # of each coordinate of the centre, so that zero weights cannot reach it
RECENT = 10  # last samples whose mean a contextual anomaly departs from
CONTEXTUAL = 0.5  # size of that departure, in the range of its channel
FLOOR, CEILING = -2.0, 2.0  # levels of point anomalies, where the range of a channel is [0, 1]
MIN_RANGE = 1.0  # of a channel, in its deviation, if it hardly moves in the batch
NEAR = 0.1  # of the range: a sample this close to a level counts as already there


def native_anomalies(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Make the end of windows [B, C, L] anomalous in one or more channels.

    The end is flat at a bound, off its recent mean, or far out. The paper's levels are for data in [0, 1]; here they
    refer to the range of each channel in the batch. Each kind has a lower and an upper level. One of them is drawn,
    and the other is used if the last sample is already there.
    """
    count, channels, length = hosts.shape
    low, high = hosts.amin((0, 2)), hosts.amax((0, 2))
    middle, spread = (low + high) / 2, (high - low).clamp_min(MIN_RANGE)
    zero = (middle - spread / 2).expand(count, -1)
    recent = hosts[:, :, -RECENT:].mean(2)
    lower = torch.stack([zero, recent - CONTEXTUAL * spread, zero + FLOOR * spread])
    upper = torch.stack([zero + spread, recent + CONTEXTUAL * spread, zero + CEILING * spread])
    kind = torch.randint(3, (count,), generator=generator)
    lower, upper = lower[kind, torch.arange(count)], upper[kind, torch.arange(count)]
    up = torch.rand(count, channels, generator=generator) < 0.5
    last, near = hosts[:, :, -1], NEAR * spread
    up = (up | ((lower - last).abs() < near)) & ((upper - last).abs() >= near)
    level = torch.where(up, upper, lower)[:, :, None]

    long = torch.randint(1, length // 2 + 1, (count,), generator=generator)
    size = torch.where(kind == 0, long, 1)
    number = torch.randint(1, channels + 1, (count, 1), generator=generator)
    chosen = some_channels(count, channels, number[:, None], generator)
    inside = torch.arange(length) >= length - size[:, None]
    return torch.where(inside[:, None] & chosen, level, hosts)


class COUTA(Scorer):
    """Causal convolutions, read at the last sample, with two heads. The score is their distance to one centre."""

    centre: Tensor

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.shared = nn.Linear(WIDTH, EMBEDDED, bias=False)
        self.pretext = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
        self.register_buffer("centre", torch.zeros(EMBEDDED))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Distance to the centre, down-weighted where the heads disagree, and separation of injected anomalies."""
        injected = native_anomalies(windows, generator)[: max(int(INJECTED * len(windows)), 1)]
        features = self._features(torch.cat([windows, injected]))
        embedded = self._embed(features[: len(windows)])
        if not self.centre.any():
            self._place_centre(embedded.detach())
        one, other = (embedded - self.centre).square().sum(2)
        doubt = (one - other).square()
        one_class = (torch.exp(-doubt) * (one + other) + doubt).mean() / 2
        target = torch.cat([-torch.ones(len(windows)), torch.ones(len(injected))])
        return one_class + WEIGHT * mse_loss(self.pretext(features)[:, 0], target)

    def score(self, windows: Tensor) -> Tensor:
        """Squared distances of both heads to the centre, [B]."""
        return (self._embed(self._features(windows)) - self.centre).square().sum((0, 2))

    def _features(self, windows: Tensor) -> Tensor:
        return self.encoder(windows)[:, :, -1]

    def _embed(self, features: Tensor) -> Tensor:
        return torch.stack([self.shared(relu(head(features))) for head in self.heads])

    def _place_centre(self, embedded: Tensor) -> None:
        mean = embedded.mean((0, 1))
        self.centre.copy_(torch.where(mean < 0, -1.0, 1.0) * mean.abs().clamp_min(MIN_CENTRE))


METHOD = Method(
    build=COUTA,
    claim="reproduction",
    paper="Xu et al., Calibrated one-class classification for unsupervised time series anomaly detection, TKDE 2024,"
    " arXiv:2207.12201",
    settings={
        "encoder": "causal convolutions of 16 channels, kernel 2, embedding 16: published code. There are enough blocks"
        " to see the window; the one block of the published code sees 3 samples",
        "loss": "weight 0.1 of the injected anomalies, which are a fifth of the batch: published code",
        "centre": "mean of the first batch, no coordinate below 0.1; the published code takes all training windows",
        "anomalies": "three kinds, at the end of a window: published code. Fixed here: levels refer to the range of"
        " each channel instead of [0, 1], channels do not repeat, and a level differs from the window's end",
        "score": "of the window, for all of its samples; the published code scores its last sample",
    },
    rate=1e-4,
    negatives=native_anomalies,
)
