"""NCAD: a window against its own context, with swapped stretches and outliers (Carmona et al., IJCAI 2022)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import adaptive_max_pool1d

from ape.evals.methods.encoders import layers_for, tcn, unit
from ape.evals.methods.protocol import Method

WIDTH, KERNEL, POOLED, EMBEDDED = 32, 7, 4, 128
SUSPECT = 0.5  # share of the window, its end, that is judged
SWAPPED, SPIKED = 0.5, 0.5  # share of a batch that gets a swapped stretch, and outliers
MIXED = 1.0  # of mixed windows for each one of the batch
BETA = 0.05  # of the mixing shares
SPIKE = (0.5, 2.0)  # size of an outlier, in the spread of its window


def outlier_exposure(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Windows [B, C, L] of which a stretch of the suspect part was swapped with another's, at least two samples."""
    count, channels, length = hosts.shape
    suspect = int(SUSPECT * length)
    donor = (torch.arange(count) + torch.randint(1, max(count, 2), (count,), generator=generator)) % count
    size = torch.randint(2, suspect + 1, (count, 1), generator=generator)
    first = length - suspect + (torch.rand(count, 1, generator=generator) * (suspect - size + 1)).long()
    step = torch.arange(length)
    inside = ((step >= first) & (step < first + size))[:, None]
    if channels > 3:
        number = torch.randint(3, channels, (count, 1, 1), generator=generator)
        order = torch.rand(count, channels, 1, generator=generator).argsort(1).argsort(1)
        inside = inside & (order < number)
    return torch.where(inside, hosts[donor], hosts)


def point_outliers(hosts: Tensor, generator: Generator) -> Tensor:
    """Windows [B, C, L] with a spike of one or two samples in the suspect part."""
    count, channels, length = hosts.shape
    suspect = int(SUSPECT * length)
    spread = hosts.quantile(0.95, dim=2, keepdim=True) - hosts.quantile(0.05, dim=2, keepdim=True)
    at = length - suspect + torch.randint(suspect, (count, 1), generator=generator)
    step = torch.arange(length)
    wide = torch.randint(2, (count, 1), generator=generator)
    inside = ((step >= at) & (step <= at + wide))[:, None]
    size = SPIKE[0] + (SPIKE[1] - SPIKE[0]) * torch.rand(count, channels, 1, generator=generator)
    sign = 2.0 * torch.randint(2, (count, channels, 1), generator=generator) - 1
    return hosts + inside * sign * size * spread


class NCAD(nn.Module):
    """One encoder for the window and for its context; what moves the embedding is anomalous."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.head = nn.Linear(WIDTH * POOLED, EMBEDDED)
        self.suspect = int(SUSPECT * window)

    def probability(self, windows: Tensor) -> Tensor:
        """One less the exponential of minus the distance between window and context, [B]."""
        distance = (self._embedded(windows) - self._embedded(windows[:, :, : -self.suspect])).norm(dim=1)
        return 1 - torch.exp(-distance)

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Binary cross-entropy over windows as they are, swapped, spiked, and mixtures of all with mixed labels."""
        count = len(windows)
        swapped = outlier_exposure(windows, generator)[: int(SWAPPED * count)]
        spiked = point_outliers(windows, generator)[count - int(SPIKED * count) :]
        x = torch.cat([windows, swapped, spiked])
        y = torch.cat([torch.zeros(count), torch.ones(len(swapped) + len(spiked))])
        mixed = int(MIXED * count)
        one, other = (torch.randint(len(x), (mixed,), generator=generator) for _ in range(2))
        # Beta(b, b) for small b: nearly all of one or of the other
        raised = torch.rand(2, mixed, generator=generator).clamp_min(1e-6).log() / BETA
        share = torch.softmax(raised, 0)[0]
        x = torch.cat([x, share[:, None, None] * x[one] + (1 - share)[:, None, None] * x[other]])
        y = torch.cat([y, share * y[one] + (1 - share) * y[other]])
        return nn.functional.binary_cross_entropy(self.probability(x).clamp(1e-6, 1 - 1e-6), y)

    def fit_scores(self, windows: Tensor) -> None:
        """Nothing: the distance scores."""

    def score(self, windows: Tensor) -> Tensor:
        """Probability at the points of the suspect part, [B, L]; those before it take half of it."""
        probability = self.probability(windows)[:, None].expand(-1, windows.shape[2]).clone()
        probability[:, : -self.suspect] *= 0.5
        return probability

    def _embedded(self, windows: Tensor) -> Tensor:
        return unit(self.head(adaptive_max_pool1d(self.encoder(windows), POOLED).flatten(1)))


METHOD = Method(
    build=NCAD,
    claim="reproduction",
    paper="Carmona et al., Neural contextual anomaly detection for time series, IJCAI 2022, arXiv:2107.07702",
    settings={
        "encoder": "causal convolutions of 32 channels, kernel 7, as many as see the window, embedding 128: the Yahoo"
        " setting, rounded",
        "suspect": "the last half of a window: own choice, the paper's windows differ from ours",
        "negatives": "swapped stretches, spikes of 0.5 to 2 spreads, mixing with Beta(0.05, 0.05): paper",
        "mends": "mixing mixes two windows, swaps are of two samples or more; the published code does neither",
        "optimiser": "Adam; the published code uses Yogi",
    },
    negatives=outlier_exposure,
    rate=4.4e-4,
)
