"""FCVAE: a conditional VAE whose condition is the spectrum of the window (Wang et al. 2024, arXiv:2402.02820)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.donut import log_normal, modified_elbo
from ape.detectors.backbones.layers import perceptron
from ape.detectors.contract import Backbone

MIN_VARIANCE = 1e-4
EARLIEST_SWAP = 7  # first sample of a swapped segment
MIN_SHIFT, MAX_SHIFT = 1, 20  # of a planted anomaly at the last point, in half standard deviations


class FCVAE(Backbone):
    """Encoder and decoder read [global; local] frequency conditions, which never see the last point.

    Differences from paper and released code:

    - The paper has one channel. Here channels pass one by one through the same weights.
    - The paper masks the last point, imputes it and scores only that point. Here windows overlap and every point is
      scored, so `own_scores` returns each point's likelihood with that point known to the encoder.
    - The attention block is narrower than in the paper (64 and 128 units instead of 256 and 512). It computes only the
      token of the last sub-window, which is the only one used.
    - Spectra are scaled to preserve the energy of the window, because unscaled ones saturate the tanh.
    - Sub-windows are aligned to the end of the window and cover at most half of it.
    - Variances have a floor.
    - The bound is summed over points and latents, as in the paper, and divided by L. The released code averages both
      sums separately, which weighs the divergence L/latent times more.
    - Each row's swapped segment is masked from its own start. The released code masks all rows from the smallest start.
    - Dropout acts only on the condition, only in the loss, only in training mode.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z per channel.
    hidden : int
        Width of the two hidden layers of encoder and decoder.
    condition : int
        Length of each of the two conditions.
    width, heads : int
        Width and heads of the local condition's attention; the layer after it is twice as wide.
    local, stride : int
        Samples of a sub-window, and samples between starts of sub-windows.
    dropout : float
        Dropout rate of the condition.
    points, segments, missing : float
        In training: share of rows with a shifted last point, share of rows with a segment of another row, and share of
        points set to zero.
    draws : int
        Draws of z per score.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        latent: int = 8,
        hidden: int = 100,
        condition: int = 16,
        width: int = 64,
        heads: int = 8,
        local: int = 16,
        stride: int = 8,
        dropout: float = 0.05,
        points: float = 0.05,
        segments: float = 0.1,
        missing: float = 0.01,
        draws: int = 32,
    ) -> None:
        super().__init__()
        self.channels, self.window, self.dropout, self.draws = channels, window, dropout, draws
        self.points, self.segments, self.missing = points, segments, missing
        self.global_condition = GlobalFrequency(window, condition)
        self.local_condition = LocalFrequency(window, condition, width, heads, local, stride)
        self.encoder = perceptron([window + 2 * condition, hidden, hidden], nn.Tanh)
        self.z_mean, self.z_spread = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = perceptron([latent + 2 * condition, hidden, hidden, window], nn.Tanh)
        self.x_mean, self.x_spread = nn.Linear(window, window), nn.Linear(window, window)

    def encode(self, x: Tensor) -> Tensor:
        """Return the means of the posterior, concatenated over channels, [B, C * latent]."""
        rows = x.flatten(0, 1)
        return self._posterior(rows, self._condition(rows))[0].view(x.shape[0], -1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean of the likelihood at the mean of the posterior, [B, C, L]."""
        rows = x.flatten(0, 1)
        condition = self._condition(rows)
        return self._likelihood(self._posterior(rows, condition)[0], condition)[0].view_as(x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative modified evidence lower bound of augmented windows, divided by L.

        Points that the augmentation changed are excluded.
        """
        rows, usable = self._augment(x.flatten(0, 1))
        condition = functional.dropout(self._condition(rows), self.dropout, self.training)
        z_mean, z_std = self._posterior(rows, condition)
        z = z_mean + z_std * torch.randn_like(z_mean)
        bound = modified_elbo(rows, usable, *self._likelihood(z, condition), z, z_mean, z_std)
        return -bound.mean() / self.window

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the negative log likelihood of each point, mean over draws and channels, [B, L]."""
        rows = x.flatten(0, 1)
        condition = self._condition(rows)
        z_mean, z_std = self._posterior(rows, condition)
        total = torch.zeros_like(rows)
        for _ in range(self.draws):
            z = z_mean + z_std * torch.randn_like(z_mean)
            total = total - log_normal(rows, *self._likelihood(z, condition))
        return (total / self.draws).view_as(x).mean(dim=1)

    def _condition(self, rows: Tensor) -> Tensor:
        return torch.cat([self.global_condition(rows), self.local_condition(rows)], dim=1)

    def _posterior(self, rows: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(torch.cat([rows, condition], dim=1))
        return self.z_mean(hidden), _std(self.z_spread(hidden))

    def _likelihood(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.decoder(torch.cat([z, condition], dim=1))
        return self.x_mean(hidden), _std(self.x_spread(hidden))

    def _augment(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows with planted anomalies and gaps, and a mask that is 1 for unchanged values."""
        count, window = rows.shape
        place, random = torch.arange(window, device=rows.device), torch.rand(4, count, 1, device=rows.device)
        moved = (random[0] < self.points) & (place == window - 1)
        sign = torch.where(random[1] < 0.5, -0.5, 0.5)
        shift = torch.randint(MIN_SHIFT, MAX_SHIFT + 1, (count, 1), device=rows.device) * sign
        begin = min(EARLIEST_SWAP, window - 1)
        start = begin + (random[2] * (window - begin)).floor()
        swapped = (random[3] < self.segments) & (place >= start)
        other = rows[torch.randperm(count, device=rows.device)]
        gap = torch.rand_like(rows) < self.missing
        changed = torch.where(swapped, other, rows) + moved * shift
        return changed.masked_fill(gap, 0.0), (~(moved | swapped | gap)).to(rows.dtype)


class GlobalFrequency(nn.Module):
    """Condition from the spectrum of all points except the last."""

    def __init__(self, window: int, condition: int) -> None:
        super().__init__()
        self.output = nn.Linear(_spectrum_size(window - 1), condition)

    def forward(self, rows: Tensor) -> Tensor:
        """Map [N, L] to [N, condition]."""
        return torch.tanh(self.output(_spectrum(rows[:, :-1])))


class LocalFrequency(nn.Module):
    """Condition from the spectrum of the last sub-window, which attends to the spectra of all sub-windows."""

    def __init__(self, window: int, condition: int, width: int, heads: int, local: int, stride: int) -> None:
        super().__init__()
        self.local = min(local, window // 2)
        self.stride = min(stride, self.local)
        self.first = (window - self.local) % self.stride
        self.token = nn.Linear(_spectrum_size(self.local), width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.attention_norm, self.inner_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.output = nn.Linear(width, condition)

    def forward(self, rows: Tensor) -> Tensor:
        """Map [N, L] to [N, condition]."""
        masked = functional.pad(rows[:, self.first : -1], (0, 1))  # the last point is set to zero
        tokens = torch.tanh(self.token(_spectrum(masked.unfold(1, self.local, self.stride))))
        last = tokens[:, -1:]
        attended = self.attention_norm(last + self.attention(last, tokens, tokens, need_weights=False)[0])
        return torch.tanh(self.output(self.inner_norm(attended + self.inner(attended))).squeeze(1))


def _spectrum(values: Tensor) -> Tensor:
    spectrum = torch.fft.rfft(values, norm="ortho")
    return torch.cat([spectrum.real, spectrum.imag], dim=-1)


def _spectrum_size(length: int) -> int:
    return 2 * (length // 2 + 1)


def _std(spread: Tensor) -> Tensor:
    return (functional.softplus(spread) + MIN_VARIANCE).sqrt()
