"""FCVAE: a conditional VAE whose condition is the window's spectrum (Wang et al. 2024, arXiv:2402.02820)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.donut import log_normal, modified_elbo
from ape.detectors.backbones.layers import perceptron
from ape.detectors.contract import Backbone

MIN_VARIANCE = 1e-4
EARLIEST_SWAP = 7  # first sample of a swapped segment
FAR, NEAR = 20, 1  # half standard deviations by which a planted last point is moved


class FCVAE(Backbone):
    """Encoder and decoder both read [global; local] frequency conditions, which never see the last point.

    Departures. Channels pass one by one through the same weights; the paper has one. The paper masks the last point,
    imputes it and scores it alone; windows here overlap and every point is scored, so `own_scores` gives each point's
    likelihood with that point known to the encoder. The attention block is narrower than the paper's (64 and 128
    units for 256 and 512) and asks only for the last sub-window's token, the one that is used: the same numbers for
    less work. Spectra are scaled to keep the window's energy, for plain ones saturate the tanh. Sub-windows are
    aligned to the window's end and at most half of it. Variances have a floor. The bound sums over points and over
    latents, as in the paper, then is divided by L; the released code averages each by itself, which weighs the
    divergence L/latent times more. Each row's segment is masked by its own start; the released code masks all rows
    from the smallest. Dropout acts only in the loss, in training mode, and only on the condition.

    Parameters
    ----------
    channels, window : int
        C and L.
    latent : int
        Dimensions of z a channel.
    hidden : int
        Width of the two layers of encoder and decoder.
    condition : int
        Length of each of the two conditions.
    width, heads : int
        Of the local condition's attention; the layer after it is twice as wide.
    local, stride : int
        Samples of a sub-window, and from one to the next.
    dropout : float
        On the condition.
    points, segments, missing : float
        Shares of rows with a moved last point, of rows with a segment of another, and of points set to zero, in
        training.
    draws : int
        Of z for a score.
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
        """Means of the posterior, channel after channel, [B, C * latent]."""
        rows = x.flatten(0, 1)
        return self._posterior(rows, self._condition(rows))[0].view(len(x), -1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of the likelihood at the posterior's mean, [B, C, L]."""
        rows = x.flatten(0, 1)
        condition = self._condition(rows)
        return self._likelihood(self._posterior(rows, condition)[0], condition)[0].view_as(x)

    def loss(self, x: Tensor) -> Tensor:
        """Negative modified evidence lower bound of augmented windows, whose changed points do not count, over L."""
        rows, usable = self._augment(x.flatten(0, 1))
        condition = functional.dropout(self._condition(rows), self.dropout, self.training)
        z_mean, z_std = self._posterior(rows, condition)
        z = z_mean + z_std * torch.randn_like(z_mean)
        bound = modified_elbo(rows, usable, *self._likelihood(z, condition), z, z_mean, z_std)
        return -bound.mean() / self.window

    def own_scores(self, x: Tensor) -> Tensor:
        """Negative log likelihood of each point, that point known, mean over draws and channels, [B, L]."""
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
        """Rows with planted anomalies and gaps, and 1 where a value is untouched."""
        count, window = rows.shape
        place, random = torch.arange(window, device=rows.device), torch.rand(4, count, 1, device=rows.device)
        moved = (random[0] < self.points) & (place == window - 1)
        sign = torch.where(random[1] < 0.5, -0.5, 0.5)
        shift = torch.randint(NEAR, FAR + 1, (count, 1), device=rows.device) * sign
        begin = min(EARLIEST_SWAP, window - 1)
        start = begin + (random[2] * (window - begin)).floor()
        swapped = (random[3] < self.segments) & (place >= start)
        other = rows[torch.randperm(count, device=rows.device)]
        gap = torch.rand_like(rows) < self.missing
        changed = torch.where(swapped, other, rows) + moved * shift
        return changed.masked_fill(gap, 0.0), (~(moved | swapped | gap)).to(rows.dtype)


class GlobalFrequency(nn.Module):
    """Spectrum of all points but the last, made a condition."""

    def __init__(self, window: int, condition: int) -> None:
        super().__init__()
        self.output = nn.Linear(_spectrum_size(window - 1), condition)

    def forward(self, rows: Tensor) -> Tensor:
        """[N, L] to [N, condition]."""
        return torch.tanh(self.output(_spectrum(rows[:, :-1])))


class LocalFrequency(nn.Module):
    """What the last sub-window's spectrum becomes after it has attended to all of them."""

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
        """[N, L] to [N, condition]."""
        blind = functional.pad(rows[:, self.first : -1], (0, 1))
        tokens = torch.tanh(self.token(_spectrum(blind.unfold(1, self.local, self.stride))))
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
