"""CARLA: triplets with injected anomalies, then classes shared by neighbours (Darban et al., Pattern Recogn. 2025)."""

from __future__ import annotations

import copy
from collections import deque

import torch
from torch import Generator, Tensor, nn

from ape.evals.methods import running
from ape.evals.methods.draws import samples_at, signs, some_channels, stretches
from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method, Scorer

WIDTHS, KERNELS, PROJECTED, CLASSES = (4, 8, 8), (8, 5, 3), 4, 10
SEGMENT = (0.1, 0.9)  # shortest and longest changed stretch, as a share of the window
GLOBAL, CONTEXTUAL = 8.0, 3.0  # factors of a few points
FLOOR = 0.25  # deviations; a value to be multiplied counts as at least this far from zero
MIN_CHANGE = 0.1  # deviations; an injection that changes less is replaced by a trend
NEAR = 10  # largest number of steps between a window and its positive
TEMPERATURE, MARGIN, MIN_MARGIN, SHRINK = 0.4, 1.0, 0.01, 0.1
NEIGHBOURS = 5
ENTROPY, INCONSISTENCY = 2.0, 1.0  # loss weights; consistency has weight 1
BANK = 16  # batches in which neighbours are searched


def injected(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Inject one of five anomalies into windows [B, C, L]: seasonal, trend, global, contextual or shapelet."""
    count, channels, length = hosts.shape
    shortest = max(2, int(SEGMENT[0] * length))
    bounds = (shortest, max(shortest, int(SEGMENT[1] * length)))
    first, size = stretches(count, length, bounds, generator)
    step = torch.arange(length)
    after = step >= first
    inside = after & (step < first + size)
    few, more = (after & (step < first + n + torch.randint(2, (count, 1), generator=generator)) for n in (2, 4))

    faster = torch.randint(2, 5, (count, 1), generator=generator)
    seasonal = samples_at(hosts, first + (faster * (step - first)) % size)
    shift = 1 + 0.5 * torch.randn(count, channels, 1, generator=generator)
    trend = hosts + signs((count, channels, 1), generator) * shift.abs().clamp_min(FLOOR)
    away = torch.where(hosts < 0, -1.0, 1.0) * hosts.abs().clamp_min(FLOOR)
    shapelet = samples_at(hosts, first) + 0.1 * torch.rand(hosts.shape, generator=generator)

    kind, each = torch.randint(5, (count,), generator=generator), torch.arange(count)
    values = torch.stack([seasonal, trend, hosts + (GLOBAL - 1) * away, hosts + (CONTEXTUAL - 1) * away, shapelet])
    where = torch.stack([inside, after, few, more, inside])[kind, each, None]
    number = torch.randint(max(1, channels // 10), max(1, channels // 2) + 1, (count, 1, 1), generator=generator)
    chosen = some_channels(count, channels, number, generator)
    changed = torch.where(where & chosen, values[kind, each], hosts)
    is_small = (changed - hosts).abs().amax(dim=(1, 2), keepdim=True) < MIN_CHANGE
    return torch.where(is_small, torch.where(after[:, None] & chosen, trend, hosts), changed)


class CARLA(Scorer):
    """A small residual network, trained for half of the steps in each of two stages."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        sizes = (channels, *WIDTHS)
        blocks = [_Block(sizes[k], sizes[k + 1]) for k in range(len(WIDTHS))]
        self.backbone = nn.Sequential(*blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.projection = nn.Sequential(nn.Linear(WIDTHS[-1], WIDTHS[-1]), nn.ReLU(), nn.Linear(WIDTHS[-1], PROJECTED))
        self.classifier = nn.Linear(WIDTHS[-1], CLASSES)
        self.near = min(NEAR, window // 4)
        self.remaining = max(1, running.STEPS // 2)  # steps of the first stage still to do
        self.margin = MARGIN
        self.recent: deque[Tensor] = deque(maxlen=BANK)
        self.frozen: nn.Module | None = None  # the first stage's network, set in the second stage
        self.bank, self.bank_embedded = torch.empty(0), torch.empty(0)
        self.majority = 0

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Triplet loss in the first half of the steps, class loss in the second half."""
        if self.remaining > 0:
            self.remaining -= 1
            self.recent.append(windows)
            return self._triplet_loss(windows, generator)
        if self.frozen is None:
            self._start_second_stage(generator)
        return self._class_loss(windows, generator)

    def fit_scores(self, windows: Tensor) -> None:
        """Store the most frequent class of normal windows."""
        self.majority = int(self._probabilities(windows).argmax(1).bincount(minlength=CLASSES).argmax())

    def score(self, windows: Tensor) -> Tensor:
        """Probability of any class but the normal one, [B]."""
        return 1 - self._probabilities(windows)[:, self.majority]

    def _triplet_loss(self, windows: Tensor, generator: Generator) -> Tensor:
        count, _, length = windows.shape
        anchors = windows[:, :, self.near :]
        begin = torch.randint(self.near, (count, 1), generator=generator)  # first sample of the positive
        positives = samples_at(windows, begin + torch.arange(length - self.near))
        all_three = torch.cat([anchors, positives, injected(anchors, generator)])
        anchor, positive, negative = unit(self.projection(self.backbone(all_three))).chunk(3)
        apart = (anchor - positive).square().sum(1) / TEMPERATURE
        hardest = (anchor[:, None] - negative).square().sum(2).amin(1) / TEMPERATURE
        loss = (self.margin + apart - hardest).relu().mean()
        self.margin = max(MIN_MARGIN, self.margin - SHRINK * float(loss.detach()))
        return loss

    @torch.no_grad()
    def _start_second_stage(self, generator: Generator) -> None:
        """Freeze a copy of the network and embed the recent windows and their injections with it."""
        self.frozen = copy.deepcopy(nn.Sequential(self.backbone, self.projection)).requires_grad_(False).eval()
        normal = torch.cat(list(self.recent))
        self.bank = torch.cat([normal, injected(normal, generator)])
        self.bank_embedded = unit(self.frozen(self.bank))
        self.recent.clear()

    def _class_loss(self, windows: Tensor, generator: Generator) -> Tensor:
        assert self.frozen is not None
        half = (len(windows) + 1) // 2
        anchors = torch.cat([windows[:half], injected(windows[half:], generator)])
        similarity = unit(self.frozen(anchors)) @ self.bank_embedded.T
        each, most = torch.arange(len(anchors)), min(NEIGHBOURS, len(self.bank))
        one, other = torch.randint(most, (2, len(anchors)), generator=generator)
        near = self.bank[similarity.topk(most).indices[each, one]]
        far = self.bank[similarity.topk(most, largest=False).indices[each, other]]
        anchor, nearest, furthest = self._probabilities(torch.cat([anchors, near, far])).chunk(3)
        consistency = -(anchor * nearest).sum(1).clamp_min(1e-8).log().mean()
        inconsistency = -(1 - (anchor * furthest).sum(1)).clamp_min(1e-8).log().mean()
        mean = anchor.mean(0).clamp_min(1e-8)
        return consistency + INCONSISTENCY * inconsistency + ENTROPY * (mean * mean.log()).sum()

    def _probabilities(self, windows: Tensor) -> Tensor:
        return self.classifier(self.backbone(windows)).softmax(1)


class _Block(nn.Module):
    """Three convolutions with batch norm, and a residual."""

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
        """Map [B, inputs, L] to [B, outputs, L]."""
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
        "positive": "the stretch up to 10 steps before, from the same window. The anchor therefore lacks the window's"
        " first samples",
        "classes": "consistency with one of 5 nearest, inconsistency with one of 5 furthest, twice the entropy: paper"
        " and published code. Weight 1 of inconsistency is our choice; the published settings switch it off",
        "stages": "half of the steps each, at one rate; published: 30 epochs at 1e-3, 50 at 1e-2, weight decay",
        "anchors": "half of a batch unchanged, the other half with injections; published: as many of both",
        "neighbours": "among the last 16 batches of the first stage and their injections; published: all windows",
        "score": "one minus the probability of the class of most normal windows; published: the class of most windows"
        " of the training part and their injections",
        "fixes": "neighbours are searched per window, channels and time are not mixed up, at least one channel gets an"
        " injection, multiplied values count as at least 0.25 deviations, an injection that changes less than 0.1"
        " is replaced by a trend; the published code does none of these",
        "checkpoint": "the last one; the published code takes the best by test labels",
    },
    rate=1e-3,
    negatives=injected,
)
