"""Simulated anomalies, triplets and a bank of normal embeddings (own construction after the title, KBS 2026)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import triplet_margin_loss

from ape.evals.methods.draws import is_inside, other_windows, samples_at, signs, some_channels, stretches, uniform
from ape.evals.methods.encoders import neighbour_distance, unit
from ape.evals.methods.protocol import Method, Scorer

WIDTHS, KERNEL, EMBEDDED = (32, 64, 64), 7, 32
SEGMENT = (0.1, 0.6)  # shortest and longest changed stretch, as a share of the window
SIZE = (0.75, 3.0)  # of an added change, in deviations of the training part
MIN_CHANGE = 0.1  # deviations; a simulation that changes less is replaced by a shift
JITTER, SCALE = 0.05, 0.05  # noise of a positive in deviations, and its change of scale as a share
MARGIN = 1.0  # in distances between unit vectors, which are at most 2
NEIGHBOURS = 5


def simulated(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Simulate one of eight anomalies in a stretch of some channels of windows [B, C, L].

    The kinds are shift, ramp, noise, spike, held value, double speed, reversal, and a stretch of another window.
    """
    count, channels, length = hosts.shape
    bounds = (max(3, int(SEGMENT[0] * length)), max(4, int(SEGMENT[1] * length)))
    first, size = stretches(count, length, bounds, generator)
    step = torch.arange(length)
    inside = is_inside(length, first, size)[:, None]
    along = (step - first).clamp(min=0)

    added = signs((count, channels, 1), generator) * uniform(SIZE, (count, channels, 1), generator)
    peak = first + (torch.rand(count, 1, generator=generator) * size).long()
    donor = other_windows(count, generator)
    source = (torch.rand(count, 1, generator=generator) * (length - size + 1)).long()  # first sample in the donor

    def moved(windows: Tensor, positions: Tensor) -> Tensor:
        return samples_at(windows, positions.clamp(0, length - 1))

    values = torch.stack(
        [
            hosts + added,
            hosts + added * (along / size)[:, None],
            hosts + added.abs() * torch.randn(hosts.shape, generator=generator),
            hosts + 2 * added * (step == peak)[:, None],
            moved(hosts, first.expand(-1, length)),
            moved(hosts, first + (2 * along) % size),
            moved(hosts, 2 * first + size - 1 - step),
            moved(hosts[donor], source + along),
        ]
    )
    kind = torch.randint(len(values), (count,), generator=generator)
    number = torch.randint(1, channels + 1, (count, 1, 1), generator=generator)
    where = inside & some_channels(count, channels, number, generator)
    changed = torch.where(where, values[kind, torch.arange(count)], hosts)
    is_small = (changed - hosts).abs().amax(dim=(1, 2), keepdim=True) < MIN_CHANGE
    return torch.where(is_small, torch.where(where, values[0], hosts), changed)


class TripletKnowledgeBase(Scorer):
    """One embedding per window. The score is the distance to the nearest embeddings in a bank of normal ones."""

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
        """Triplet loss of a window, a slightly changed copy, and a copy with a simulated anomaly."""
        factor = 1 + SCALE * torch.randn(*windows.shape[:2], 1, generator=generator)
        positives = factor * windows + JITTER * torch.randn(windows.shape, generator=generator)
        all_three = torch.cat([windows, positives, simulated(windows, generator)])
        anchor, positive, negative = self._embed(all_three).chunk(3)
        return triplet_margin_loss(anchor, positive, negative, margin=MARGIN)

    def fit_scores(self, windows: Tensor) -> None:
        """Store the embeddings of normal windows."""
        self.bank = self._embed(windows)

    def score(self, windows: Tensor) -> Tensor:
        """Mean cosine distance to the nearest normal embeddings, [B]."""
        return neighbour_distance(self._embed(windows), self.bank, NEIGHBOURS)

    def _embed(self, windows: Tensor) -> Tensor:
        hidden = self.encoder(windows)
        return unit(self.head(torch.cat([hidden.mean(2), hidden.amax(2)], dim=1)))


METHOD = Method(
    build=TripletKnowledgeBase,
    claim="own construction after the title",
    paper="Xia and Mao, on time series anomaly detection by enhanced anomaly simulation and a triplet contrastive"
    " knowledge base, Knowledge-Based Systems 2026",
    settings={
        "known": "only the title: simulated anomalies, triplets, a knowledge base; everything else is our choice",
        "encoder": "three convolutions of 32, 64, 64 channels, kernel 7, stride 2; mean and maximum over time",
        "simulation": "eight kinds in 10 to 60 per cent of a window, in one to all channels",
        "triplet": "positive: the window scaled by 5 per cent with noise of 0.05; negative: the window with an anomaly;"
        " margin 1",
        "knowledge base": "embeddings of normal windows; mean cosine distance to the nearest five",
    },
    rate=1e-3,
    negatives=simulated,
)
