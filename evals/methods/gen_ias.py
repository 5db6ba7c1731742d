"""GenIAS, after its abstract: negatives from a VAE with a learned perturbation (Darban et al., 2025)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, interpolate, softplus

from ape.evals.methods.draws import is_inside, stretches
from ape.evals.methods.encoders import layers_for, nearest_distance, tcn, unit
from ape.evals.methods.protocol import Method, Scorer

WIDTH, KERNEL = 16, 7  # of all convolutions
DECODING = 2  # layers of the decoder; few are enough because each latent describes all steps
POOLED, EMBEDDED = 4, 64  # of the detector
LATENT, COARSE = 32, 16  # size of the latent; time steps that it is read from and unfolded to
PRIOR = 0.5  # variance
NEAREST, FARTHEST = 0.1, 0.2  # mean square, in variances, by which a perturbed window is worse than a rebuilt one
PERTURBATION, STILL, DIVERGENCE = 0.1, 0.01, 0.1  # loss weights; reconstruction has weight 1
STILL_BELOW = 1e-4  # deviation below which a channel counts as still in a window
PATCH = 0.5  # channels with at least this share of the largest deviation are patched
PATCHED = (0.1, 0.9)  # size of a patch, as a share of the window
MARGIN = 0.5  # of the triplets, in squared distance on the unit sphere


class PerturbingVAE(nn.Module):
    """A VAE of causal convolutions that decodes each latent twice: as sampled, and perturbed."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.window, self.coarse = window, min(COARSE, window)
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.moments = nn.Linear(WIDTH * self.coarse, 2 * LATENT)
        self.unfold = nn.Linear(LATENT, WIDTH * self.coarse)
        self.decoder = nn.Sequential(tcn(WIDTH, WIDTH, DECODING, KERNEL), nn.Conv1d(WIDTH, channels, 1))
        self.scale = nn.Parameter(torch.full((LATENT,), 2.0))  # of the perturbation, before softplus

    def forward(self, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return rebuilt and perturbed windows [B, C, L], and mean and log variance of the latents [B, LATENT]."""
        pooled = adaptive_avg_pool1d(self.encoder(windows), self.coarse).flatten(1)
        mean, log_variance = self.moments(pooled).chunk(2, dim=1)
        log_variance = log_variance.clamp(-10, 5)
        noise = (log_variance / 2).exp() * torch.randn(mean.shape, generator=generator)
        latents = torch.cat([mean + noise, mean + softplus(self.scale) * noise])
        coarse = self.unfold(latents).unflatten(1, (WIDTH, self.coarse))
        rebuilt, perturbed = self.decoder(interpolate(coarse, self.window, mode="linear")).chunk(2)
        return rebuilt, perturbed, mean, log_variance

    def loss(self, windows: Tensor, rebuilt: Tensor, perturbed: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Reconstruction error, size of the perturbation within bounds, stillness of still channels, and divergence."""
        near, far = ((made - windows).square().mean(2) for made in (rebuilt, perturbed))
        worse = far.mean(1) - near.mean(1)
        out_of_bounds = (NEAREST - worse).relu() + (worse - FARTHEST).relu()
        still = (windows.std(2) < STILL_BELOW) & (windows.shape[1] > 1)
        stillness = (still / (1 + far)).sum() / still.sum().clamp_min(1)
        log_ratio = log_variance - torch.tensor(PRIOR).log()
        divergence = 0.5 * (log_ratio.exp() + mean.square() / PRIOR - 1 - log_ratio)
        return near.mean() + PERTURBATION * out_of_bounds.mean() + STILL * stillness + DIVERGENCE * divergence.mean()


def patches(windows: Tensor, perturbed: Tensor, generator: Generator) -> Tensor:
    """Choose where to patch windows, bool [B, C, L]: one stretch of the channels that the perturbation moved most."""
    count, _, length = windows.shape
    moved = (perturbed - windows).square().mean(2, keepdim=True)
    chosen = moved >= PATCH * moved.amax(1, keepdim=True)
    shortest, longest = (max(1, int(share * length)) for share in PATCHED)
    first, size = stretches(count, length, (shortest, longest), generator)
    return chosen & is_inside(length, first, size)[:, None]


class GenIAS(Scorer):
    """The generating VAE, and an encoder that separates its negatives. The score is the distance to normal windows."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.vae = PerturbingVAE(channels, window)
        self.encoder = tcn(channels, WIDTH, layers_for(window, KERNEL), KERNEL)
        self.head = nn.Linear(WIDTH * POOLED, EMBEDDED)
        self.register_buffer("memory", torch.zeros(1, EMBEDDED))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Loss of the VAE plus triplets. The triplets send no gradient into the VAE.

        The positive contains the unperturbed reconstruction where its negative contains the perturbed one. So neither
        the patch's edges nor the noise that no decoder rebuilds can tell them apart.
        """
        rebuilt, perturbed, mean, log_variance = self.vae(windows, generator)
        generation = self.vae.loss(windows, rebuilt, perturbed, mean, log_variance)
        with torch.no_grad():
            where = patches(windows, perturbed, generator)
            made = [torch.where(where, patch, windows) for patch in (rebuilt, perturbed)]
        anchor, positive, negative = self._embed(torch.cat([windows, *made])).chunk(3)
        nearer = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
        return generation + (nearer + MARGIN).relu().mean()

    def fit_scores(self, windows: Tensor) -> None:
        """Store the embeddings of normal windows."""
        self.memory = self._embed(windows)

    def score(self, windows: Tensor) -> Tensor:
        """Distance to the nearest normal window, [B]."""
        return nearest_distance(self._embed(windows), self.memory)

    def _embed(self, windows: Tensor) -> Tensor:
        return unit(self.head(adaptive_avg_pool1d(self.encoder(windows), POOLED).flatten(1)))


METHOD = Method(
    build=GenIAS,
    claim="after the abstract",
    paper="Darban et al., GenIAS: generator for instantiating anomalies in time series, arXiv:2502.08262, 2025",
    settings={
        "generator": "weights 1, 0.1, 0.01, 0.1 of the losses, prior variance 0.5, perturbed by 0.1 to 0.2: after an"
        " unofficial code; 16 channels, a latent of 32, means over both latents and samples: our choice",
        "perturbation": "a learned scale for each latent, near 2 at first: our choice",
        "patching": "channels with half the largest deviation or more, a stretch of a tenth to nine tenths: our"
        " reading of the coefficient 0.5",
        "fixes": "convolves over time; the divergence is the derived one; the farthest perturbation counts from the"
        " rebuilt window, because otherwise the bound cannot be met where the noise is larger; a still channel counts"
        " instead of a zero one",
        "detector": "triplets and the nearest normal embedding; the paper uses CARLA",
        "positives": "the same patch without its perturbation: our choice",
        "rate": "3e-4, for a budget of some hundred steps; the unofficial code takes 1e-4 over 1000 epochs",
    },
    rate=3e-4,
)
