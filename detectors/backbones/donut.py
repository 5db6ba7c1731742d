"""Donut: a VAE whose evidence lower bound excludes missing points (Xu et al. 2018, arXiv:1802.03903)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import perceptron
from ape.detectors.contract import Backbone

MIN_STD = 1e-4
MAX_VALUES, MAX_DRAWS = 1 << 18, 16  # values and draws scored at once, so that they fit into the CPU's cache


class Donut(Backbone):
    """MLP VAE with Gaussian heads for z and x, trained on windows with randomly missing points.

    Differences from paper and released code:

    - The paper has one channel. Here the window is flattened, so one latent covers all channels, and each value goes
      missing independently.
    - Missing values are set to the training mean, which is zero in standardised units. The released code sets them to
      zero before standardisation.
    - Missing values are drawn for each step, not for each epoch.
    - There are no labels, so only injected missing points are excluded from the bound.
    - `own_scores` scores all points of the window, not only the last one, with fewer draws (64 instead of 1024). It
      imputes values that are NaN or marked as missing; a complete series has none.
    - z is drawn from a normal distribution; a popular port draws it from a uniform one.
    - The loss is divided by C*L, which only scales the gradient.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z.
    hidden : tuple of int
        Widths of the encoder's layers; the decoder has them in reverse order.
    missing : float
        Share of values that are set missing in training.
    decay : float
        Weight of half the sum of squared weights of the hidden layers.
    draws : int
        Draws of z per score.
    rounds : int
        Rounds of imputation of missing values before scoring.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        latent: int = 5,
        hidden: tuple[int, ...] = (100, 100),
        missing: float = 0.01,
        decay: float = 1e-3,
        draws: int = 64,
        rounds: int = 10,
    ) -> None:
        super().__init__()
        self.channels, self.window, self.missing, self.decay = channels, window, missing, decay
        self.draws, self.rounds = draws, rounds
        size = channels * window
        self.encoder = perceptron([size, *hidden])
        self.posterior = GaussianHead(hidden[-1], latent)
        self.decoder = perceptron([latent, *reversed(hidden)])
        self.likelihood = GaussianHead(hidden[0], size)

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean of the posterior, [B, latent]."""
        return self._posterior(x.flatten(1))[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean of the likelihood at the mean of the posterior, [B, C, L]."""
        return self._likelihood(self.encode(x))[0].view_as(x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative modified evidence lower bound with one draw, plus weight decay, divided by C*L."""
        flat = x.flatten(1)
        usable = (torch.rand_like(flat) >= self.missing).to(flat.dtype)
        z_mean, z_std = self._posterior(flat * usable)
        z = _draw(z_mean, z_std)
        bound = modified_elbo(flat, usable, *self._likelihood(z), z, z_mean, z_std).mean()
        weights = [
            layer.weight for part in (self.encoder, self.decoder) for layer in part if isinstance(layer, nn.Linear)
        ]
        penalty = torch.stack([weight.square().sum() for weight in weights]).sum()
        return (0.5 * self.decay * penalty - bound) / flat.shape[1]

    def own_scores(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Return the negative reconstruction probability of each point, mean over draws and channels, [B, L].

        Parameters
        ----------
        x : Tensor [B, C, L]
            NaN is missing; it is imputed, and its imputed value is scored.
        missing : bool Tensor [B, C, L], optional
            Values hidden from the posterior; their given values are scored.
        """
        flat = x.flatten(1)
        unknown = flat.isnan()
        hidden = unknown if missing is None else unknown | missing.flatten(1)
        imputed = flat.masked_fill(hidden, 0.0)
        for _ in range(self.rounds if bool(hidden.any()) else 0):
            mean, std = self._likelihood(_draw(*self._posterior(imputed)))
            imputed = torch.where(hidden, mean + std * torch.randn_like(mean), imputed)
        scored = torch.where(unknown, imputed, flat)
        rows = max(1, MAX_VALUES // (MAX_DRAWS * flat.shape[1]))
        batches = zip(*(t.split(rows) for t in (scored, *self._posterior(imputed))), strict=True)
        return torch.cat([self._scores(*batch) for batch in batches]).view_as(x).mean(dim=1)

    def _scores(self, scored: Tensor, z_mean: Tensor, z_std: Tensor) -> Tensor:
        """Return the negative log likelihood of each value, mean over draws, in groups of draws."""
        total, group = torch.zeros_like(scored), max(1, MAX_VALUES // scored.numel())
        for begin in range(0, self.draws, group):
            count = min(group, self.draws - begin)
            mean, std = self._likelihood(_draw(z_mean.expand(count, -1, -1), z_std))
            total = total + 0.5 * (scored - mean).div_(std).square().sum(dim=0) + std.log().sum(dim=0)
        return total / self.draws + 0.5 * math.log(2 * math.pi)

    def _posterior(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        return self.posterior(self.encoder(flat))

    def _likelihood(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.likelihood(self.decoder(z))


class GaussianHead(nn.Module):
    """Mean and standard deviation; a floor keeps the deviation above zero on flat segments."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mean, self.spread = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation."""
        return self.mean(hidden), functional.softplus(self.spread(hidden)) + MIN_STD


def _draw(mean: Tensor, std: Tensor) -> Tensor:
    return mean + std * torch.randn_like(mean)


def log_normal(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return the log density of each value under its own Gaussian."""
    scaled = (x - mean) / std
    return torch.addcmul(-0.5 * math.log(2 * math.pi) - std.log(), scaled, scaled, value=-0.5)


def modified_elbo(
    x: Tensor, usable: Tensor, mean: Tensor, std: Tensor, z: Tensor, z_mean: Tensor, z_std: Tensor
) -> Tensor:
    """Return the evidence lower bound of each row without its unusable values.

    They are left out of the likelihood of x, and the prior is multiplied by the share of usable values.

    Parameters
    ----------
    x, usable, mean, std : Tensor [B, N]
        Values; 1 for usable values and 0 for others; mean and standard deviation of the likelihood.
    z, z_mean, z_std : Tensor [B, D]
        A draw; mean and standard deviation of the posterior that it is drawn from.

    Returns
    -------
    Tensor [B]
    """
    likelihood = (usable * log_normal(x, mean, std)).sum(dim=1)
    prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
    return likelihood + usable.mean(dim=1) * prior - log_normal(z, z_mean, z_std).sum(dim=1)
