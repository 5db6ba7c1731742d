"""Transformer autoencoder, and Anomaly Transformer (Xu et al. 2022, arXiv:2110.02642) as its option."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import position_code
from ape.detectors.contract import Backbone

MIN_SPREAD = 1e-2  # keeps the spread of a Gaussian prior above zero
FLOOR = 0.01  # share of a uniform distribution mixed into associations before they are compared
MAX_PAIRS = 1 << 23  # association values, over heads and windows, computed at once


class TransformerAE(Backbone):
    """Tokens of single samples -> post-norm encoder layers -> LayerNorm -> linear map to the channels.

    With ``association`` it is Anomaly Transformer. A layer's attention (series association S) is compared with a
    Gaussian of learned width around each sample (prior association P), by the symmetric divergence KL(P, S) + KL(S, P).
    The minimise phase moves P towards S, the maximise phase moves S away from P. Anomalies cannot attend far and keep a
    small discrepancy. Here both phases are one scalar, half the sum of the paper's two losses, with the same gradient
    up to scale. Its value is the squared error, because the two discrepancies differ only in what is detached.

    Differences from paper and released code:

    - One per cent of a uniform distribution is mixed into P and S. The divergence is then bounded and still a
      divergence (the released code adds 1e-4 inside the logarithms).
    - The score is weighted by softmax(-discrepancy), as in the paper. The released code uses a factor of 50, which
      makes the softmax nearly one-hot; it is the option ``temperature``.
    - The weights are multiplied by L, so they are 1 if the discrepancy is uniform. They rank points within a window
      only.
    - There is no dropout (0.1 in the plain model), so training and evaluation mode reconstruct alike.
    - Sizes are chosen for a CPU (paper: width 512, 8 heads, 3 layers).

    Parameters
    ----------
    channels, window : int
        C and L.
    width, heads, layers, hidden : int
        Width of tokens, attention heads, encoder layers, and width of the layers' perceptron.
    association : bool
        Train and score with the association discrepancy.
    weight : float
        Weight of the discrepancy in the loss.
    temperature : float
        Factor of the discrepancy in the score.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        hidden: int = 64,
        association: bool = False,
        weight: float = 3.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads, self.association, self.weight, self.temperature = heads, association, weight, temperature
        self.embedding = nn.Conv1d(channels, width, 3, padding=1, padding_mode="circular", bias=False)
        self.register_buffer("position", position_code(window, width), persistent=False)
        self.layers = nn.ModuleList(_Layer(width, heads, hidden, association) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean of the encoder's tokens, [B, width]."""
        return self._tokens(x)[0].mean(dim=1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, C, L]."""
        return self._decode(self._tokens(x)[0])

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error; with ``association`` plus both phases of the discrepancy."""
        tokens, divergences = self._tokens(x, _both_phases if self.association else None)
        loss = (x - self._decode(tokens)).square().mean()
        if self.association:
            discrepancy = torch.stack(divergences).mean()
            loss = loss + self.weight / 2 * (discrepancy - discrepancy.detach())
        return loss

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`, which share work."""
        tokens = self._tokens(x)[0]
        return self._decode(tokens), tokens.mean(dim=1)

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the squared error; with ``association`` times L softmax(-discrepancy) over the window, [B, L]."""
        batch = max(1, MAX_PAIRS // (self.heads * x.shape[2] ** 2))
        return torch.cat([self._scores(part) for part in x.split(batch)])

    def _scores(self, x: Tensor) -> Tensor:
        tokens, divergences = self._tokens(x, symmetric_divergence if self.association else None)
        error = (x - self._decode(tokens)).square().mean(dim=1)
        if not self.association:
            return error
        return error * x.shape[2] * torch.softmax(-self.temperature * torch.stack(divergences).mean(dim=0), dim=1)

    def _tokens(
        self, x: Tensor, compare: Callable[[Tensor, Tensor], Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the tokens, and ``compare(P, S)`` of each layer, [B, L] each.

        P and S are compared layer by layer, so that only one pair is in memory.
        """
        tokens, divergences = self.embedding(x).transpose(1, 2) + self.get_buffer("position"), list[Tensor]()
        for layer in self.layers:
            tokens, pair = layer(tokens, compare is not None)
            divergences += [compare(prior, series) for prior, series in pair] if compare else []
        return self.norm(tokens), divergences

    def _decode(self, tokens: Tensor) -> Tensor:
        return self.output(tokens).transpose(1, 2)


class _Layer(nn.Module):
    """Attention and perceptron, each with a residual connection and a norm.

    The forward pass returns the tokens and, with ``compare``, one pair (P, S) of shapes [B, heads, L, L].
    """

    def __init__(self, width: int, heads: int, hidden: int, association: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.spread = nn.Linear(width, heads) if association else None
        self.mix = nn.Linear(width, width)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor, compare: bool) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        query, key, value = self.query_key_value(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        pair = []
        if compare and self.spread is not None:
            series = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(query.shape[3]), dim=3)
            mixed = series @ value
            spread = torch.pow(3.0, torch.sigmoid(5 * self.spread(x)) + MIN_SPREAD) - 1
            pair = [(gaussian_prior(spread.transpose(1, 2)), series)]
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value)
        x = self.first_norm(x + self.mix(mixed.transpose(1, 2).flatten(2)))
        return self.second_norm(x + self.perceptron(x)), pair


def gaussian_prior(spread: Tensor) -> Tensor:
    """Return a Gaussian over j around each sample i with deviation ``spread[..., i]``, [..., L, L]; rows sum to 1."""
    place = torch.arange(spread.shape[-1], device=spread.device, dtype=spread.dtype)
    distance = place[:, None] - place
    return torch.softmax(-0.5 * (distance / spread[..., None]).square(), dim=-1)


def symmetric_divergence(prior: Tensor, series: Tensor) -> Tensor:
    """Return KL(P, S) + KL(S, P) of the rows of [B, heads, L, L], mean over heads, [B, L]; both get the floor."""
    p, s = ((1 - FLOOR) * part + FLOOR / prior.shape[-1] for part in (prior, series))
    return ((p - s) * (p / s).log()).sum(dim=-1).mean(dim=1)


def _both_phases(prior: Tensor, series: Tensor) -> Tensor:
    """Return a divergence whose gradient moves P towards S and S away from P.

    The value of 2 detach(S) - S is S, with the opposite gradient.
    """
    return symmetric_divergence(prior, 2 * series.detach() - series)
