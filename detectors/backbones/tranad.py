"""TranAD: Transformer with two decoders and self-conditioning (Tuli et al. 2022, arXiv:2201.07284)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import attend, position_code
from ape.detectors.contract import Backbone


class TranAD(Backbone):
    """Two phases: the first decoder rebuilds the window, and where it errs tells the encoder what to look at again.

    Phase 1 encodes the window with a focus of zero, phase 2 with the squared error of phase 1 as focus; the second
    decoder's output is the reconstruction. The loss weighs phase 1 by 1/n and phase 2 by 1 - 1/n, n growing with the
    training steps. The counter is a buffer: it is saved, and moves only in training mode.

    Departures. The whole window is rebuilt, as the paper writes, and points are scored by overlapping windows; the
    released code rebuilds the last sample alone, from a window that ends one earlier. Decoders ask by position; in
    paper and code they are given the target itself, which residual connections carry to the output. So the masked
    self-attention over these queries is left out: nothing is left in it to mix. The paper's sign-flipped adversarial
    loss is left out, as in the released training loop: its term cancels in a sum, and nothing bounds what the second
    decoder maximises; so is meta-learning. n counts steps, since a backbone does not see epochs. Tokens are ``width``
    wide instead of 2C (2 for one channel); LayerNorm as in the paper, a real ReLU, no dropout. The output is linear
    instead of a sigmoid, as inputs are standardised, not in [0, 1].

    Parameters
    ----------
    channels, window : int
        C and L.
    width, heads, hidden : int
        Of a token, of attention, of the perceptrons.
    epoch : int
        Training steps after which n is 2, 3, ...
    """

    def __init__(
        self, channels: int, window: int, width: int = 32, heads: int = 4, hidden: int = 64, epoch: int = 100
    ) -> None:
        super().__init__()
        self.epoch = epoch
        self.steps: Tensor
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("position", position_code(window, width), persistent=False)
        self.embedding = nn.Linear(2 * channels, width)
        self.encoder = nn.TransformerEncoderLayer(width, heads, hidden, dropout=0.0, batch_first=True)
        self.first, self.second = (_Decoder(channels, width, heads, hidden) for _ in range(2))

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the encoder's tokens in phase 1, where they depend on the encoder alone, [B, width]."""
        return self._memory(x).mean(dim=1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction of phase 2, [B, C, L]."""
        return self._phases(x)[1]

    def loss(self, x: Tensor) -> Tensor:
        """Squared errors of both phases, the second counting for more the longer the training."""
        return self._loss(x, *self._phases(x))

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of all windows, `loss` of the first ones."""
        memory = self._memory(x)
        phases = self._phases(x, memory)
        return phases[1], memory.mean(dim=1), self._loss(*(part[:first] for part in (x, *phases)))

    def own_scores(self, x: Tensor) -> Tensor:
        """Mean of both phases' squared errors, as the paper writes, [B, L]; the released code takes phase 2 alone."""
        first, second = ((x - rebuilt).square().mean(dim=1) for rebuilt in self._phases(x))
        return 0.5 * first + 0.5 * second

    def _loss(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
        share = 1 / (1 + self.steps / self.epoch)
        return share * (x - first).square().mean() + (1 - share) * (x - second).square().mean()

    def _phases(self, x: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Reconstructions of both phases; ``memory`` is what the encoder makes of the window in the first, if known."""
        position = self.get_buffer("position")
        first = self.first(self._memory(x) if memory is None else memory, position)
        return first, self.second(self._memory(x, (first - x).square()), position)

    def _memory(self, x: Tensor, focus: Tensor | None = None) -> Tensor:
        """Tokens [B, L, width]; no focus is a focus of zero."""
        given = x if focus is None else torch.cat([x, focus], dim=1)
        weight, bias = self.embedding.weight[:, : given.shape[1]], self.embedding.bias
        tokens = functional.linear(given.transpose(1, 2), weight, bias) + self.get_buffer("position")
        layer = self.encoder  # by hand: its own way copies all to and fro
        tokens = layer.norm1(tokens + attend(layer.self_attn, tokens, tokens))
        return layer.norm2(tokens + layer.linear2(layer.linear1(tokens).relu()))


class _Decoder(nn.Module):
    """Queries by position attend to the encoder's tokens; perceptron; linear map to the channels."""

    def __init__(self, channels: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.output = nn.Linear(width, channels)

    def forward(self, memory: Tensor, position: Tensor) -> Tensor:
        tokens = self.first_norm(position + attend(self.attention, position, memory))
        tokens = self.second_norm(tokens + self.perceptron(tokens))
        return self.output(tokens).transpose(1, 2)
