"""BoundAD, after its abstract: contrast with reconstructions by an overstepped network (Wang et al., 2026)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import adaptive_avg_pool1d

from ape.evals.methods.encoders import layers_for, tcn, unit
from ape.evals.methods.protocol import Method

HIDDEN, LATENT = 64, 16  # of the reconstruction network
WIDTH, KERNEL, POOLED, EMBEDDED = 32, 7, 4, 32  # of the encoder
STEPS = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)  # of the weights, in their norm, shortest first
BOUNDARY = 0.95  # quantile of the reconstruction errors of a batch
BEYOND = 2.0  # boundaries that a negative is away from its window
MARGIN = 0.5  # of the triplets, in squared distance on the unit sphere
PROTOTYPES, SOFTNESS = 8, 0.5
APART = 0.5  # squared distance that prototypes keep
COMPACT, SPREAD = 0.1, 0.1  # weights of losses; the others have 1


class BoundAD(nn.Module):
    """An autoencoder that makes the negatives, an encoder that learns from them, and prototypes that score.

    The published actor, learned by reinforcement, sets how far the weights of the reconstruction network are updated.
    Here they go down the gradient of the batch, and each window takes the shortest step that carries its reconstruction
    past the boundary of normal errors. The published stages are trained together, without a gradient from contrast or
    prototypes back into the autoencoder. Nothing is drawn at random.
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
        """Reconstruction, triplets of window, reconstruction and negative, compactness, and the prototypes' terms."""
        rebuilt = self.reconstructor(windows)
        errors = (rebuilt - windows).square().mean((1, 2))
        negatives, crossed = self._overstepped(windows, errors)
        anchor, positive, negative = self._embedded(torch.cat([windows, rebuilt.detach(), negatives])).chunk(3)
        nearer = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
        # what never crossed the boundary is no negative
        triplet = ((nearer + MARGIN).relu() * crossed).sum() / crossed.sum().clamp_min(1)
        compact = (anchor - anchor.mean(0)).square().sum(1).mean()
        return errors.mean() + triplet + COMPACT * compact + self._prototype_loss(anchor)

    def fit_scores(self, windows: Tensor) -> None:
        """Nothing: the prototypes were trained."""

    def score(self, windows: Tensor) -> Tensor:
        """Squared distance to the prototypes, each as much as the window belongs to it, [B]."""
        distances, shares = self._assigned(self._embedded(windows))
        return (shares * distances).sum(1)

    def _overstepped(self, windows: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstructions just past the boundary [B, C, L], and whether there was a step that went there [B]."""
        weights = dict(self.reconstructor.named_parameters())
        gradients = torch.autograd.grad(errors.mean(), list(weights.values()), retain_graph=True)
        with torch.no_grad():
            boundary = BEYOND**2 * errors.quantile(BOUNDARY)
            norm, steepness = (torch.cat([g.flatten() for g in of]).norm() for of in (weights.values(), gradients))
            longest = norm / steepness.clamp_min(1e-12)
            ways = [longest * slope for slope in gradients]
            chosen, crossed = windows, torch.zeros(len(windows), dtype=torch.bool)
            for size in STEPS:
                moved = {name: w - size * way for (name, w), way in zip(weights.items(), ways, strict=True)}
                rebuilt = functional_call(self.reconstructor, moved, (windows,))
                past = (rebuilt - windows).square().mean((1, 2)) > boundary
                chosen = torch.where((past & ~crossed)[:, None, None], rebuilt, chosen)
                crossed = crossed | past
        return chosen, crossed

    def _prototype_loss(self, embedded: Tensor) -> Tensor:
        """Windows near the prototypes they belong to, prototypes apart, and all of them in use."""
        distances, shares = self._assigned(embedded)
        prototypes = unit(self.prototypes)
        gaps = torch.pdist(prototypes).square()
        used = shares.mean(0)
        balance = (used * (PROTOTYPES * used.clamp_min(1e-8)).log()).sum()
        return (shares * distances).sum(1).mean() + SPREAD * (APART - gaps).relu().mean() + balance

    def _assigned(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        distances = (embedded[:, None] - unit(self.prototypes)).square().sum(2)
        return distances, (-distances / SOFTNESS).softmax(1)

    def _embedded(self, windows: Tensor) -> Tensor:
        return unit(self.head(adaptive_avg_pool1d(self.encoder(windows), POOLED).flatten(1)))


METHOD = Method(
    build=BoundAD,
    claim="after the abstract",
    paper="Wang et al., BoundAD: boundary-aware negative generation for time series anomaly detection,"
    " arXiv:2603.18111, 2026",
    settings={
        "reconstruction": "bottleneck of 64 and 16 units; the paper names a Transformer, linear layers and a KAN",
        "negatives": "reconstructions after one step of the weights down the gradient, the shortest of six that ends"
        " twice as far from the window as the boundary, the 95 % quantile of a batch: a rule in place of the paper's"
        " reinforcement learning",
        "losses": "triplets, compactness, soft assignment, distance, spread and balance: named in a digest; formulas"
        " and weights are own choices",
        "encoder": "causal convolutions of 32 channels, embedding 32 at length one, 8 prototypes: own choice",
        "stages": "trained together; in the paper one after another",
        "rate": "1e-3: own choice",
    },
    rate=1e-3,
)
