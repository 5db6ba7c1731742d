"""OmniAnomaly: a recurrent VAE with connected latents, planar flows and a state-space prior (Su et al. 2019, KDD)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.donut import MIN_STD, GaussianHead, log_normal
from ape.detectors.layers import perceptron


class OmniAnomaly(nn.Module):
    """GRU, latents that each depend on the one before, planar flows, GRU; doi:10.1145/3292500.3330672, no arXiv id.

    All four parts of the paper are here, unlike in the models that are often run under this name (GRU and MLP VAE).

    Departures. Hidden layers are 64 wide instead of 500. Dense layers have a ReLU, which the released code leaves
    out. The loss holds log p(z), and its gradient passes through the chain of latents; the released code drops the
    one and blocks the other. The chain links the latents before the flows, as the released code does, so that the
    flows run on all points at once. A constant within the flows lets them start as the identity. Noise is drawn for
    each window, not shared over the batch. `own_scores` gives all points of the window, not only the last. There is
    no weight decay (1e-4 in the paper): the early stop holds the model back. The divergence weighs a tenth: at its
    full weight the decoder ignored the latents and gave the mean on short windows of a wave with jumps, for 400 steps
    at rates 3e-3 and 1e-2. The loss is divided by C*L, which only sets the scale of its gradient.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z at each point.
    hidden : int
        Width of both GRUs and of the two dense layers after each.
    flows : int
        Planar layers.
    beta : float
        Weight of the divergence from prior to posterior; 1 is the paper's.
    draws : int
        Of z for a score.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        latent: int = 3,
        hidden: int = 64,
        flows: int = 20,
        beta: float = 0.1,
        draws: int = 4,
    ) -> None:
        super().__init__()
        self.channels, self.window, self.beta, self.draws = channels, window, beta, draws
        self.encoder, self.encoder_dense = nn.GRU(channels, hidden, batch_first=True), perceptron([hidden] * 3)
        self.posterior = ChainedPosterior(hidden, latent)
        self.flows = nn.ModuleList(PlanarFlow(latent) for _ in range(flows))
        self.prior = RandomWalkPrior(window)
        self.decoder, self.decoder_dense = nn.GRU(latent, hidden, batch_first=True), perceptron([hidden] * 3)
        self.likelihood = GaussianHead(hidden, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Latents of all points in a row, [B, L * latent]: three numbers a point are too few to average over time."""
        return self._flow(self.posterior(self._read(x))[0])[0].flatten(1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of the likelihood when each latent is the mean given the one before, [B, C, L]."""
        z, _ = self._flow(self.posterior(self._read(x))[0])
        return self._likelihood(z)[0].transpose(1, 2)

    def loss(self, x: Tensor) -> Tensor:
        """Negative evidence lower bound with one draw, over C*L."""
        start, z_mean, z_std = self._draw(self._read(x))
        z, log_determinant = self._flow(start)
        likelihood = log_normal(x.transpose(1, 2), *self._likelihood(z)).sum(dim=(1, 2))
        posterior = log_normal(start, z_mean, z_std).sum(dim=(1, 2)) - log_determinant.sum(dim=1)
        return (self.beta * (posterior - self.prior(z)) - likelihood).mean() / (self.channels * self.window)

    def own_scores(self, x: Tensor) -> Tensor:
        """Negative log likelihood of each point, mean over draws and channels, [B, L]."""
        hidden, values = self._read(x), x.transpose(1, 2)
        total = torch.zeros_like(values)
        for _ in range(self.draws):
            z, _ = self._flow(self._draw(hidden)[0])
            total = total - log_normal(values, *self._likelihood(z))
        return (total / self.draws).mean(dim=2)

    def _read(self, x: Tensor) -> Tensor:
        return self.encoder_dense(self.encoder(x.transpose(1, 2).contiguous())[0])

    def _draw(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.posterior(hidden, hidden.new_empty(*hidden.shape[:2], self.posterior.latent).normal_())

    def _flow(self, z: Tensor) -> tuple[Tensor, Tensor]:
        log_determinant = z.new_zeros(z.shape[:-1])
        for flow in self.flows:
            z, more = flow(z)
            log_determinant = log_determinant + more
        return z, log_determinant

    def _likelihood(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.likelihood(self.decoder_dense(self.decoder(z)[0]))


class ChainedPosterior(nn.Module):
    """z_t ~ N(mean, std^2), both from [h_t; z_{t-1}], with zero before the first."""

    def __init__(self, hidden: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.from_hidden = nn.Linear(hidden, 2 * latent)
        self.from_last = nn.Linear(latent, 2 * latent, bias=False)

    def forward(self, hidden: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, L, latent], each its mean where there is no noise, with means and standard deviations."""
        z = hidden.new_zeros(len(hidden), self.latent)
        steps: list[tuple[Tensor, Tensor, Tensor]] = []
        for t, part in enumerate(self.from_hidden(hidden).unbind(1)):
            mean, spread = (part + self.from_last(z)).chunk(2, dim=1)
            std = functional.softplus(spread) + MIN_STD
            z = mean if noise is None else mean + std * noise[:, t]
            steps.append((z, mean, std))
        latents, means, stds = (torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))
        return latents, means, stds


class PlanarFlow(nn.Module):
    """z + u tanh(w.z + b), with u bent so that w.u > -1 and the map can be inverted (Rezende and Mohamed 2015)."""

    IDENTITY = math.log(math.e - 1)  # softplus of it is 1: then u = 0 stays 0

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(latent) / math.sqrt(latent))
        self.u = nn.Parameter(0.01 * torch.randn(latent))
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Flowed z [..., latent] and the log determinant of the Jacobian [...]."""
        along = self.w @ self.u
        bent = functional.softplus(along + self.IDENTITY) - 1
        u = self.u + (bent - along) * self.w / self.w.square().sum().clamp_min(1e-8)
        bend = torch.tanh(z @ self.w + self.b)
        return z + bend[..., None] * u, torch.log1p((1 - bend.square()) * bent)


class RandomWalkPrior(nn.Module):
    """Linear Gaussian state-space model: identity transition and observation, unit noise, one for each dimension.

    The state is a random walk from zero, so that the latents of times i and j have covariance min(i, j), plus one
    where i = j: its Cholesky factor gives the density that a Kalman filter would, without a loop.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        time = torch.arange(1, window + 1, dtype=torch.float64)
        factor = torch.linalg.cholesky(torch.minimum(time[:, None], time) + torch.eye(window, dtype=torch.float64))
        whiten = torch.linalg.solve_triangular(factor, torch.eye(window, dtype=torch.float64), upper=False)
        self.register_buffer("whiten", whiten.float(), persistent=False)
        self.register_buffer("log_scale", factor.diagonal().log().float(), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Log density [B] of latents [B, L, latent]."""
        white = self.get_buffer("whiten") @ z
        constant = self.get_buffer("log_scale") + 0.5 * math.log(2 * math.pi)
        return -(0.5 * white.square() + constant[:, None]).sum(dim=(1, 2))
