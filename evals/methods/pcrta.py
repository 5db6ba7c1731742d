"""PCRTA, after its abstract: a window whose perturbations are misclassified is anomalous (Tang et al., IJCAI 2024)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ape.evals.methods.draws import samples_at, signs, uniform
from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method, Scorer

KINDS = 6  # none, jitter, scaling, trend, reversal, permutation
JITTER = 0.5  # deviation of the noise, in that of its channel
SCALING = (1.5, 2.5)  # factor of the departure from the window's mean, or its inverse
TREND = (1.0, 3.0)  # rise or fall over the window, in the channel's deviation
PIECES = 4  # pieces of a window that a permutation reorders
WIDTH, PROJECTED = 64, 32
WEIGHT = 0.5  # of the contrast; the classification has weight 1
TEMPERATURE = 0.1
SEED = 0  # of the perturbations used for scoring


def perturbed(windows: Tensor, generator: Generator, count: int | None = None) -> Tensor:
    """Apply each kind of perturbation to windows [B, C, L]; returns [KINDS, B, C, L].

    Parameters
    ----------
    windows : Tensor [B, C, L]
    generator : Generator
    count : int, optional
        1 for the same perturbation of all windows; by default each window gets its own.
    """
    _, channels, length = windows.shape
    drawn = len(windows) if count is None else count
    sign = signs((2, drawn, 1, 1), generator)
    noise = JITTER * torch.randn(drawn, channels, length, generator=generator)
    factor, rise = (uniform(bounds, (drawn, 1, 1), generator) for bounds in (SCALING, TREND))
    mean = windows.mean(2, keepdim=True)
    scaled = mean + (windows - mean) * factor ** sign[0]
    slope = sign[1] * rise * torch.linspace(-0.5, 0.5, length)
    order = torch.rand(drawn, PIECES, generator=generator).argsort(1)
    order = torch.where((order == torch.arange(PIECES)).all(1, keepdim=True), order.flip(1), order)
    # Sorting the samples by the rank of their piece permutes the pieces. The last piece is longer if the length is no
    # multiple of their number.
    piece = (torch.arange(length) // (length // PIECES)).clamp(max=PIECES - 1)
    moved = (order[:, piece] * length + torch.arange(length)).argsort(1)
    permuted = samples_at(windows, moved)
    return torch.stack([windows, windows + noise, scaled, windows + slope, windows.flip(2), permuted])


class PCRTA(Scorer):
    """Convolutions with a classifier of perturbations and a projection. The score is the classifier's error."""

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
        """Cross-entropy of the kinds of perturbation, and contrast between views guided by the classifier."""
        features = self.encoder(perturbed(windows, generator).flatten(0, 1))
        kinds = torch.arange(KINDS).repeat_interleave(len(windows))
        logits = self.classifier(features)
        guided = guided_contrast(unit(self.projection(features)), kinds, logits.detach().softmax(1))
        return cross_entropy(logits, kinds) + WEIGHT * guided

    def score(self, windows: Tensor) -> Tensor:
        """Probability of misclassifying the perturbation, averaged over the kinds, [B].

        All windows get the same perturbations.
        """
        views = perturbed(windows, torch.Generator().manual_seed(SEED), count=1)
        probabilities = self.classifier(self.encoder(views.flatten(0, 1))).softmax(1).view(KINDS, len(windows), KINDS)
        return 1 - probabilities.diagonal(dim1=0, dim2=2).mean(1)


def guided_contrast(vectors: Tensor, kinds: Tensor, probabilities: Tensor) -> Tensor:
    """Supervised contrast in which views that the classifier takes for the same kind do not repel each other.

    Parameters
    ----------
    vectors : Tensor [N, D]
        Unit vectors.
    kinds : Tensor, int64 [N]
    probabilities : Tensor [N, KINDS]
        Of the kinds, by the classifier. They give the chance that two views are of the same kind. A positive pair is
        weighted by this chance, a negative pair by one minus it.
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
        " perturbation is misclassified, the likelier an anomaly: abstract",
        "perturbations": "none, jitter, scaling, trend, reversal, permutation, and their sizes: our choice",
        "encoder": "three convolutions of 32, 64, 64 channels, stride 2, pooled to four stretches: our choice",
        "contrast": "supervised by the kinds, temperature 0.1, weight 0.5, pairs weighted by the classifier:"
        " our choice",
        "score": "mean misclassification probability over the kinds, per window: our reading of the abstract",
    },
)
