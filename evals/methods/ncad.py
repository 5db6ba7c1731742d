"""NCAD: compare a window with its context, trained on swapped stretches and outliers (Carmona et al., IJCAI 2022)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import adaptive_max_pool1d, binary_cross_entropy

from ape.evals.methods.draws import is_inside, other_windows, signs, some_channels, stretches, uniform
from ape.evals.methods.encoders import layers_for, tcn, unit
from ape.evals.methods.protocol import Method, Scorer

WIDTH, KERNEL, POOLED, EMBEDDED = 32, 7, 4, 128
SUSPECT = 0.5  # share of the window, at its end, that is judged
SWAPPED, SPIKED = 0.5, 0.5  # share of a batch that gets a swapped stretch, and outliers
MIXED = 1.0  # mixed windows per window of the batch
BETA = 0.05  # of the mixing shares
SPIKE = (0.5, 2.0)  # size of an outlier, in the spread of its window


def outlier_exposure(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Swap a stretch of the suspect part of windows [B, C, L], at least two samples, with that of another window."""
    count, channels, length = hosts.shape
    suspect = int(SUSPECT * length)
    donor = other_windows(count, generator)
    first, size = stretches(count, suspect, (2, suspect), generator)
    inside = is_inside(length, length - suspect + first, size)[:, None]
    if channels > 3:
        number = torch.randint(3, channels, (count, 1, 1), generator=generator)
        inside = inside & some_channels(count, channels, number, generator)
    return torch.where(inside, hosts[donor], hosts)


def point_outliers(hosts: Tensor, generator: Generator) -> Tensor:
    """Add a spike of one or two samples to the suspect part of windows [B, C, L]."""
    count, channels, length = hosts.shape
    suspect = int(SUSPECT * length)
    spread = hosts.quantile(0.95, dim=2, keepdim=True) - hosts.quantile(0.05, dim=2, keepdim=True)
    first = length - suspect + torch.randint(suspect, (count, 1), generator=generator)
    size = 1 + torch.randint(2, (count, 1), generator=generator)
    height = uniform(SPIKE, (count, channels, 1), generator)
    sign = signs((count, channels, 1), generator)
    return hosts + is_inside(length, first, size)[:, None] * sign * height * spread


class NCAD(Scorer):
    """One encoder for the window and for its context. A suspect part that moves the embedding is anomalous."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.head = nn.Linear(WIDTH * POOLED, EMBEDDED)
        self.suspect = int(SUSPECT * window)

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Binary cross-entropy over normal, swapped and spiked windows, and mixtures of all with mixed labels."""
        count = len(windows)
        swapped = outlier_exposure(windows, generator)[: int(SWAPPED * count)]
        spiked = point_outliers(windows, generator)[count - int(SPIKED * count) :]
        x = torch.cat([windows, swapped, spiked])
        y = torch.cat([torch.zeros(count), torch.ones(len(swapped) + len(spiked))])
        mixed = int(MIXED * count)
        one, other = (torch.randint(len(x), (mixed,), generator=generator) for _ in range(2))
        # Beta(b, b) for small b: a mixture is nearly all of one window
        raised = torch.rand(2, mixed, generator=generator).clamp_min(1e-6).log() / BETA
        share = torch.softmax(raised, 0)[0]
        x = torch.cat([x, share[:, None, None] * x[one] + (1 - share)[:, None, None] * x[other]])
        y = torch.cat([y, share * y[one] + (1 - share) * y[other]])
        return binary_cross_entropy(self._probability(x).clamp(1e-6, 1 - 1e-6), y)

    def score(self, windows: Tensor) -> Tensor:
        """Probability at the points of the suspect part, and half of it at the points before, [B, L]."""
        probability = self._probability(windows)[:, None].expand(-1, windows.shape[2]).clone()
        probability[:, : -self.suspect] *= 0.5
        return probability

    def _probability(self, windows: Tensor) -> Tensor:
        """Return 1 - exp(-d) for the distance d between window and context, [B]."""
        distance = (self._embed(windows) - self._embed(windows[:, :, : -self.suspect])).norm(dim=1)
        return 1 - torch.exp(-distance)

    def _embed(self, windows: Tensor) -> Tensor:
        return unit(self.head(adaptive_max_pool1d(self.encoder(windows), POOLED).flatten(1)))


METHOD = Method(
    build=NCAD,
    claim="reproduction",
    paper="Carmona et al., Neural contextual anomaly detection for time series, IJCAI 2022, arXiv:2107.07702",
    settings={
        "encoder": "causal convolutions of 32 channels, kernel 7, enough of them to see the window, embedding 128: the"
        " Yahoo setting, rounded",
        "suspect": "the last half of a window: our choice, because the paper's windows differ",
        "negatives": "swapped stretches, spikes of 0.5 to 2 spreads, mixing with Beta(0.05, 0.05): paper",
        "fixes": "mixing mixes two windows, swaps have two samples or more; the published code does neither",
        "optimiser": "Adam; the published code uses Yogi",
    },
    negatives=outlier_exposure,
    rate=4.4e-4,
)
