"""OmniAnomaly: a recurrent VAE with chained latents, planar flows and a state-space prior (Su et al. 2019, KDD)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.donut import MIN_STD, GaussianHead, log_normal
from ape.detectors.backbones.layers import perceptron
from ape.detectors.backbones.recurrence import chain, gru
from ape.detectors.contract import Backbone

MAX_POINTS = 1 << 16  # points, over windows and draws, scored at once


class OmniAnomaly(Backbone):
    """GRU, latents that each depend on the previous one, planar flows, GRU (doi:10.1145/3292500.3330672).

    All four parts of the paper are implemented, unlike in models often used under this name (a GRU and an MLP VAE).

    Differences from paper and released code:

    - Hidden layers have width 64 instead of 500.
    - Dense layers have a ReLU, which the released code omits.
    - The loss includes log p(z), and its gradient passes through the chain of latents. The released code omits the
      first and blocks the second.
    - The chain connects the latents before the flows, as in the released code, so the flows run on all points at once.
      A constant in the flows makes them start as the identity.
    - Noise is drawn for each window, not shared over the batch.
    - `own_scores` scores all points of the window, not only the last one.
    - There is no weight decay (1e-4 in the paper), because early stop limits overfitting.
    - The divergence has weight 0.1. With weight 1 the decoder ignored the latents and returned the mean on short
      windows of a wave with jumps, for 400 steps at rates 3e-3 and 1e-2.
    - The loss is divided by C*L, which only scales the gradient.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z at each point.
    hidden : int
        Width of both GRUs and of the two dense layers after each.
    flows : int
        Number of planar layers.
    beta : float
        Weight of the divergence between posterior and prior; 1 in the paper.
    draws : int
        Draws of z per score.
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
        self.flows = PlanarFlows(latent, flows)
        self.prior = RandomWalkPrior(window)
        self.decoder, self.decoder_dense = nn.GRU(latent, hidden, batch_first=True), perceptron([hidden] * 3)
        self.likelihood = GaussianHead(hidden, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Return the latents of all points, concatenated, [B, L * latent].

        They are not averaged over time, because the few dimensions per point would lose too much.
        """
        return self.flows(self.posterior.latents(self._read(x)))[0].flatten(1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean of the likelihood if each latent is its mean given the previous one, [B, C, L]."""
        z, _ = self.flows(self.posterior.latents(self._read(x)))
        return self._likelihood(z)[0].transpose(1, 2)

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`, which share work."""
        z, _ = self.flows(self.posterior.latents(self._read(x)))
        return self._likelihood(z)[0].transpose(1, 2), z.flatten(1)

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative evidence lower bound with one draw, divided by C*L."""
        hidden = self._read(x)
        start, z_mean, z_std = self.posterior(hidden, self._noise(hidden))
        z, tanhs = self.flows(start)
        likelihood = log_normal(x.transpose(1, 2), *self._likelihood(z)).sum(dim=(1, 2))
        posterior = log_normal(start, z_mean, z_std).sum(dim=(1, 2)) - self.flows.log_determinant(tanhs).sum(dim=1)
        return (self.beta * (posterior - self.prior(z)) - likelihood).mean() / (self.channels * self.window)

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the negative log likelihood of each point, mean over draws and channels, [B, L]."""
        return torch.cat([self._scores(part) for part in x.split(max(1, MAX_POINTS // (self.draws * self.window)))])

    def _scores(self, x: Tensor) -> Tensor:
        hidden = self._read(x)
        z, _ = self.flows(self.posterior.latents(hidden, self._noise(hidden, self.draws)))
        mean, std = (part.unflatten(0, (self.draws, -1)) for part in self._likelihood(z))
        return -log_normal(x.transpose(1, 2).contiguous(), mean, std).mean(dim=(0, 3))

    def _read(self, x: Tensor) -> Tensor:
        return self.encoder_dense(gru(self.encoder, x.transpose(1, 2)))

    def _noise(self, hidden: Tensor, draws: int = 1) -> Tensor:
        windows, length = hidden.shape[:2]
        return hidden.new_empty(length, self.posterior.latent, draws * windows).normal_().permute(2, 0, 1)

    def _likelihood(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.likelihood(self.decoder_dense(gru(self.decoder, z)))


class ChainedPosterior(nn.Module):
    """z_t ~ N(mean, std^2), where mean and std depend on [h_t; z_{t-1}], and z is zero before the first point."""

    def __init__(self, hidden: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.from_hidden = nn.Linear(hidden, 2 * latent)
        self.from_last = nn.Linear(latent, 2 * latent, bias=False)

    def forward(self, hidden: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return latents, means and standard deviations, [B, L, latent] each; without noise, latents are the means."""
        parts = self._parts(hidden)
        z = self._chain(parts, noise)
        last = functional.pad(z[:-1], (0, 0, 0, 0, 1, 0))
        mean, spread = (parts + self.from_last.weight @ last).chunk(2, dim=1)
        latents, means, stds = (part.permute(2, 0, 1) for part in (z, mean, functional.softplus(spread) + MIN_STD))
        return latents, means, stds

    def latents(self, hidden: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the latents only, [draws * B, L, latent] if there is noise for several draws."""
        parts = self._parts(hidden)
        draws = 1 if noise is None else len(noise) // len(hidden)
        return self._chain(parts.repeat(1, 1, draws), noise).permute(2, 0, 1)

    def _parts(self, hidden: Tensor) -> Tensor:
        return self.from_hidden(hidden).permute(1, 2, 0).contiguous()

    def _chain(self, parts: Tensor, noise: Tensor | None) -> Tensor:
        if noise is None and torch.compiler.is_exporting():
            return _linear_chain(parts[:, : self.latent], self.from_last.weight[: self.latent])
        zeros = parts.new_zeros(len(parts), self.latent, parts.shape[2])
        by_time = zeros if noise is None else noise.permute(1, 2, 0).contiguous()
        return chain(parts, self.from_last.weight, by_time, MIN_STD)


def _linear_chain(parts: Tensor, weight: Tensor) -> Tensor:
    """Return z_t = parts_t + weight z_{t-1}, [L, latent, B], without a loop over time, which would make a huge graph.

    With A the shift by one step times the weight, z is the sum of A^k parts. The sum doubles its length in each round.
    """
    step = 1
    while step < parts.shape[0]:
        parts = parts + functional.pad(weight @ parts[:-step], (0, 0, 0, 0, step, 0))
        weight, step = weight @ weight, 2 * step
    return parts


class PlanarFlows(nn.Module):
    """Layers z + u tanh(w.z + b) (Rezende and Mohamed 2015).

    u is changed along w so that w.u > -1, which makes each layer invertible.
    """

    IDENTITY = math.log(math.e - 1)  # softplus(IDENTITY) = 1, so that u = 0 stays 0

    def __init__(self, latent: int, layers: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(layers, latent) / math.sqrt(latent))
        self.u = nn.Parameter(0.01 * torch.randn(layers, latent))
        self.b = nn.Parameter(torch.zeros(layers))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the transformed z [..., latent], and tanh(w.z + b) of each layer, [layers, ...]."""
        along = (self._constrained() - (self.w * self.u).sum(dim=1)) / self.w.square().sum(dim=1).clamp_min(1e-8)
        u = self.u + along[:, None] * self.w
        rows, tanhs = z.reshape(-1, z.shape[-1]).t(), []
        for weight, step, shift in zip(self.w[:, None].unbind(), u[:, :, None].unbind(), self.b.unbind(), strict=True):
            tanhs.append(torch.tanh(torch.addmm(shift, weight, rows)))
            rows = torch.addmm(rows, step, tanhs[-1])
        return rows.t().reshape(z.shape), torch.cat([rows[:0], *tanhs]).view(-1, *z.shape[:-1])

    def log_determinant(self, tanhs: Tensor) -> Tensor:
        """Return the log determinant of the Jacobian of all layers, [...], from the second result of `forward`."""
        return torch.log1p((1 - tanhs.square()) * self._constrained().view(-1, *[1] * (tanhs.ndim - 1))).sum(dim=0)

    def _constrained(self) -> Tensor:
        """Return the changed w.u, which is above -1, [layers]."""
        return functional.softplus((self.w * self.u).sum(dim=1) + self.IDENTITY) - 1


class RandomWalkPrior(nn.Module):
    """Linear Gaussian state-space model with identity transition and observation and unit noise, per dimension.

    The state is a random walk from zero, so the latents at times i and j have covariance min(i, j), plus one if i = j.
    The Cholesky factor of the covariance gives the same density as a Kalman filter, without a loop.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        time = torch.arange(1, window + 1, dtype=torch.float64)
        factor = torch.linalg.cholesky(torch.minimum(time[:, None], time) + torch.eye(window, dtype=torch.float64))
        whiten = torch.linalg.solve_triangular(factor, torch.eye(window, dtype=torch.float64), upper=False)
        self.register_buffer("whiten", whiten.float(), persistent=False)
        self.register_buffer("log_scale", factor.diagonal().log().float(), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Return the log density [B] of latents [B, L, latent]."""
        white = self.get_buffer("whiten") @ z.transpose(0, 1).flatten(1)
        constant = z.shape[2] * (self.get_buffer("log_scale") + 0.5 * math.log(2 * math.pi)).sum()
        return -0.5 * white.square().sum(dim=0).view(len(z), -1).sum(dim=1) - constant
