"""TranAD: Transformer with two decoders and self-conditioning (Tuli et al. 2022, arXiv:2201.07284)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import attend, position_code
from ape.detectors.contract import Backbone


class TranAD(Backbone):
    """Two phases: the errors of the first decoder are the focus of the encoder in the second phase.

    Phase 1 encodes the window with a focus of zero, phase 2 with the squared error of phase 1 as focus. The output of
    the second decoder is the reconstruction. The loss weighs phase 1 by 1/n and phase 2 by 1 - 1/n, where n grows with
    the training steps. The step counter is a saved buffer and changes only in training mode.

    Differences from paper and released code:

    - The whole window is rebuilt, as in the paper, and points are scored by overlapping windows. The released code
      rebuilds only the last sample, from a window that ends one sample earlier.
    - The decoders' queries are positions. In paper and code they are the target itself, which residual connections
      carry to the output. The masked self-attention over the queries is left out, because positions need no mixing.
    - The sign-flipped adversarial loss is left out, as in the released training loop: its term cancels in the sum, and
      what the second decoder maximises is unbounded. Meta-learning is left out too.
    - n counts steps, because a backbone does not see epochs.
    - Tokens have ``width`` dimensions instead of 2C (2 for one channel). LayerNorm is as in the paper; the activation
      is a ReLU; there is no dropout.
    - The output is linear instead of a sigmoid, because inputs are standardised and not in [0, 1].

    Parameters
    ----------
    channels, window : int
        C and L.
    width, heads, hidden : int
        Width of tokens, attention heads, width of the perceptrons.
    epoch : int
        Training steps per increase of n by one.
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
        """Return the mean of the encoder's tokens in phase 1, which do not depend on the decoders, [B, width]."""
        return self._memory(x).mean(dim=1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of phase 2, [B, C, L]."""
        return self._phases(x)[1]

    def loss(self, x: Tensor) -> Tensor:
        """Return the weighted squared errors of both phases; the weight of phase 2 grows during training."""
        first, second = self._phases(x)
        if self.training:
            self.steps += 1
        share = 1 / (1 + self.steps / self.epoch)
        return share * (x - first).square().mean() + (1 - share) * (x - second).square().mean()

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`, which share work."""
        memory = self._memory(x)
        return self._phases(x, memory)[1], memory.mean(dim=1)

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the mean of the squared errors of both phases, as in the paper, [B, L].

        The released code uses phase 2 only.
        """
        first, second = ((x - rebuilt).square().mean(dim=1) for rebuilt in self._phases(x))
        return 0.5 * first + 0.5 * second

    def _phases(self, x: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the reconstructions of both phases; ``memory`` is the encoder's output of phase 1, if known."""
        position = self.get_buffer("position")
        first = self.first(self._memory(x) if memory is None else memory, position)
        return first, self.second(self._memory(x, (first - x).square()), position)

    def _memory(self, x: Tensor, focus: Tensor | None = None) -> Tensor:
        """Return tokens [B, L, width]; without a focus, the focus is zero."""
        inputs = x if focus is None else torch.cat([x, focus], dim=1)
        weight, bias = self.embedding.weight[:, : inputs.shape[1]], self.embedding.bias
        tokens = functional.linear(inputs.transpose(1, 2), weight, bias) + self.get_buffer("position")
        layer = self.encoder  # its parts are called directly, because its forward method copies the tokens needlessly
        tokens = layer.norm1(tokens + attend(layer.self_attn, tokens, tokens))
        return layer.norm2(tokens + layer.linear2(layer.linear1(tokens).relu()))


class _Decoder(nn.Module):
    """Position queries attend to the encoder's tokens; then a perceptron and a linear map to the channels."""

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
