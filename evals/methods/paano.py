"""PaAno: embed patches of normal data near their neighbours in time, and store them (Park et al., ICLR 2026)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import triplet_margin_loss

from ape.evals.methods.encoders import neighbour_distance, unit
from ape.evals.methods.protocol import Method, Scorer

WIDTH, EMBEDDED = 128, 64
SHIFT = 2  # largest distance in samples between an anchor and its positive
MARGIN = 0.5
NEAREST = 3  # memory entries that a score averages over
STORED = 0.1  # share of the normal patches in the memory


class PaAno(Scorer):
    """A small convolutional encoder of patches, each normalised by itself."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *_block(channels, WIDTH // 2, kernel=7),
            *_block(WIDTH // 2, WIDTH, kernel=5),
            *_block(WIDTH, WIDTH, kernel=3),
        )
        self.head = nn.Linear(WIDTH, EMBEDDED)
        self.register_buffer("memory", torch.zeros(0, EMBEDDED))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Triplet loss of a patch, one up to two samples away, and the farthest patch of the batch."""
        length = windows.shape[2] - SHIFT
        begin = int(torch.randint(SHIFT + 1, (1,), generator=generator))
        other = (begin + 1 + int(torch.randint(SHIFT, (1,), generator=generator))) % (SHIFT + 1)
        anchors, positives = (self._embed(windows[:, :, at : at + length]) for at in (begin, other))
        farthest = (anchors @ anchors.T).argmin(dim=1)
        return triplet_margin_loss(anchors, positives, anchors[farthest], MARGIN)

    def fit_scores(self, windows: Tensor) -> None:
        """Store a tenth of the patches as a greedy core-set: the next patch is the farthest from those chosen."""
        vectors = self._embed(windows)
        chosen, nearest = [0], vectors @ vectors[0]
        for _ in range(max(int(STORED * len(vectors)), NEAREST) - 1):
            chosen.append(int(nearest.argmin()))
            nearest = torch.maximum(nearest, vectors @ vectors[chosen[-1]])
        self.memory = vectors[chosen]

    def score(self, windows: Tensor) -> Tensor:
        """Mean cosine distance to the three nearest memory entries, [B]."""
        return neighbour_distance(self._embed(windows), self.memory, NEAREST)

    def _embed(self, patches: Tensor) -> Tensor:
        centred = patches - patches.mean(dim=2, keepdim=True)
        scaled = centred / patches.std(dim=2, keepdim=True).clamp_min(1e-5)
        return unit(self.head(self.encoder(scaled).mean(dim=2)))


def _block(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(inputs, outputs, kernel, padding="same"), nn.BatchNorm1d(outputs), nn.ReLU()


METHOD = Method(
    build=PaAno,
    claim="reproduction",
    paper="PaAno: patch-based representation learning for time-series anomaly detection, ICLR 2026",
    settings={
        "encoder": "three convolutions with batch norm, of up to 128 channels, embedding 64: after the description",
        "patch": "the window that all methods get; the paper has 64 samples",
        "triplet": "positives up to 2 samples away, margin 0.5: paper; negative: the farthest of the batch, our choice",
        "memory": "greedy core-set of a tenth, mean cosine distance to the nearest 3: paper",
        "left out": "the pretext of adjacent patches, which fades within the first tenth of the training",
        "optimiser": "Adam at 1e-4; the published code anneals AdamW to 1e-5 over 200 steps of 512",
    },
    rate=1e-4,
)
