"""CrossAD: cross-scale reconstruction with cross-window context (NeurIPS 2025, arXiv:2510.12489)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import position_code
from ape.detectors.contract import Backbone

QUERY_LENGTH = 5
DECAY = 0.95  # of the running means of prototypes and errors
MIN_COUNT = 0.1  # tokens per batch; a prototype with fewer is reset


class CrossAD(Backbone):
    """Rebuild each scale of a window from the coarser scales, with prototypes shared by all windows as context.

    Scales are average pools of the window, from coarse to fine; the window itself is only a target. The encoder attends
    within scales. Its tokens are repeated up to the next finer scale and passed to the decoder, where a scale attends
    to itself and to coarser ones; the output is the next finer series. A router chooses a set of queries by the
    strongest frequencies of the window. The queries attend to the encoder's tokens, each result is replaced by the
    nearest prototype (straight-through gradient), and the decoder attends to these. Prototypes are running means and
    change only in `loss` in training mode. Channels are treated one by one.

    Differences from the released code, which has no licence and was not used:

    - Repeated tokens get the position code of the finer scale; otherwise they would all decode to the same patch.
    - The router draws its choice (Gumbel) only in the loss and is deterministic elsewhere.
    - Prototypes start with sums that match their counts, and unused prototypes are reset to tokens of the batch.
    - The errors of a scale are divided by their running mean in training before they are summed to the score;
      otherwise coarse scales dominate it.
    - A last pool with fewer samples is the mean of those samples.
    - There is no dropout, so training and evaluation mode reconstruct alike.
    - Sizes are chosen for a CPU (paper: width 128, five scales).

    Parameters
    ----------
    channels, window : int
        C and L.
    width, heads, layers : int
        Width of tokens, attention heads, layers of encoder and of decoder.
    patch : int
        Samples per token, at every scale.
    kernels : tuple of int
        Pooling sizes; sizes above half a window are left out.
    queries, prototypes, frequencies : int
        Number of query sets, of shared prototypes, and of frequencies that the router uses.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 1,
        patch: int = 4,
        kernels: tuple[int, ...] = (8, 4, 2),
        queries: int = 4,
        prototypes: int = 16,
        frequencies: int = 10,
    ) -> None:
        super().__init__()
        self.patch, self.kernels = patch, sorted({k for k in kernels if 2 <= k <= window // 2}, reverse=True)
        if not self.kernels:
            raise ValueError(f"no kernel of {list(kernels)} fits a window of {window}")
        self.lengths = [-(-window // kernel) for kernel in (*self.kernels, 1)]
        sizes = [-(-length // patch) for length in self.lengths]
        self.sources, self.targets = sizes[:-1], sizes[1:]
        code = position_code(sizes[-1], width).T[None]
        codes = [_pool(code, kernel)[0].T for kernel in (*self.kernels, 1)]
        self.register_buffer("source_position", torch.cat(codes[:-1]), persistent=False)
        self.register_buffer("target_position", torch.cat(codes[1:]), persistent=False)
        self.register_buffer("within_scale", scale_mask(self.sources, coarser=False), persistent=False)
        self.register_buffer("no_finer", scale_mask(self.targets, coarser=True), persistent=False)

        kind: dict[str, Any] = {"dropout": 0.0, "activation": "gelu", "batch_first": True}
        self.embedding = nn.Linear(patch, width)
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(width, heads, 4 * width, **kind) for _ in range(layers))
        self.frequencies = min(frequencies, window // 2 + 1)
        self.router = nn.Linear(window, queries)
        self.queries = nn.Parameter(torch.randn(queries, QUERY_LENGTH, width))
        self.extractor = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(width, heads, 4 * width, **kind) for _ in range(layers))
        self.output = nn.Linear(width, patch)
        self.counts: Tensor
        self.sums: Tensor
        self.error: Tensor
        self.register_buffer("counts", torch.ones(prototypes))
        self.register_buffer("sums", torch.randn(prototypes, width))
        self.register_buffer("error", torch.ones(len(self.kernels)))

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean of the encoder's tokens over all scales, concatenated over channels, [B, C * width]."""
        return self._tokens(self._scales(x)).mean(dim=1).view(x.shape[0], -1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of the finest scale, [B, C, L]."""
        return self._rebuild(x)[1][-1].view_as(x)

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`, which share work."""
        scales = self._scales(x)
        tokens = self._tokens(scales)
        return self._decode(scales, tokens)[-1].view_as(x), tokens.mean(dim=1).view(x.shape[0], -1)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error over the samples of all rebuilt scales."""
        scales = self._scales(x)
        rebuilt = self._decode(scales, self._tokens(scales), learn=True)
        errors = [(target - output).square() for target, output in zip(scales[1:], rebuilt, strict=True)]
        if self.training:
            self.error.lerp_(torch.stack([error.detach().mean() for error in errors]), 1 - DECAY)
        return torch.cat(errors, dim=1).mean()

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the sum over scales of the squared error, [B, L].

        The error of a scale is divided by its mean in training and interpolated to the window.
        """
        total = torch.zeros_like(x)
        for target, output, mean_error in zip(*self._rebuild(x), self.error.clamp(min=1e-8), strict=True):
            error = (target - output).square()[:, None] / mean_error
            total = total + functional.interpolate(error, size=x.shape[2], mode="linear").view_as(x)
        return total.mean(dim=1)

    def _rebuild(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return all scales except the coarsest, and their reconstructions, [B * C, length of the scale] each."""
        scales = self._scales(x)
        return scales[1:], self._decode(scales, self._tokens(scales))

    def _decode(self, scales: list[Tensor], tokens: Tensor, learn: bool = False) -> list[Tensor]:
        context = self._context(scales[-1], tokens, learn)
        pairs = zip(tokens.split(self.sources, dim=1), self.targets, strict=True)
        finer = torch.cat([functional.interpolate(part.mT, size=size).mT for part, size in pairs], dim=1)
        finer = finer + self.get_buffer("target_position")
        for layer in self.decoder:
            finer = layer(finer, context, tgt_mask=self.get_buffer("no_finer"))
        patches = self.output(finer).split(self.targets, dim=1)
        return [part.flatten(1)[:, :length] for part, length in zip(patches, self.lengths[1:], strict=True)]

    def _scales(self, x: Tensor) -> list[Tensor]:
        return [_pool(x, kernel).flatten(0, 1) for kernel in (*self.kernels, 1)]

    def _tokens(self, scales: list[Tensor]) -> Tensor:
        pads = [(-scale.shape[1] % self.patch, scale) for scale in scales[:-1]]
        padded = [functional.pad(scale[:, None], (0, pad), mode="replicate")[:, 0] for pad, scale in pads]
        patches = torch.cat([series.unflatten(1, (-1, self.patch)) for series in padded], dim=1)
        tokens = self.embedding(patches) + self.get_buffer("source_position")
        for layer in self.encoder:
            tokens = layer(tokens, src_mask=self.get_buffer("within_scale"))
        return tokens

    def _context(self, series: Tensor, tokens: Tensor, learn: bool) -> Tensor:
        """Return the prototypes nearest to the results of the chosen queries, [B * C, 5, width]."""
        spectrum = torch.fft.rfft(series, dim=1)
        weakest = spectrum.abs().topk(self.frequencies, dim=1).values[:, -1:]
        smooth = torch.fft.irfft(spectrum * (spectrum.abs() >= weakest), n=series.shape[1], dim=1)
        logits = self.router(smooth)
        if learn and self.training:
            choice = functional.gumbel_softmax(logits, hard=True)
        else:
            soft = logits.softmax(dim=1)
            choice = functional.one_hot(logits.argmax(dim=1), logits.shape[1]) + soft - soft.detach()
        queries = torch.einsum("bn,nqd->bqd", choice, self.queries)
        results = self.norm(queries + self.extractor(queries, tokens, tokens, need_weights=False)[0])
        bank = self.sums / self.counts[:, None]
        found = results.detach().flatten(0, 1)
        # `torch.cdist` chooses its algorithm by the number of rows, which a graph leaves open.
        exporting = torch.compiler.is_exporting()
        distance = (found[:, None] - bank).square().sum(dim=2) if exporting else torch.cdist(found, bank)
        index = distance.argmin(dim=1)
        if learn and self.training:
            self._move_prototypes(found, index)
        return results + (bank[index].view_as(results) - results).detach()

    def _move_prototypes(self, tokens: Tensor, index: Tensor) -> None:
        chosen = functional.one_hot(index, len(self.counts)).to(tokens.dtype)
        self.counts.lerp_(chosen.sum(dim=0), 1 - DECAY)
        self.sums.lerp_(chosen.T @ tokens, 1 - DECAY)
        unused = self.counts < MIN_COUNT
        random_tokens = tokens[torch.randint(len(tokens), unused.shape, device=tokens.device)]
        self.counts.masked_fill_(unused, 1.0)
        self.sums.copy_(torch.where(unused[:, None], random_tokens, self.sums))


def scale_mask(sizes: list[int], coarser: bool) -> Tensor:
    """Return an attention mask [N, N] that is True if token i must not attend to token j.

    With ``coarser``, tokens attend to their own and to coarser scales, else only to their own scale.
    """
    scale = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return scale[None] > scale[:, None] if coarser else scale[None] != scale[:, None]


def _pool(x: Tensor, kernel: int) -> Tensor:
    return functional.avg_pool1d(x, kernel, ceil_mode=True)
