"""CutAddPaste: a classifier of windows into which a patch with a trend was pasted (Wang et al., KDD 2024)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ape.evals.methods.protocol import Method

WIDTH = 64  # of the last convolution, for UCR
SHORTEST = 12  # samples of a patch, for UCR
TREND = 0.01  # steepest slope a step, for UCR
DROPOUT = 0.45


def cut_add_paste(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Windows [B, C, L] with a patch of another window of the batch, which got a slope in some channels.

    The published code slopes the patch in the window that it was cut from, too; here that window stays as it was.
    """
    count, channels, length = hosts.shape
    donor = (torch.arange(count) + torch.randint(1, max(count, 2), (count,), generator=generator)) % count
    size = torch.maximum((torch.rand(count, generator=generator) * length).long(), torch.tensor(SHORTEST))
    size = size.clamp(max=length - 1)
    room = (length - size).double()
    source, target = ((torch.rand(count, generator=generator).double() * room).long() for _ in range(2))
    slope = TREND * (2 * torch.rand(count, channels, 1, generator=generator) - 1)
    if channels > 1:  # one to all but one of the channels
        sloped = 1 + (torch.rand(count, 1, 1, generator=generator) * (channels - 1)).long()
        slope = slope * (torch.rand(count, channels, 1, generator=generator).argsort(1).argsort(1) < sloped)
    step = torch.arange(length)
    inside = (step >= target[:, None]) & (step < (target + size)[:, None])
    at = (step - target[:, None] + source[:, None]).clamp(0, length - 1)
    patch = hosts[donor].gather(2, at[:, None].expand(-1, channels, -1))
    patch = patch + slope * (step - target[:, None]).clamp(min=0)[:, None]
    return torch.where(inside[:, None], patch, hosts)


class CutAddPaste(nn.Module):
    """Three convolutions and two logits; the score is the probability of a pasted window."""

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
        """Cross-entropy of windows as they are and pasted."""
        both = torch.cat([windows, cut_add_paste(windows, generator)])
        return cross_entropy(self.classifier(self.features(both)), torch.arange(2).repeat_interleave(len(windows)))

    def fit_scores(self, windows: Tensor) -> None:
        """Nothing: the classifier scores."""

    def score(self, windows: Tensor) -> Tensor:
        """Probability of having been pasted into, [B]."""
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
        "patch": "at least 12 samples, slope up to 0.01 a step: published code, UCR",
        "ratio": "as many pasted as normal: published code, UCR",
        "checkpoint": "the last one; the published code takes the best by test labels",
    },
    negatives=cut_add_paste,
)
