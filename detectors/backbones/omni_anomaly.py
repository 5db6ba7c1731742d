"""OmniAnomaly: a recurrent VAE with connected latents, planar flows and a state-space prior (Su et al. 2019, KDD)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.donut import MIN_STD, GaussianHead, log_normal
from ape.detectors.backbones.layers import perceptron
from ape.detectors.backbones.recurrence import chain, gru
from ape.detectors.contract import Backbone

POINTS = 1 << 16  # of windows times draws that are scored at once


class OmniAnomaly(Backbone):
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
        self.flows = PlanarFlows(latent, flows)
        self.prior = RandomWalkPrior(window)
        self.decoder, self.decoder_dense = nn.GRU(latent, hidden, batch_first=True), perceptron([hidden] * 3)
        self.likelihood = GaussianHead(hidden, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Latents of all points in a row, [B, L * latent]: three numbers a point are too few to average over time."""
        return self.flows(self.posterior.latents(self._read(x)))[0].flatten(1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of the likelihood when each latent is the mean given the one before, [B, C, L]."""
        z, _ = self.flows(self.posterior.latents(self._read(x)))
        return self._likelihood(z)[0].transpose(1, 2)

    def loss(self, x: Tensor) -> Tensor:
        """Negative evidence lower bound with one draw, over C*L."""
        return self._loss(x, self._read(x))

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of all windows, `loss` of the first ones."""
        hidden = self._read(x)
        z, _ = self.flows(self.posterior.latents(hidden))
        rebuilt = self._likelihood(z)[0].transpose(1, 2)
        return rebuilt, z.flatten(1), self._loss(x[:first], hidden[:first])

    def _loss(self, x: Tensor, hidden: Tensor) -> Tensor:
        start, z_mean, z_std = self.posterior(hidden, self._noise(hidden))
        z, bends = self.flows(start)
        likelihood = log_normal(x.transpose(1, 2), *self._likelihood(z)).sum(dim=(1, 2))
        posterior = log_normal(start, z_mean, z_std).sum(dim=(1, 2)) - self.flows.log_determinant(bends).sum(dim=1)
        return (self.beta * (posterior - self.prior(z)) - likelihood).mean() / (self.channels * self.window)

    def own_scores(self, x: Tensor) -> Tensor:
        """Negative log likelihood of each point, mean over draws and channels, [B, L]."""
        return torch.cat([self._scores(part) for part in x.split(max(1, POINTS // (self.draws * self.window)))])

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
    """z_t ~ N(mean, std^2), both from [h_t; z_{t-1}], with zero before the first."""

    def __init__(self, hidden: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.from_hidden = nn.Linear(hidden, 2 * latent)
        self.from_last = nn.Linear(latent, 2 * latent, bias=False)

    def forward(self, hidden: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, L, latent], each its mean where there is no noise, with means and standard deviations."""
        parts = self._parts(hidden)
        z = self._chain(parts, noise)
        last = functional.pad(z[:-1], (0, 0, 0, 0, 1, 0))
        mean, spread = (parts + self.from_last.weight @ last).chunk(2, dim=1)
        latents, means, stds = (part.permute(2, 0, 1) for part in (z, mean, functional.softplus(spread) + MIN_STD))
        return latents, means, stds

    def latents(self, hidden: Tensor, noise: Tensor | None = None) -> Tensor:
        """The latents alone, [draws * B, L, latent] if there is noise for several draws."""
        parts = self._parts(hidden)
        draws = 1 if noise is None else len(noise) // len(hidden)
        return self._chain(parts.repeat(1, 1, draws), noise).permute(2, 0, 1)

    def _parts(self, hidden: Tensor) -> Tensor:
        return self.from_hidden(hidden).permute(1, 2, 0).contiguous()

    def _chain(self, parts: Tensor, noise: Tensor | None) -> Tensor:
        still = parts.new_zeros(len(parts), self.latent, parts.shape[2])
        moved = still if noise is None else noise.permute(1, 2, 0).contiguous()
        return chain(parts, self.from_last.weight, moved, MIN_STD)


class PlanarFlows(nn.Module):
    """Layers z + u tanh(w.z + b), with u bent so that w.u > -1 and each can be inverted (Rezende and Mohamed 2015)."""

    IDENTITY = math.log(math.e - 1)  # softplus of it is 1: then u = 0 stays 0

    def __init__(self, latent: int, layers: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(layers, latent) / math.sqrt(latent))
        self.u = nn.Parameter(0.01 * torch.randn(layers, latent))
        self.b = nn.Parameter(torch.zeros(layers))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Flowed z [..., latent], and how far along its u each layer moved it, [layers, ...]."""
        along = (self._bent() - (self.w * self.u).sum(dim=1)) / self.w.square().sum(dim=1).clamp_min(1e-8)
        u = self.u + along[:, None] * self.w
        rows, bends = z.reshape(-1, z.shape[-1]).t(), []
        for weight, step, shift in zip(self.w[:, None].unbind(), u[:, :, None].unbind(), self.b.unbind(), strict=True):
            bends.append(torch.tanh(torch.addmm(shift, weight, rows)))
            rows = torch.addmm(rows, step, bends[-1])
        return rows.t().reshape(z.shape), torch.cat([rows[:0], *bends]).view(-1, *z.shape[:-1])

    def log_determinant(self, bends: Tensor) -> Tensor:
        """Log determinant of the Jacobian of all layers, [...], from the second result of `forward`."""
        return torch.log1p((1 - bends.square()) * self._bent().view(-1, *[1] * (bends.ndim - 1))).sum(dim=0)

    def _bent(self) -> Tensor:
        """What w.u becomes, above -1, [layers]."""
        return functional.softplus((self.w * self.u).sum(dim=1) + self.IDENTITY) - 1


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
        white = self.get_buffer("whiten") @ z.transpose(0, 1).flatten(1)
        constant = z.shape[2] * (self.get_buffer("log_scale") + 0.5 * math.log(2 * math.pi)).sum()
        return -0.5 * white.square().sum(dim=0).view(len(z), -1).sum(dim=1) - constant
