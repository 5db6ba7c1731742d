"""Transformer autoencoder, and Anomaly Transformer (Xu et al. 2022, arXiv:2110.02642) as its option."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import position_code
from ape.detectors.contract import Backbone

NARROWEST = 1e-2  # keeps the spread of a Gaussian prior off zero
FLOOR = 0.01  # share of an even distribution mixed into associations before they are compared
PAIRS = 1 << 23  # numbers of an association, of all heads and windows, that are scored at once


class TransformerAE(Backbone):
    """Tokens of single samples -> post-norm encoder layers -> LayerNorm -> linear map back to the channels.

    With ``association``, Anomaly Transformer: a layer's attention (series association S) is compared with a Gaussian
    bell of learned width around each sample (prior association P), by the symmetric divergence KL(P, S) + KL(S, P).
    The minimise phase draws P to S, the maximise phase pushes S off P; anomalies, which cannot attend far, keep a small
    discrepancy. Both phases are one scalar here, half the sum of the paper's two losses, which has the same gradient
    up to scale; its value is the squared error, since the two discrepancies differ only in what is held still.

    Departures: one per cent of an even distribution is mixed into P and S, which bounds the divergence and leaves it
    one (the released code adds 1e-4 inside the logarithms). The score weighs by softmax(-discrepancy), as the paper
    writes; the released factor of 50 makes it nearly one-hot, and is ``temperature``. The weights are multiplied by L,
    so that they are 1 where the discrepancy is even; they still rank within a window only. No dropout (0.1 in the plain
    model), so that training mode reconstructs as evaluation does. Sizes are for a CPU (paper: width 512, 8 heads, 3
    layers).

    Parameters
    ----------
    channels, window : int
        C and L.
    width, heads, layers, hidden : int
        Of a token, of attention, of the encoder, of the layers' perceptron.
    association : bool
        Train and score by the association discrepancy.
    weight : float
        Of the discrepancy in the loss.
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
            raise ValueError(f"width {width} does not divide into {heads} heads")
        self.heads, self.association, self.weight, self.temperature = heads, association, weight, temperature
        self.embedding = nn.Conv1d(channels, width, 3, padding=1, padding_mode="circular", bias=False)
        self.register_buffer("position", position_code(window, width), persistent=False)
        self.layers = nn.ModuleList(_Layer(width, heads, hidden, association) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the encoder's tokens, [B, width]."""
        return self._tokens(x)[0].mean(dim=1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction [B, C, L]."""
        return self._decode(self._tokens(x)[0])

    def loss(self, x: Tensor) -> Tensor:
        """Mean squared error, with ``association`` plus the two phases of the discrepancy."""
        tokens, apart = self._tokens(x, _both_phases if self.association else None)
        loss = (x - self._decode(tokens)).square().mean()
        if self.association:
            discrepancy = torch.stack(apart).mean()
            loss = loss + self.weight / 2 * (discrepancy - discrepancy.detach())
        return loss

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of all windows, `loss` of the first ones."""
        tokens = self._tokens(x)[0]
        rebuilt = self._decode(tokens)
        loss = self.loss(x[:first]) if self.association else (x - rebuilt)[:first].square().mean()
        return rebuilt, tokens.mean(dim=1), loss

    def own_scores(self, x: Tensor) -> Tensor:
        """Squared error, with ``association`` times L softmax(-discrepancy) over the window, [B, L]."""
        at_once = max(1, PAIRS // (self.heads * x.shape[2] ** 2))
        return torch.cat([self._scores(part) for part in x.split(at_once)])

    def _scores(self, x: Tensor) -> Tensor:
        tokens, apart = self._tokens(x, symmetric_divergence if self.association else None)
        error = (x - self._decode(tokens)).square().mean(dim=1)
        if not self.association:
            return error
        return error * x.shape[2] * torch.softmax(-self.temperature * torch.stack(apart).mean(dim=0), dim=1)

    def _tokens(
        self, x: Tensor, compare: Callable[[Tensor, Tensor], Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens, and how far P and S of each layer are apart, [B, L] each; they are dropped one by one."""
        tokens, apart = self.embedding(x).transpose(1, 2) + self.get_buffer("position"), list[Tensor]()
        for layer in self.layers:
            tokens, pair = layer(tokens, compare is not None)
            apart += [compare(prior, series) for prior, series in pair] if compare else []
        return self.norm(tokens), apart

    def _decode(self, tokens: Tensor) -> Tensor:
        return self.output(tokens).transpose(1, 2)


class _Layer(nn.Module):
    """Attention and perceptron, each added and normalised; gives (P, S), [B, heads, L, L] each, if asked for."""

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
            spread = torch.pow(3.0, torch.sigmoid(5 * self.spread(x)) + NARROWEST) - 1
            pair = [(gaussian_prior(spread.transpose(1, 2)), series)]
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value)
        x = self.first_norm(x + self.mix(mixed.transpose(1, 2).flatten(2)))
        return self.second_norm(x + self.perceptron(x)), pair


def gaussian_prior(spread: Tensor) -> Tensor:
    """Bell over j around each sample i with deviation ``spread[..., i]`` samples, [..., L, L]; rows sum to 1."""
    place = torch.arange(spread.shape[-1], device=spread.device, dtype=spread.dtype)
    distance = place[:, None] - place
    return torch.softmax(-0.5 * (distance / spread[..., None]).square(), dim=-1)


def symmetric_divergence(prior: Tensor, series: Tensor) -> Tensor:
    """KL(P, S) + KL(S, P) of the rows of [B, heads, L, L], both floored, mean over heads, [B, L]."""
    p, s = ((1 - FLOOR) * part + FLOOR / prior.shape[-1] for part in (prior, series))
    return ((p - s) * (p / s).log()).sum(dim=-1).mean(dim=1)


def _both_phases(prior: Tensor, series: Tensor) -> Tensor:
    """Divergence whose gradient draws P to S and pushes S off P: 2 sg(S) - S is S with the opposite gradient."""
    return symmetric_divergence(prior, 2 * series.detach() - series)
