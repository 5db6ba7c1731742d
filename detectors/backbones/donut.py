"""Donut: a VAE whose evidence lower bound leaves missing points out (Xu et al. 2018, arXiv:1802.03903)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import perceptron
from ape.detectors.contract import Backbone

MIN_STD = 1e-4
VALUES, TOGETHER = 1 << 18, 16  # values that are scored at once, for they stay in the cache; draws of each


class Donut(Backbone):
    """MLP VAE with Gaussian heads for z and x, trained on windows with points made missing at random.

    Departures. The paper has one channel: here the window is flattened, so that a latent covers all channels, and each
    value goes missing on its own. Missing values are set to the training mean, as zero in standardised units; the
    released code sets them to raw zero, which standardised windows no longer know. They are drawn anew each step, not
    each epoch. There are no labels, so only injected points leave the bound. `own_scores` gives all points of the
    window, not only the last, with fewer draws (64 for 1024); it imputes what is NaN or marked, hence nothing in a
    complete series. Draws of z are normal, where a popular port draws them uniform. The loss is divided by C*L, which
    only sets the scale of its gradient.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z.
    hidden : tuple of int
        Widths of the encoder's layers; the decoder mirrors them.
    missing : float
        Share of values made missing in training.
    decay : float
        Weight of the hidden layers' squared weights, halved, in the loss.
    draws : int
        Of z for a score.
    rounds : int
        Of imputation of missing values before a score.
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
        """Mean of the posterior, [B, latent]."""
        return self._posterior(x.flatten(1))[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of the likelihood at the posterior's mean, [B, C, L]."""
        return self._likelihood(self.encode(x))[0].view_as(x)

    def loss(self, x: Tensor) -> Tensor:
        """Negative modified evidence lower bound with one draw, plus weight decay, over C*L."""
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
        """Negative reconstruction probability of each point, mean over draws and channels, [B, L].

        Parameters
        ----------
        x : Tensor [B, C, L]
            NaN is missing, and is scored at its imputed value.
        missing : bool Tensor [B, C, L], optional
            Values that the posterior must not see; they are scored as they are.
        """
        flat = x.flatten(1)
        unknown = flat.isnan()
        hidden = unknown if missing is None else unknown | missing.flatten(1)
        seen = flat.masked_fill(hidden, 0.0)
        for _ in range(self.rounds if bool(hidden.any()) else 0):
            mean, std = self._likelihood(_draw(*self._posterior(seen)))
            seen = torch.where(hidden, mean + std * torch.randn_like(mean), seen)
        scored = torch.where(unknown, seen, flat)
        rows = max(1, VALUES // (TOGETHER * flat.shape[1]))
        parts = [
            self._scores(*part) for part in zip(*(t.split(rows) for t in (scored, *self._posterior(seen))), strict=True)
        ]
        return torch.cat(parts).view_as(x).mean(dim=1)

    def _scores(self, scored: Tensor, z_mean: Tensor, z_std: Tensor) -> Tensor:
        """Negative log likelihood of each value, mean over draws, some of which are taken at once."""
        total, at_once = torch.zeros_like(scored), max(1, VALUES // scored.numel())
        for begin in range(0, self.draws, at_once):
            count = min(at_once, self.draws - begin)
            mean, std = self._likelihood(_draw(z_mean.expand(count, -1, -1), z_std))
            total = total + 0.5 * (scored - mean).div_(std).square().sum(dim=0) + std.log().sum(dim=0)
        return total / self.draws + 0.5 * math.log(2 * math.pi)

    def _posterior(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        return self.posterior(self.encoder(flat))

    def _likelihood(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.likelihood(self.decoder(z))


class GaussianHead(nn.Module):
    """Mean, and a standard deviation that the floor keeps from zero on flat segments."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mean, self.spread = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation."""
        return self.mean(hidden), functional.softplus(self.spread(hidden)) + MIN_STD


def _draw(mean: Tensor, std: Tensor) -> Tensor:
    return mean + std * torch.randn_like(mean)


def log_normal(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log density of each value under its own Gaussian."""
    scaled = (x - mean) / std
    return torch.addcmul(-0.5 * math.log(2 * math.pi) - std.log(), scaled, scaled, value=-0.5)


def modified_elbo(
    x: Tensor, usable: Tensor, mean: Tensor, std: Tensor, z: Tensor, z_mean: Tensor, z_std: Tensor
) -> Tensor:
    """Evidence lower bound of each row, whose unusable values count neither in x nor, by their share, in the prior.

    Parameters
    ----------
    x, usable, mean, std : Tensor [B, N]
        Values, 1 where they count and 0 elsewhere, and their likelihood.
    z, z_mean, z_std : Tensor [B, D]
        A draw, and the posterior that it is from.

    Returns
    -------
    Tensor [B]
    """
    likelihood = (usable * log_normal(x, mean, std)).sum(dim=1)
    prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
    return likelihood + usable.mean(dim=1) * prior - log_normal(z, z_mean, z_std).sum(dim=1)
