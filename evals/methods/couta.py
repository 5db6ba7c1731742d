"""COUTA: one class, calibrated by two heads that disagree and by injected anomalies (Xu et al., TKDE 2024)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss, relu

from ape.evals.methods.encoders import layers_for, tcn
from ape.evals.methods.protocol import Method

WIDTH, KERNEL, EMBEDDED = 16, 2, 16
INJECTED = 0.2  # of anomalies for each window of the batch
WEIGHT = 0.1  # of telling the injected anomalies from normal windows
LEAST_CENTRE = 0.1  # of each coordinate of the centre, lest weights of zero reach it
RECENT = 10  # samples at the end that a contextual anomaly departs from
CONTEXTUAL = 0.5  # by how much, in the range of its channel
FLOOR, CEILING = -2.0, 2.0  # point anomalies, where the range of a channel is [0, 1]
LEAST_RANGE = 1.0  # of a channel, in its deviation, where a batch hardly moves
NEAR = 0.1  # of the range: a sample as near to a level is there already


def native_anomalies(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Windows [B, C, L] whose end lies, in one channel or more, flat at a bound, off its recent mean, or far out.

    The paper's levels are for data in [0, 1]: they are taken here in the range that each channel has in the batch. Of
    the two levels of a kind, the lower or the upper is drawn, and the other if the last sample is there already.
    """
    count, channels, length = hosts.shape
    low, high = hosts.amin((0, 2)), hosts.amax((0, 2))
    middle, spread = (low + high) / 2, (high - low).clamp_min(LEAST_RANGE)
    zero = (middle - spread / 2).expand(count, -1)
    recent = hosts[:, :, -RECENT:].mean(2)
    lower = torch.stack([zero, recent - CONTEXTUAL * spread, zero + FLOOR * spread])
    upper = torch.stack([zero + spread, recent + CONTEXTUAL * spread, zero + CEILING * spread])
    kind = torch.randint(3, (count,), generator=generator)
    lower, upper = lower[kind, torch.arange(count)], upper[kind, torch.arange(count)]
    up = torch.rand(count, channels, generator=generator) < 0.5
    last, near = hosts[:, :, -1], NEAR * spread
    up = (up | ((lower - last).abs() < near)) & ((upper - last).abs() >= near)
    long = torch.randint(1, length // 2 + 1, (count,), generator=generator)
    size = torch.where(kind == 0, long, 1)
    number = torch.randint(1, channels + 1, (count, 1), generator=generator)
    chosen = torch.rand(count, channels, generator=generator).argsort(1).argsort(1) < number
    inside = torch.arange(length) >= length - size[:, None]
    return torch.where(inside[:, None] & chosen[:, :, None], torch.where(up, upper, lower)[:, :, None], hosts)


class COUTA(nn.Module):
    """Causal convolutions, read at the last sample, with two heads; the score is their distance to one centre."""

    centre: Tensor

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.shared = nn.Linear(WIDTH, EMBEDDED, bias=False)
        self.pretext = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
        self.register_buffer("centre", torch.zeros(EMBEDDED))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Distance to the centre, which counts less where the heads disagree, and telling injected anomalies."""
        injected = native_anomalies(windows, generator)[: max(int(INJECTED * len(windows)), 1)]
        features = self._features(torch.cat([windows, injected]))
        embedded = self._embedded(features[: len(windows)])
        if not self.centre.any():
            self._place_centre(embedded.detach())
        one, other = (embedded - self.centre).square().sum(2)
        doubt = (one - other).square()
        one_class = (torch.exp(-doubt) * (one + other) + doubt).mean() / 2
        target = torch.cat([-torch.ones(len(windows)), torch.ones(len(injected))])
        return one_class + WEIGHT * mse_loss(self.pretext(features)[:, 0], target)

    def fit_scores(self, windows: Tensor) -> None:
        """Nothing: the centre stays where training began."""

    def score(self, windows: Tensor) -> Tensor:
        """Squared distances of both heads to the centre, [B]."""
        return (self._embedded(self._features(windows)) - self.centre).square().sum((0, 2))

    def _features(self, windows: Tensor) -> Tensor:
        return self.encoder(windows)[:, :, -1]

    def _embedded(self, features: Tensor) -> Tensor:
        return torch.stack([self.shared(relu(head(features))) for head in self.heads])

    def _place_centre(self, embedded: Tensor) -> None:
        mean = embedded.mean((0, 1))
        self.centre.copy_(torch.where(mean < 0, -1.0, 1.0) * mean.abs().clamp_min(LEAST_CENTRE))


METHOD = Method(
    build=COUTA,
    claim="reproduction",
    paper="Xu et al., Calibrated one-class classification for unsupervised time series anomaly detection, TKDE 2024,"
    " arXiv:2207.12201",
    settings={
        "encoder": "causal convolutions of 16 channels, kernel 2, embedding 16: published code; as many blocks as see"
        " the window, where the published code's one block sees 3 samples",
        "loss": "weight 0.1 of the injected anomalies, which are a fifth of the batch: published code",
        "centre": "mean of the first batch, no coordinate below 0.1; the published code takes all training windows",
        "anomalies": "three kinds, at the end of a window: published code; levels in the range of each channel rather"
        " than in [0, 1], channels drawn without repeats, and never where the window ends anyway: mended",
        "score": "of the window, for all of its samples; the published code scores its last sample",
    },
    rate=1e-4,
    negatives=native_anomalies,
)
