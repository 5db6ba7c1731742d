"""CutAddPaste: classify windows with a pasted patch that has a trend added (Wang et al., KDD 2024)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ape.evals.methods.draws import is_inside, other_windows, samples_at, some_channels
from ape.evals.methods.protocol import Method, Scorer

WIDTH = 64  # of the last convolution, as published for UCR
SHORTEST = 12  # samples of a patch, as published for UCR
TREND = 0.01  # steepest slope per step, as published for UCR
DROPOUT = 0.45


def cut_add_paste(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Paste a patch of another window of the batch into windows [B, C, L], with a slope added in some channels.

    The published code also changes the window that the patch is cut from; here that window stays unchanged.
    """
    count, channels, length = hosts.shape
    donor = other_windows(count, generator)
    size = torch.maximum((torch.rand(count, generator=generator) * length).long(), torch.tensor(SHORTEST))
    size = size.clamp(max=length - 1)
    free = (length - size).double()
    source, target = ((torch.rand(count, generator=generator).double() * free).long()[:, None] for _ in range(2))
    slope = TREND * (2 * torch.rand(count, channels, 1, generator=generator) - 1)
    if channels > 1:  # one to all but one of the channels
        sloped = 1 + (torch.rand(count, 1, 1, generator=generator) * (channels - 1)).long()
        slope = slope * some_channels(count, channels, sloped, generator)
    along = torch.arange(length) - target
    patch = samples_at(hosts[donor], (along + source).clamp(0, length - 1))
    patch = patch + slope * along.clamp(min=0)[:, None]
    return torch.where(is_inside(length, target, size[:, None])[:, None], patch, hosts)


class CutAddPaste(Scorer):
    """Three convolutions and two logits. The score is the probability of a pasted window."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(channels, 32, 4), nn.Dropout(DROPOUT), _block(32, 64, 8), _block(64, WIDTH, 8), nn.Flatten()
        )
        with torch.no_grad():
            size = self.features(torch.zeros(2, channels, window)).shape[1]
        self.classifier = nn.Sequential(
            nn.Linear(size, size // 2), nn.BatchNorm1d(size // 2), nn.ReLU(), nn.Linear(size // 2, 2)
        )

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Cross-entropy between normal and pasted windows."""
        both = torch.cat([windows, cut_add_paste(windows, generator)])
        return cross_entropy(self.classifier(self.features(both)), torch.arange(2).repeat_interleave(len(windows)))

    def score(self, windows: Tensor) -> Tensor:
        """Probability of a pasted patch, [B]."""
        return self.classifier(self.features(windows)).softmax(1)[:, 1]


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2, padding=1))


METHOD = Method(
    build=CutAddPaste,
    claim="reproduction",
    paper="Wang et al., CutAddPaste: time series anomaly detection by exploiting abnormal knowledge, KDD 2024",
    settings={
        "network": "three convolutions of 32, 64, 64 channels, dropout 0.45: published code",
        "patch": "at least 12 samples, slope up to 0.01 per step: published code, UCR",
        "ratio": "as many pasted as normal windows: published code, UCR",
        "checkpoint": "the last one; the published code takes the best by test labels",
    },
    negatives=cut_add_paste,
)
