"""BoundAD, after its abstract: contrast windows with reconstructions by an over-trained network (Wang et al., 2026)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import adaptive_avg_pool1d

from ape.evals.methods.encoders import layers_for, tcn, unit
from ape.evals.methods.protocol import Method, Scorer

HIDDEN, LATENT = 64, 16  # units of the reconstruction network
WIDTH, KERNEL, POOLED, EMBEDDED = 32, 7, 4, 32  # of the encoder
STEPS = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)  # lengths of a weight update, as a share of the weights' norm
BOUNDARY = 0.95  # quantile of the reconstruction errors of a batch
BEYOND = 2.0  # distance of a negative from its window, in boundaries
MARGIN = 0.5  # of the triplets, in squared distance on the unit sphere
PROTOTYPES, SOFTNESS = 8, 0.5
APART = 0.5  # squared distance below which two prototypes repel each other
COMPACT, SPREAD = 0.1, 0.1  # loss weights; the other losses have weight 1


class BoundAD(Scorer):
    """An autoencoder that makes negatives, an encoder trained on them, and prototypes that score.

    Departures from the paper: a reinforcement-learning actor there sets how far the weights of the reconstruction
    network are updated. Here the weights move down the gradient of the batch, and each window takes the shortest step
    that moves its reconstruction past the boundary of normal errors. The paper's stages are trained together, and
    contrast and prototypes send no gradient into the autoencoder. Training draws no random numbers.
    """

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        size = channels * window
        self.reconstructor = nn.Sequential(
            nn.Flatten(),
            nn.Linear(size, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, LATENT),
            nn.Linear(LATENT, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, size),
            nn.Unflatten(1, (channels, window)),
        )
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.head = nn.Linear(WIDTH * POOLED, EMBEDDED)
        self.prototypes = nn.Parameter(torch.randn(PROTOTYPES, EMBEDDED))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Reconstruction error, triplets of window, reconstruction and negative, compactness, and prototype losses."""
        rebuilt = self.reconstructor(windows)
        errors = (rebuilt - windows).square().mean((1, 2))
        negatives, crossed = self._overstep(windows, errors)
        anchor, positive, negative = self._embed(torch.cat([windows, rebuilt.detach(), negatives])).chunk(3)
        nearer = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
        # a reconstruction that never crossed the boundary is not a negative
        triplet = ((nearer + MARGIN).relu() * crossed).sum() / crossed.sum().clamp_min(1)
        compact = (anchor - anchor.mean(0)).square().sum(1).mean()
        return errors.mean() + triplet + COMPACT * compact + self._prototype_loss(anchor)

    def score(self, windows: Tensor) -> Tensor:
        """Squared distance to the prototypes, weighted by the soft assignment, [B]."""
        distances, shares = self._assign(self._embed(windows))
        return (shares * distances).sum(1)

    def _overstep(self, windows: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
        """Return reconstructions just past the boundary [B, C, L], and whether any step crossed it, bool [B]."""
        weights = dict(self.reconstructor.named_parameters())
        gradients = torch.autograd.grad(errors.mean(), list(weights.values()), retain_graph=True)
        with torch.no_grad():
            boundary = BEYOND**2 * errors.quantile(BOUNDARY)
            norm, steepness = (torch.cat([g.flatten() for g in of]).norm() for of in (weights.values(), gradients))
            longest = norm / steepness.clamp_min(1e-12)
            directions = [longest * slope for slope in gradients]
            negatives, crossed = windows, torch.zeros(len(windows), dtype=torch.bool)
            for size in STEPS:
                moved = {name: w - size * way for (name, w), way in zip(weights.items(), directions, strict=True)}
                rebuilt = functional_call(self.reconstructor, moved, (windows,))
                past = (rebuilt - windows).square().mean((1, 2)) > boundary
                negatives = torch.where((past & ~crossed)[:, None, None], rebuilt, negatives)
                crossed = crossed | past
        return negatives, crossed

    def _prototype_loss(self, embedded: Tensor) -> Tensor:
        """Pull windows to their prototypes, keep prototypes apart, and keep all prototypes in use."""
        distances, shares = self._assign(embedded)
        prototypes = unit(self.prototypes)
        gaps = torch.pdist(prototypes).square()
        used = shares.mean(0)
        balance = (used * (PROTOTYPES * used.clamp_min(1e-8)).log()).sum()
        return (shares * distances).sum(1).mean() + SPREAD * (APART - gaps).relu().mean() + balance

    def _assign(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Return squared distances to the prototypes and soft assignments, [B, PROTOTYPES] each."""
        distances = (embedded[:, None] - unit(self.prototypes)).square().sum(2)
        return distances, (-distances / SOFTNESS).softmax(1)

    def _embed(self, windows: Tensor) -> Tensor:
        return unit(self.head(adaptive_avg_pool1d(self.encoder(windows), POOLED).flatten(1)))


METHOD = Method(
    build=BoundAD,
    claim="after the abstract",
    paper="Wang et al., BoundAD: boundary-aware negative generation for time series anomaly detection,"
    " arXiv:2603.18111, 2026",
    settings={
        "reconstruction": "bottleneck of 64 and 16 units; the paper names a Transformer, linear layers and a KAN",
        "negatives": "reconstructions after one step of the weights down the gradient. The shortest of six steps is"
        " taken whose result is twice as far from the window as the boundary, the 95 % quantile of a batch. This rule"
        " replaces the paper's reinforcement learning",
        "losses": "triplets, compactness, soft assignment, distance, spread and balance are named in a digest; formulas"
        " and weights are our choice",
        "encoder": "causal convolutions of 32 channels, unit embedding of size 32, 8 prototypes: our choice",
        "stages": "trained together; the paper trains one after another",
        "rate": "1e-3: our choice",
    },
    rate=1e-3,
)
