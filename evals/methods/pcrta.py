"""PCRTA after its abstract: a window whose perturbations are mistaken is anomalous (Tang et al., IJCAI 2024)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method

KINDS = 6  # none, jitter, scaling, trend, reversal, permutation
JITTER = 0.5  # deviation of the noise, in that of its channel
SCALING = (1.5, 2.5)  # of the departure from the window's mean, or one over it
TREND = (1.0, 3.0)  # rise or fall over the window, in the channel's deviation
PIECES = 4  # of a window, that are put in another order
WIDTH, PROJECTED = 64, 32
WEIGHT = 0.5  # of the contrast beside the classification
TEMPERATURE = 0.1
SEED = 0  # of the perturbations that windows are scored under


def perturbed(windows: Tensor, generator: Generator, count: int | None = None) -> Tensor:
    """Windows [B, C, L] under each of the kinds: [KINDS, B, C, L].

    Parameters
    ----------
    windows : Tensor [B, C, L]
    generator : Generator
    count : int, optional
        1 for the same perturbation of all windows; default is one for each.
    """
    _, channels, length = windows.shape
    drawn = len(windows) if count is None else count
    sign = 2.0 * torch.randint(2, (2, drawn, 1, 1), generator=generator) - 1
    noise = JITTER * torch.randn(drawn, channels, length, generator=generator)
    factor, rise = (low + (high - low) * torch.rand(drawn, 1, 1, generator=generator) for low, high in (SCALING, TREND))
    mean = windows.mean(2, keepdim=True)
    scaled = mean + (windows - mean) * factor ** sign[0]
    slope = sign[1] * rise * torch.linspace(-0.5, 0.5, length)
    order = torch.rand(drawn, PIECES, generator=generator).argsort(1)
    order = torch.where((order == torch.arange(PIECES)).all(1, keepdim=True), order.flip(1), order)
    # the ranks of the pieces sort the samples; of a length that is no multiple, the last piece is longer
    piece = (torch.arange(length) // (length // PIECES)).clamp(max=PIECES - 1)
    moved = (order[:, piece] * length + torch.arange(length)).argsort(1)
    permuted = windows.gather(2, moved[:, None].expand(len(windows), channels, -1))
    return torch.stack([windows, windows + noise, scaled, windows + slope, windows.flip(2), permuted])


class PCRTA(nn.Module):
    """Convolutions with a classifier of perturbations and a projection; the score is the classifier's doubt."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _block(channels, 32, 7),
            _block(32, WIDTH, 5),
            _block(WIDTH, WIDTH, 3),
            nn.AdaptiveMaxPool1d(4),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(4 * WIDTH, KINDS)
        self.projection = nn.Sequential(nn.Linear(4 * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, PROJECTED))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Cross-entropy of the kinds of perturbation, and contrast between views that the classifier guides."""
        features = self.encoder(perturbed(windows, generator).flatten(0, 1))
        kinds = torch.arange(KINDS).repeat_interleave(len(windows))
        logits = self.classifier(features)
        guided = guided_contrast(unit(self.projection(features)), kinds, logits.detach().softmax(1))
        return cross_entropy(logits, kinds) + WEIGHT * guided

    def fit_scores(self, windows: Tensor) -> None:
        """Nothing: the classifier scores."""

    def score(self, windows: Tensor) -> Tensor:
        """Mean probability of mistaking the perturbation, over the kinds, [B]; all windows get the same ones."""
        views = perturbed(windows, torch.Generator().manual_seed(SEED), count=1)
        probabilities = self.classifier(self.encoder(views.flatten(0, 1))).softmax(1).view(KINDS, len(windows), KINDS)
        return 1 - probabilities.diagonal(dim1=0, dim2=2).mean(1)


def guided_contrast(vectors: Tensor, kinds: Tensor, probabilities: Tensor) -> Tensor:
    """Supervised contrast of unit vectors [N, D], where views that the classifier takes for one kind do not repel.

    Parameters
    ----------
    vectors : Tensor [N, D]
    kinds : Tensor, int64 [N]
    probabilities : Tensor [N, KINDS]
        Of the kinds, by the classifier. The chance that two views are of one kind weighs positives, and one less it
        weighs negatives.
    """
    alike = probabilities @ probabilities.T
    same = kinds[:, None] == kinds
    others = ~torch.eye(len(kinds), dtype=torch.bool)
    attract = alike * (same & others)
    weight = torch.where(same, alike, 1 - alike)
    similarity = vectors @ vectors.T / TEMPERATURE
    weight = weight.clamp_min(1e-8).log().masked_fill(~others, float("-inf"))
    repel = torch.logsumexp(similarity + weight, 1, keepdim=True)
    gain = (attract * (similarity - repel)).sum(1) / attract.sum(1).clamp_min(1e-8)
    return -gain.mean()


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv1d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(outputs), nn.ReLU())


METHOD = Method(
    build=PCRTA,
    claim="after the abstract",
    paper="Tang et al., Perturbation guiding contrastive representation learning for time series anomaly detection,"
    " IJCAI 2024",
    settings={
        "known": "a classifier of perturbations guides the choice of positives and negatives; the likelier a"
        " perturbation is mistaken, the likelier an anomaly: abstract",
        "perturbations": "none, jitter, scaling, trend, reversal, permutation, and their sizes: own choice",
        "encoder": "three convolutions of 32, 64, 64 channels, stride 2, kept in four pooled stretches: own choice",
        "contrast": "supervised by the kinds, temperature 0.1, weight 0.5, pairs weighed by the classifier: own choice",
        "score": "mean probability of a mistake over the kinds, of the window: own reading of the abstract",
    },
)
