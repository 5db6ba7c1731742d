"""CARLA: triplets with injected anomalies, then classes shared by neighbours (Darban et al., Pattern Recogn. 2025)."""

from __future__ import annotations

import copy
from collections import deque

import torch
from torch import Generator, Tensor, nn

from ape.evals.methods import running
from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method

WIDTHS, KERNELS, PROJECTED, CLASSES = (4, 8, 8), (8, 5, 3), 4, 10
SEGMENT = (0.1, 0.9)  # of a window, shortest and longest that an injection changes
GLOBAL, CONTEXTUAL = 8.0, 3.0  # factors of a few points
FLOOR = 0.25  # deviations; what is multiplied counts as at least this far from zero
LEAST_CHANGE = 0.1  # deviations; an injection that changes less gives way to a trend
NEAR = 10  # steps between a window and its positive, at most
TEMPERATURE, MARGIN, LEAST_MARGIN, SHRINK = 0.4, 1.0, 0.01, 0.1
NEIGHBOURS = 5
ENTROPY, INCONSISTENCY = 2.0, 1.0  # weights against that of consistency, one
BANK = 16  # batches among which neighbours are sought


def injected(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Windows [B, C, L] with one of five anomalies: seasonal, trend, global, contextual, shapelet."""
    count, channels, length = hosts.shape
    least = max(2, int(SEGMENT[0] * length))
    size = torch.randint(least, max(least, int(SEGMENT[1] * length)) + 1, (count, 1), generator=generator)
    first = (torch.rand(count, 1, generator=generator) * (length - size + 1)).long()
    step = torch.arange(length)
    after = step >= first
    inside = after & (step < first + size)
    few, more = (after & (step < first + n + torch.randint(2, (count, 1), generator=generator)) for n in (2, 4))

    faster = torch.randint(2, 5, (count, 1), generator=generator)
    at = first + (faster * (step - first)) % size
    seasonal = hosts.gather(2, at[:, None].expand(-1, channels, -1))
    shift = 1 + 0.5 * torch.randn(count, channels, 1, generator=generator)
    sign = 2.0 * torch.randint(2, (count, channels, 1), generator=generator) - 1
    trend = hosts + sign * shift.abs().clamp_min(FLOOR)
    away = torch.where(hosts < 0, -1.0, 1.0) * hosts.abs().clamp_min(FLOOR)
    held = hosts.gather(2, first[:, None].expand(-1, channels, -1))
    shapelet = held + 0.1 * torch.rand(hosts.shape, generator=generator)

    kind, each = torch.randint(5, (count,), generator=generator), torch.arange(count)
    values = torch.stack([seasonal, trend, hosts + (GLOBAL - 1) * away, hosts + (CONTEXTUAL - 1) * away, shapelet])
    where = torch.stack([inside, after, few, more, inside])[kind, each, None]
    number = torch.randint(max(1, channels // 10), max(1, channels // 2) + 1, (count, 1, 1), generator=generator)
    chosen = torch.rand(count, channels, 1, generator=generator).argsort(1).argsort(1) < number
    made = torch.where(where & chosen, values[kind, each], hosts)
    small = (made - hosts).abs().amax(dim=(1, 2), keepdim=True) < LEAST_CHANGE
    return torch.where(small, torch.where(after[:, None] & chosen, trend, hosts), made)


class CARLA(nn.Module):
    """A small residual network, trained for half of the steps in each stage."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        sizes = (channels, *WIDTHS)
        blocks = [_Block(sizes[k], sizes[k + 1]) for k in range(len(WIDTHS))]
        self.backbone = nn.Sequential(*blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.projection = nn.Sequential(nn.Linear(WIDTHS[-1], WIDTHS[-1]), nn.ReLU(), nn.Linear(WIDTHS[-1], PROJECTED))
        self.classifier = nn.Linear(WIDTHS[-1], CLASSES)
        self.near = min(NEAR, window // 4)
        self.left = max(1, running.STEPS // 2)  # calls of the first stage that are to come
        self.margin = MARGIN
        self.recent: deque[Tensor] = deque(maxlen=BANK)
        self.frozen: nn.Module | None = None  # the first stage's network, in the second
        self.bank, self.bank_embedded = torch.empty(0), torch.empty(0)
        self.majority = 0

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Triplet loss in the first half of the calls, that of classes in the second."""
        if self.left > 0:
            self.left -= 1
            self.recent.append(windows)
            return self._triplet(windows, generator)
        if self.frozen is None:
            self._mine(generator)
        return self._classes(windows, generator)

    def fit_scores(self, windows: Tensor) -> None:
        """Take the class that most normal windows fall into."""
        self.majority = int(self._probabilities(windows).argmax(1).bincount(minlength=CLASSES).argmax())

    def score(self, windows: Tensor) -> Tensor:
        """Probability of any other class than the normal one, [B]."""
        return 1 - self._probabilities(windows)[:, self.majority]

    def _probabilities(self, windows: Tensor) -> Tensor:
        return self.classifier(self.backbone(windows)).softmax(1)

    def _triplet(self, windows: Tensor, generator: Generator) -> Tensor:
        count, channels, length = windows.shape
        anchors = windows[:, :, self.near :]
        before = torch.randint(self.near, (count, 1), generator=generator)  # first sample of the positive
        at = before + torch.arange(length - self.near)
        positives = windows.gather(2, at[:, None].expand(-1, channels, -1))
        all_three = torch.cat([anchors, positives, injected(anchors, generator)])
        anchor, positive, negative = unit(self.projection(self.backbone(all_three))).chunk(3)
        apart = (anchor - positive).square().sum(1) / TEMPERATURE
        hardest = (anchor[:, None] - negative).square().sum(2).amin(1) / TEMPERATURE
        loss = (self.margin + apart - hardest).relu().mean()
        self.margin = max(LEAST_MARGIN, self.margin - SHRINK * float(loss.detach()))
        return loss

    @torch.no_grad()
    def _mine(self, generator: Generator) -> None:
        self.frozen = copy.deepcopy(nn.Sequential(self.backbone, self.projection)).requires_grad_(False).eval()
        normal = torch.cat(list(self.recent))
        self.bank = torch.cat([normal, injected(normal, generator)])
        self.bank_embedded = unit(self.frozen(self.bank))
        self.recent.clear()

    def _classes(self, windows: Tensor, generator: Generator) -> Tensor:
        assert self.frozen is not None
        half = (len(windows) + 1) // 2
        anchors = torch.cat([windows[:half], injected(windows[half:], generator)])
        alike = unit(self.frozen(anchors)) @ self.bank_embedded.T
        each, most = torch.arange(len(anchors)), min(NEIGHBOURS, len(self.bank))
        one, other = torch.randint(most, (2, len(anchors)), generator=generator)
        near = self.bank[alike.topk(most).indices[each, one]]
        far = self.bank[alike.topk(most, largest=False).indices[each, other]]
        anchor, nearest, furthest = self._probabilities(torch.cat([anchors, near, far])).chunk(3)
        consistency = -(anchor * nearest).sum(1).clamp_min(1e-8).log().mean()
        inconsistency = -(1 - (anchor * furthest).sum(1)).clamp_min(1e-8).log().mean()
        mean = anchor.mean(0).clamp_min(1e-8)
        return consistency + INCONSISTENCY * inconsistency + ENTROPY * (mean * mean.log()).sum()


class _Block(nn.Module):
    """Three convolutions beside a residual, all with batch norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for k, kernel in enumerate(KERNELS):
            parts += [
                nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0),
                nn.Conv1d(inputs if k == 0 else outputs, outputs, kernel),
                nn.BatchNorm1d(outputs),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*parts)
        narrow = nn.Sequential(nn.Conv1d(inputs, outputs, 1), nn.BatchNorm1d(outputs))
        self.skip: nn.Module = narrow if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, L] to [B, outputs, L]."""
        return self.layers(x) + self.skip(x)


METHOD = Method(
    build=CARLA,
    claim="reproduction",
    paper="Darban et al., CARLA: self-supervised contrastive representation learning for time series anomaly"
    " detection, Pattern Recognition 157 (2025) 110874, arXiv:2308.09296",
    settings={
        "network": "three residual blocks of 4, 8, 8 channels, kernels 8, 5, 3; 4 numbers, 10 classes: published code",
        "injections": "five kinds in 10 to 90 per cent of a window, a tenth to half of the channels: published code",
        "triplet": "temperature 0.4, margin from 1 down by a tenth of each loss, hardest negative: published code",
        "positive": "the stretch up to 10 steps before, out of the same window, whose first samples are therefore cut",
        "classes": "consistency with one of 5 nearest, inconsistency with one of 5 furthest, twice the entropy: paper"
        " and published code; weight 1 of inconsistency is own choice, the published settings switch it off",
        "stages": "half of the steps each, at one rate; published: 30 epochs at 1e-3, 50 at 1e-2, weight decay",
        "anchors": "half of a batch as it is, the other half injected into; published: as many of both",
        "neighbours": "among the last 16 batches of the first stage and their injections; published: all windows",
        "score": "one less the probability of the class of most normal windows; published: of most windows of the"
        " training part and their injections",
        "mends": "neighbours are sought for each window, channels and time are not mixed up, at least one channel is"
        " injected into, multiplied values count as at least 0.25 deviations, an injection that changes less than 0.1"
        " gives way to a trend; the published code does none of these",
        "checkpoint": "the last one; the published code takes the best by test labels",
    },
    rate=1e-3,
    negatives=injected,
)
