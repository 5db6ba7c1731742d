"""LSTM encoder-decoder (EncDec-AD; Malhotra et al. 2016, arXiv:1607.00148)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ape.detectors.contract import Backbone

SHRINKAGE = 0.05  # of the correlations between the errors of channels


class LSTMAE(Backbone):
    """The last state of the encoder initialises a decoder that rebuilds the window in reverse order.

    Differences from the paper:

    - The paper's decoder reads the true previous value in training and its own output in scoring. Here it reads a
      learned constant and a clock (the position within the window) in both. So the state alone carries the window, and
      the whole sequence runs in one fused call.
    - The correlations of the errors are shrunk slightly, because with many channels their matrix may be singular.

    Parameters
    ----------
    channels, window : int
        C and L.
    hidden : int
        Width of both LSTMs and of the latent.
    """

    def __init__(self, channels: int, window: int, hidden: int = 48) -> None:
        super().__init__()
        self.encoder = nn.LSTM(channels, hidden, batch_first=True)
        self.decoder = nn.LSTM(2, hidden, batch_first=True)
        self.constant = nn.Parameter(torch.zeros(1))
        self.output = nn.Linear(hidden, channels)
        self.error_mean: Tensor
        self.error_whiten: Tensor
        self.register_buffer("error_mean", torch.zeros(channels))
        self.register_buffer("error_whiten", torch.eye(channels))
        self.register_buffer("clock", torch.linspace(-1, 1, window).view(1, window, 1), persistent=False)

    def encode(self, x: Tensor) -> Tensor:
        """Return the last hidden state of the encoder, [B, hidden]."""
        return self._state(x)[0].squeeze(0)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Rebuild the window from the state of the encoder, [B, C, L]."""
        return self._decode(self._state(x))

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error."""
        return (x - self.reconstruct(x)).square().mean()

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`, which share work."""
        state = self._state(x)
        return self._decode(state), state[0].squeeze(0)

    def fit_scores(self, windows: Tensor) -> None:
        """Fit a Gaussian to the errors of normal windows held out of training."""
        errors = self._errors(windows).double()
        deviation = errors.std(dim=0).clamp(min=1e-8)
        correlation = torch.corrcoef(errors.T).reshape(len(deviation), -1).nan_to_num()
        correlation = (1 - SHRINKAGE) * correlation
        correlation.fill_diagonal_(1.0)
        factor = torch.linalg.cholesky(correlation)
        self.error_mean.copy_(errors.mean(dim=0))
        self.error_whiten.copy_(torch.linalg.solve_triangular(factor, torch.diag(1 / deviation), upper=False))

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the squared Mahalanobis distance of each point's absolute errors from those of normal data, [B, L]."""
        white = (self._errors(x) - self.error_mean) @ self.error_whiten.T
        return white.square().sum(dim=1).view(len(x), -1)

    def _errors(self, x: Tensor) -> Tensor:
        """Return absolute errors, one row per point of each window, [B * L, C]."""
        return (x - self.reconstruct(x)).abs().transpose(1, 2).flatten(0, 1)

    def _state(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _, state = self.encoder(x.transpose(1, 2).contiguous())
        return state

    def _decode(self, state: tuple[Tensor, Tensor]) -> Tensor:
        clock = self.get_buffer("clock").expand(state[0].shape[1], -1, -1)
        inputs = torch.cat([clock, self.constant.expand_as(clock)], dim=2)
        steps, _ = self.decoder(inputs, state)
        return self.output(steps).flip(1).transpose(1, 2)
