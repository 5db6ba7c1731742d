"""TimesNet (Wu et al. 2023, arXiv:2210.02186)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import position_code
from ape.detectors.contract import Backbone

LEAST_VARIANCE = 1e-5


class TimesNet(Backbone):
    """Blocks that fold a window by its strongest periods into (cycle, phase) and convolve in both directions.

    A window is normalised by its own mean and deviation, embedded, sent through residual blocks with one LayerNorm
    between them, mapped to the channels, and given its mean and deviation back.

    Departures. Periods are found in each window, as the paper writes; the released code takes them from the mean
    spectrum of the batch, so that a window's score hangs on its neighbours. A period is L/f rounded up (paper), never
    below 2. The mean and deviation, which the latent lacks after normalising, are part of `encode`, or changes of
    level and scale would be invisible to it; no gradient stops at the mean. The mean of the inception kernels is
    taken before the convolution instead of after it: the same function at the cost of its largest kernel. Three
    kernels (1, 3, 5) instead of six, and narrow layers, for a CPU. No dropout, so that training mode reconstructs as
    evaluation does.

    Parameters
    ----------
    channels, window : int
        C and L.
    width, hidden : int
        Feature maps outside and between the two inception layers of a block.
    layers : int
        Blocks.
    periods : int
        Strongest frequencies used, at most L // 2.
    kernels : int
        Inception kernels, of size 1, 3, 5, ...
    normalise : bool
        Normalise each window. It hides level shifts and amplitude changes from the reconstruction error.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        width: int = 16,
        hidden: int = 16,
        layers: int = 2,
        periods: int = 3,
        kernels: int = 3,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.embedding = nn.Conv1d(channels, width, 3, padding=1, padding_mode="circular", bias=False)
        self.register_buffer("position", position_code(window, width), persistent=False)
        count = min(periods, window // 2)
        self.blocks = nn.ModuleList(_TimesBlock(width, hidden, count, kernels) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the last features, then each channel's mean and log deviation in the window, [B, width + 2C]."""
        return self._latent(self._features(x), x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction [B, C, L]."""
        return self._decode(self._features(x), x)

    def loss(self, x: Tensor) -> Tensor:
        """Mean squared error."""
        return (x - self.reconstruct(x)).square().mean()

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of all windows, `loss` of the first ones."""
        features = self._features(x)
        rebuilt = self._decode(features, x)
        return rebuilt, self._latent(features, x), (x - rebuilt)[:first].square().mean()

    def _latent(self, features: Tensor, x: Tensor) -> Tensor:
        mean, deviation = _statistics(x)
        return torch.cat([features.mean(dim=1), mean.squeeze(2), deviation.log().squeeze(2)], dim=1)

    def _decode(self, features: Tensor, x: Tensor) -> Tensor:
        rebuilt = self.output(features).transpose(1, 2)
        if not self.normalise:
            return rebuilt
        mean, deviation = _statistics(x)
        return rebuilt * deviation + mean

    def _features(self, x: Tensor) -> Tensor:
        if self.normalise:
            mean, deviation = _statistics(x)
            x = (x - mean) / deviation
        features = self.embedding(x).transpose(1, 2) + self.get_buffer("position")
        for block in self.blocks:
            features = self.norm(features + block(features))
        return features


class _TimesBlock(nn.Module):
    """Fold, convolve and unfold [B, L, width] once a period; sum weighed by the softmax of the amplitudes."""

    def __init__(self, width: int, hidden: int, periods: int, kernels: int) -> None:
        super().__init__()
        self.periods = periods
        self.convolve = nn.Sequential(_Inception(width, hidden, kernels), nn.GELU(), _Inception(hidden, width, kernels))

    def forward(self, x: Tensor) -> Tensor:
        period, amplitude = strongest_periods(x, self.periods)
        weight = torch.softmax(amplitude, dim=1).flatten()
        lengths, counts = (found.tolist() for found in period.unique(return_counts=True))
        total, order = torch.zeros_like(x), period.flatten().argsort()
        for length, chosen in zip(lengths, order.split(counts), strict=True):  # windows that share a period go together
            window = chosen // self.periods
            unfolded = unfold(self.convolve(fold(x[window], length)), x.shape[1])
            total = total.index_add(0, window, unfolded * weight[chosen, None, None])
        return total


class _Inception(nn.Module):
    """Mean of 2-d convolutions with kernels 1, 3, 5, ..."""

    def __init__(self, inputs: int, outputs: int, kernels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(inputs, outputs, 2 * i + 1, padding=i) for i in range(kernels))

    def forward(self, x: Tensor) -> Tensor:
        reach = len(self.branches) - 1
        pairs = [(branch.get_parameter("weight"), branch.get_parameter("bias")) for branch in self.branches]
        weights = [functional.pad(weight, [reach - i] * 4) for i, (weight, _) in enumerate(pairs)]
        weight, bias = torch.stack(weights).mean(dim=0), torch.stack([bias for _, bias in pairs]).mean(dim=0)
        return functional.conv2d(x, weight, bias, padding=reach)


def strongest_periods(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Periods in samples and amplitudes, [B, count] each, of the strongest frequencies of features [B, L, D]."""
    amplitude = torch.fft.rfft(x, dim=1).abs().mean(dim=2)[:, 1:]  # without the mean
    top, index = amplitude.topk(count, dim=1)
    return -(-x.shape[1] // (index + 1)), top


def fold(x: Tensor, period: int) -> Tensor:
    """Features [B, L, D] as [B, D, cycles, period], the last cycle filled with zeros."""
    padded = functional.pad(x, (0, 0, 0, -x.shape[1] % period))
    return padded.unflatten(1, (-1, period)).permute(0, 3, 1, 2)


def unfold(x: Tensor, length: int) -> Tensor:
    """Inverse of `fold`: [B, length, D]."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)[:, :length]


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over time, [B, C, 1] each."""
    mean = x.mean(dim=2, keepdim=True)
    return mean, (x - mean).square().mean(dim=2, keepdim=True).add(LEAST_VARIANCE).sqrt()
