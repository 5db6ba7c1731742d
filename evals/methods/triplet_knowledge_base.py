"""Simulated anomalies, triplets and a bank of normal embeddings (own construction after the title, KBS 2026)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import triplet_margin_loss

from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method

WIDTHS, KERNEL, EMBEDDED = (32, 64, 64), 7, 32
SEGMENT = (0.1, 0.6)  # of a window, shortest and longest that is changed
SIZE = (0.75, 3.0)  # deviations of the training part, of what is added
LEAST_CHANGE = 0.1  # deviations; a simulation that changes less gives way to a shift
JITTER, SCALE = 0.05, 0.05  # deviations and share, of what a positive differs by
MARGIN = 1.0  # of distances between vectors of length one, which are two at most
NEIGHBOURS = 5


def simulated(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Windows [B, C, L] with one of eight anomalies in a stretch of some channels.

    They are a shift, a ramp, noise, a spike, a held value, double speed, a reversal, and a stretch of another window.
    """
    count, channels, length = hosts.shape
    least, most = max(3, int(SEGMENT[0] * length)), max(4, int(SEGMENT[1] * length))
    size = torch.randint(least, most + 1, (count, 1), generator=generator)
    first = (torch.rand(count, 1, generator=generator) * (length - size + 1)).long()
    step = torch.arange(length)
    inside = ((step >= first) & (step < first + size))[:, None]
    along = (step - first).clamp(min=0)

    sign = 2.0 * torch.randint(2, (count, channels, 1), generator=generator) - 1
    added = sign * (SIZE[0] + (SIZE[1] - SIZE[0]) * torch.rand(count, channels, 1, generator=generator))
    peak = first + (torch.rand(count, 1, generator=generator) * size).long()
    donor = (torch.arange(count) + torch.randint(1, max(count, 2), (count,), generator=generator)) % count
    moved = (torch.rand(count, 1, generator=generator) * (length - size + 1)).long()  # where the donor's stretch begins

    def taken(source: Tensor, at: Tensor) -> Tensor:
        return source.gather(2, at.clamp(0, length - 1)[:, None].expand(-1, channels, -1))

    values = torch.stack(
        [
            hosts + added,
            hosts + added * (along / size)[:, None],
            hosts + added.abs() * torch.randn(hosts.shape, generator=generator),
            hosts + 2 * added * (step == peak)[:, None],
            taken(hosts, first.expand(-1, length)),
            taken(hosts, first + (2 * along) % size),
            taken(hosts, 2 * first + size - 1 - step),
            taken(hosts[donor], moved + along),
        ]
    )
    kind = torch.randint(len(values), (count,), generator=generator)
    number = torch.randint(1, channels + 1, (count, 1, 1), generator=generator)
    chosen = torch.rand(count, channels, 1, generator=generator).argsort(1).argsort(1) < number
    made = torch.where(inside & chosen, values[kind, torch.arange(count)], hosts)
    small = (made - hosts).abs().amax(dim=(1, 2), keepdim=True) < LEAST_CHANGE
    return torch.where(small, torch.where(inside & chosen, values[0], hosts), made)


class TripletKnowledgeBase(nn.Module):
    """One embedding a window; the score is the distance to the nearest in a bank of normal ones."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        sizes = (channels, *WIDTHS)
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            parts += [nn.Conv1d(inputs, outputs, KERNEL, 2, KERNEL // 2), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.encoder = nn.Sequential(*parts)
        self.head = nn.Linear(2 * WIDTHS[-1], EMBEDDED)
        self.bank = torch.zeros(1, EMBEDDED)

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Triplet loss of a window, the same a little changed, and the same with a simulated anomaly."""
        factor = 1 + SCALE * torch.randn(*windows.shape[:2], 1, generator=generator)
        positives = factor * windows + JITTER * torch.randn(windows.shape, generator=generator)
        all_three = torch.cat([windows, positives, simulated(windows, generator)])
        anchor, positive, negative = self._embedded(all_three).chunk(3)
        return triplet_margin_loss(anchor, positive, negative, margin=MARGIN)

    def fit_scores(self, windows: Tensor) -> None:
        """Keep the embeddings of normal windows."""
        self.bank = self._embedded(windows)

    def score(self, windows: Tensor) -> Tensor:
        """Mean cosine distance to the nearest normal embeddings, [B]."""
        alike = self._embedded(windows) @ self.bank.T
        return 1 - alike.topk(min(NEIGHBOURS, len(self.bank)), dim=1).values.mean(1)

    def _embedded(self, windows: Tensor) -> Tensor:
        hidden = self.encoder(windows)
        return unit(self.head(torch.cat([hidden.mean(2), hidden.amax(2)], dim=1)))


METHOD = Method(
    build=TripletKnowledgeBase,
    claim="own construction after the title",
    paper="Xia and Mao, on time series anomaly detection by enhanced anomaly simulation and a triplet contrastive"
    " knowledge base, Knowledge-Based Systems 2026",
    settings={
        "known": "the title alone: simulated anomalies, triplets, a knowledge base; all else is own choice",
        "encoder": "three convolutions of 32, 64, 64 channels, kernel 7, stride 2; mean and maximum over time",
        "simulation": "eight kinds in 10 to 60 per cent of a window, in one to all channels",
        "triplet": "positive: the window scaled by 5 per cent with noise of 0.05; negative: the window with an anomaly;"
        " margin 1",
        "knowledge base": "embeddings of normal windows; mean cosine distance to the nearest five",
    },
    rate=1e-3,
    negatives=simulated,
)
