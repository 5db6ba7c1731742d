"""CrossAD: cross-scale reconstruction with cross-window context (NeurIPS 2025, arXiv:2510.12489)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import position_code
from ape.detectors.contract import Backbone

QUERY_LENGTH = 5
DECAY = 0.95  # of the running means of prototypes and errors
DEAD = 0.1  # tokens a batch below which a prototype is set anew


class CrossAD(Backbone):
    """Each scale of a window is rebuilt from the coarser ones, with prototypes shared by all windows as context.

    Scales are average pools of the window, coarse to fine; the window itself is only a target. An encoder attends
    within scales; its tokens, repeated up to the next finer scale, go through a decoder in which a scale sees itself
    and coarser ones, and whose output is the next finer series. A router picks a set of queries by the window's
    strongest frequencies; what they find in the encoder's tokens is replaced by the nearest prototype (straight
    through), and the decoder attends to that. Prototypes are running means, moved by `loss` in training mode alone.
    Channels are treated one by one.

    Departures from the released code, which has no licence and was not used. Repeated tokens get the finer scale's
    position code, or they would all decode to the same patch. The router draws its choice (Gumbel) in the loss alone
    and is deterministic elsewhere. Prototypes start with sums that match their counts, and those unused are set to
    tokens of the batch, so that none dies. Errors of a scale are divided by their running mean in training before they
    are summed to the score, or coarse scales dominate it. A shorter last pool is a mean of what is there. No
    dropout, so that training mode reconstructs as evaluation does. Sizes are for a CPU (paper: width 128, five scales).

    Parameters
    ----------
    channels, window : int
        C and L.
    width, heads, layers : int
        Of tokens, of attention, of encoder and decoder.
    patch : int
        Samples a token, at any scale.
    kernels : sequence of int
        Samples pooled to one; those over half a window are left out.
    queries, prototypes, frequencies : int
        Sets of queries, size of the shared bank, frequencies that the router sees.
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
        self.register_buffer("within_scale", hidden_scales(self.sources, coarser=False), persistent=False)
        self.register_buffer("no_finer", hidden_scales(self.targets, coarser=True), persistent=False)

        kind = {"dropout": 0.0, "activation": "gelu", "batch_first": True}
        self.embedding = nn.Linear(patch, width)
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, **kind)  # type: ignore[arg-type]
            for _ in range(layers)
        )
        self.frequencies = min(frequencies, window // 2 + 1)
        self.router = nn.Linear(window, queries)
        self.queries = nn.Parameter(torch.randn(queries, QUERY_LENGTH, width))
        self.extractor = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, 4 * width, **kind)  # type: ignore[arg-type]
            for _ in range(layers)
        )
        self.output = nn.Linear(width, patch)
        self.counts: Tensor
        self.sums: Tensor
        self.error: Tensor
        self.register_buffer("counts", torch.ones(prototypes))
        self.register_buffer("sums", torch.randn(prototypes, width))
        self.register_buffer("error", torch.ones(len(self.kernels)))

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the encoder's tokens of all scales, channel after channel, [B, C * width]."""
        return self._tokens(self._scales(x)).mean(dim=1).view(len(x), -1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction of the finest scale, [B, C, L]."""
        return self._rebuild(x)[1][-1].view_as(x)

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of all windows, `loss` of the first ones."""
        scales = self._scales(x)
        tokens = self._tokens(scales)
        rebuilt, rows = self._decode(scales, tokens)[-1].view_as(x), first * x.shape[1]
        loss = self._loss([scale[:rows] for scale in scales], tokens[:rows])
        return rebuilt, tokens.mean(dim=1).view(len(x), -1), loss

    def loss(self, x: Tensor) -> Tensor:
        """Mean squared error over the samples of all scales that are rebuilt."""
        scales = self._scales(x)
        return self._loss(scales, self._tokens(scales))

    def _loss(self, scales: list[Tensor], tokens: Tensor) -> Tensor:
        rebuilt = self._decode(scales, tokens, learn=True)
        errors = [(target - guess).square() for target, guess in zip(scales[1:], rebuilt, strict=True)]
        if self.training:
            self.error.lerp_(torch.stack([error.detach().mean() for error in errors]), 1 - DECAY)
        return torch.cat(errors, dim=1).mean()

    def own_scores(self, x: Tensor) -> Tensor:
        """Sum over scales of squared error, over its mean in training, drawn out to the window; [B, L]."""
        total = torch.zeros_like(x)
        for target, guess, usual in zip(*self._rebuild(x), self.error.clamp(min=1e-8), strict=True):
            error = (target - guess).square()[:, None] / usual
            total = total + functional.interpolate(error, size=x.shape[2], mode="linear").view_as(x)
        return total.mean(dim=1)

    def _rebuild(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Series of all scales but the coarsest, and what is made of them, [B * C, length of the scale] each."""
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
        cut = zip(patches, self.lengths[1:], strict=True)
        return [part.flatten(1)[:, :length] for part, length in cut]

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
        """Prototypes nearest to what the chosen queries find, [B * C, 5, width]."""
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
        found = self.norm(queries + self.extractor(queries, tokens, tokens, need_weights=False)[0])
        bank = self.sums / self.counts[:, None]
        index = torch.cdist(found.detach().flatten(0, 1), bank).argmin(dim=1)
        if learn and self.training:
            self._move_prototypes(found.detach().flatten(0, 1), index)
        return found + (bank[index].view_as(found) - found).detach()

    def _move_prototypes(self, tokens: Tensor, index: Tensor) -> None:
        chosen = functional.one_hot(index, len(self.counts)).to(tokens.dtype)
        self.counts.lerp_(chosen.sum(dim=0), 1 - DECAY)
        self.sums.lerp_(chosen.T @ tokens, 1 - DECAY)
        dead = self.counts < DEAD
        fresh = tokens[torch.randint(len(tokens), dead.shape, device=tokens.device)]
        self.counts.masked_fill_(dead, 1.0)
        self.sums.copy_(torch.where(dead[:, None], fresh, self.sums))


def hidden_scales(sizes: list[int], coarser: bool) -> Tensor:
    """Attention mask, [N, N], True where token i may not see j: another scale, or if ``coarser`` a finer one only."""
    scale = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return scale[None] > scale[:, None] if coarser else scale[None] != scale[:, None]


def _pool(x: Tensor, kernel: int) -> Tensor:
    return functional.avg_pool1d(x, kernel, ceil_mode=True)
