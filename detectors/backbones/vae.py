"""Variational autoencoder on flattened windows (Kingma and Welling 2014, arXiv:1312.6114)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ape.detectors.backbones.layers import perceptron
from ape.detectors.contract import Backbone

LOG_VARIANCE_BOUNDS = (-10.0, 10.0)


class VAE(Backbone):
    """MLP VAE: C*L -> hidden -> (mean, log variance) -> hidden reversed -> C*L, with ReLU activations.

    The loss is the negative evidence lower bound of a Gaussian decoder with fixed variance. Squared error and
    Kullback-Leibler divergence are summed over their dimensions before ``beta`` weighs them, so ``beta`` means the same
    for every window length. The sum is divided by C*L, which only scales the gradient. Unlike in PyOD's default, the
    divergence is not clamped to zero.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z.
    hidden : tuple of int
        Widths of the encoder's layers; the decoder has them in reverse order.
    beta : float
        Weight of the divergence.
    """

    def __init__(
        self, channels: int, window: int, latent: int = 8, hidden: tuple[int, ...] = (128, 64), beta: float = 0.1
    ) -> None:
        super().__init__()
        self.channels, self.window, self.beta = channels, window, beta
        widths = [channels * window, *hidden]
        self.encoder = perceptron(widths)
        self.mean = nn.Linear(widths[-1], latent)
        self.log_variance = nn.Linear(widths[-1], latent)
        self.decoder = nn.Sequential(*perceptron([latent, *reversed(hidden)]), nn.Linear(hidden[0], channels * window))

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean of the posterior, [B, latent]."""
        return self.mean(self.encoder(x.flatten(1)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Decode the mean of the posterior; deterministic, [B, C, L]."""
        return self._decode(self.encode(x))

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative evidence lower bound with one posterior draw, divided by C*L."""
        hidden = self.encoder(x.flatten(1))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden).clamp(*LOG_VARIANCE_BOUNDS)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = (x - self._decode(z)).square().sum(dim=(1, 2))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (error + self.beta * divergence).mean() / (self.channels * self.window)

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).view(-1, self.channels, self.window)
