"""Variational autoencoder on flattened windows (Kingma and Welling 2014, arXiv:1312.6114)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ape.detectors.backbones.layers import perceptron
from ape.detectors.contract import Backbone

LOG_VARIANCE_BOUNDS = (-10.0, 10.0)


class VAE(Backbone):
    """MLP VAE: C*L -> hidden -> (mu, log variance) -> hidden reversed -> C*L, ReLU between.

    The loss is the negative evidence lower bound of a Gaussian decoder with a fixed variance: squared error and
    Kullback-Leibler divergence are both summed over their dimensions before ``beta`` weighs them, so that ``beta``
    means the same for every window length. It is then divided by C*L, which only sets the scale of the gradient.
    PyOD's default clamps the divergence to zero; here it counts.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z.
    hidden : list of int
        Widths of the encoder's layers; the decoder mirrors them.
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
        """Mean of the posterior, [B, latent]."""
        return self.mean(self.encoder(x.flatten(1)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Decode the posterior's mean: deterministic, [B, C, L]."""
        return self._decode(self.encode(x))

    def loss(self, x: Tensor) -> Tensor:
        """Negative evidence lower bound with one posterior draw, over C*L."""
        hidden = self.encoder(x.flatten(1))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden).clamp(*LOG_VARIANCE_BOUNDS)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = (x - self._decode(z)).square().sum(dim=(1, 2))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (error + self.beta * divergence).mean() / (self.channels * self.window)

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).view(-1, self.channels, self.window)
