"""LSTM encoder-decoder (EncDec-AD; Malhotra et al. 2016, arXiv:1607.00148)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTMAE(nn.Module):
    """The encoder's last state starts a decoder that rebuilds the window in reverse order.

    Departure from the paper: its decoder reads the true previous value in training and its own output when scoring,
    two different graphs. Here it reads a learned constant and a clock (the share of the window that is done) in both,
    so the state alone must carry the window, nothing leaks, and the whole sequence runs in one fused call.

    Parameters
    ----------
    channels, window : int
        C and L.
    hidden : int
        Width of both LSTMs; the latent is the encoder's last hidden state.
    """

    def __init__(self, channels: int, window: int, hidden: int = 48) -> None:
        super().__init__()
        self.encoder = nn.LSTM(channels, hidden, batch_first=True)
        self.decoder = nn.LSTM(2, hidden, batch_first=True)
        self.constant = nn.Parameter(torch.zeros(1))
        self.output = nn.Linear(hidden, channels)
        self.register_buffer("clock", torch.linspace(-1, 1, window).view(1, window, 1), persistent=False)

    def encode(self, x: Tensor) -> Tensor:
        """Last hidden state of the encoder, [B, hidden]."""
        return self._state(x)[0].squeeze(0)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Rebuild the window from the encoder's state, last value first, [B, C, L]."""
        clock = self.get_buffer("clock").expand(len(x), -1, -1)
        inputs = torch.cat([clock, self.constant.expand_as(clock)], dim=2)
        steps, _ = self.decoder(inputs, self._state(x))
        return self.output(steps).flip(1).transpose(1, 2)

    def loss(self, x: Tensor) -> Tensor:
        """Mean squared error."""
        return (x - self.reconstruct(x)).square().mean()

    def _state(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _, state = self.encoder(x.transpose(1, 2).contiguous())
        return state
