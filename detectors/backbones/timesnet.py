"""TimesNet (Wu et al. 2023, arXiv:2210.02186)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ape.detectors.backbones.layers import position_code
from ape.detectors.contract import Backbone

MIN_VARIANCE = 1e-5


class TimesNet(Backbone):
    """Blocks fold a window by its strongest periods into (cycle, phase) and convolve in both directions.

    A window is normalised by its own mean and deviation, embedded, passed through residual blocks that share one
    LayerNorm, mapped to the channels, and scaled back.

    Differences from paper and released code:

    - Periods are computed for each window, as in the paper. The released code computes them from the mean spectrum of
      the batch, so that a window's score depends on the other windows.
    - A period is L/f rounded up, as in the paper, and at least 2.
    - `encode` includes mean and deviation, so that the latent shows changes of level and scale. Gradients pass through
      the mean.
    - The inception kernels are averaged before the convolution instead of averaging the results. The function is the
      same, at the cost of the largest kernel only.
    - There are three kernels (1, 3, 5) instead of six, and layers are narrow, for a CPU.
    - There is no dropout, so training and evaluation mode reconstruct alike.

    Parameters
    ----------
    channels, window : int
        C and L.
    width, hidden : int
        Feature maps around the two inception layers of a block, and between them.
    layers : int
        Blocks.
    periods : int
        Number of strongest frequencies used, at most L // 2.
    kernels : int
        Number of inception kernels, of sizes 1, 3, 5, ...
    normalise : bool
        Normalise each window. The reconstruction error then does not show level shifts and amplitude changes.
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
        """Return the mean of the last features, and each channel's mean and log deviation, [B, width + 2C]."""
        return self._latent(self._features(x), x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, C, L]."""
        return self._decode(self._features(x), x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error."""
        return (x - self.reconstruct(x)).square().mean()

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`, which share work."""
        features = self._features(x)
        return self._decode(features, x), self._latent(features, x)

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
    """Fold, convolve and unfold [B, L, width] for each period; sum weighted by the softmax of the amplitudes."""

    def __init__(self, width: int, hidden: int, periods: int, kernels: int) -> None:
        super().__init__()
        self.periods = periods
        self.convolve = nn.Sequential(_Inception(width, hidden, kernels), nn.GELU(), _Inception(hidden, width, kernels))

    def forward(self, x: Tensor) -> Tensor:
        period, amplitude = strongest_periods(x, self.periods)
        weight = torch.softmax(amplitude, dim=1).flatten()
        if torch.compiler.is_exporting():
            unfolded = self._convolved(x, period.flatten())
            return (unfolded * weight[:, None, None]).unflatten(0, period.shape).sum(dim=1)
        lengths, counts = (values.tolist() for values in period.unique(return_counts=True))
        total, order = torch.zeros_like(x), period.flatten().argsort()
        for length, chosen in zip(lengths, order.split(counts), strict=True):  # one convolution per distinct period
            window = chosen // self.periods
            unfolded = unfold(self.convolve(fold(x[window], length)), x.shape[1])
            total = total.index_add(0, window, unfolded * weight[chosen, None, None])
        return total

    def _convolved(self, x: Tensor, period: Tensor) -> Tensor:
        """Fold, convolve and unfold x [B, L, width] for periods [B * periods], [B * periods, L, width].

        Neighbours in the folded window are looked up. So the graph is the same for all periods, at several times the
        cost of a convolution of each period.
        """
        length = x.shape[1]
        padded = max(-(-length // n) * n for n in {-(-length // f) for f in range(1, length // 2 + 1)})
        rows = functional.pad(x, (0, 0, 0, padded - length)).repeat_interleave(self.periods, dim=0)
        for layer in self.convolve:
            rows = layer.at_neighbours(rows, period, length) if isinstance(layer, _Inception) else layer(rows)
        return rows[:, :length]


class _Inception(nn.Module):
    """Mean of 2-d convolutions with kernel sizes 1, 3, 5, ..."""

    def __init__(self, inputs: int, outputs: int, kernels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(inputs, outputs, 2 * i + 1, padding=i) for i in range(kernels))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self._kernel()
        return functional.conv2d(x, weight, bias, padding=len(self.branches) - 1)

    def at_neighbours(self, x: Tensor, period: Tensor, length: int) -> Tensor:
        """Convolve windows [N, P, width] of ``length`` samples, then zeros, as if each was folded by a period."""
        reach, place = len(self.branches) - 1, torch.arange(x.shape[1], device=x.device)
        offset = torch.arange(-reach, reach + 1, device=x.device)
        period = period[:, None, None, None]
        end = (length + period - 1) // period * period  # of the last cycle
        phase = place[:, None, None] % period + offset
        at = place[:, None, None] + offset[:, None] * period + offset  # [N, P, cycles, phases]
        inside = ((phase >= 0) & (phase < period) & (at >= 0) & (at < end)).flatten(2)
        at = at.clamp(0, x.shape[1] - 1).flatten(1)
        seen = x.gather(1, at[:, :, None].expand(-1, -1, x.shape[2])).unflatten(1, (x.shape[1], -1))
        weight, bias = self._kernel()
        seen = (seen * inside[..., None]).flatten(2)
        return seen @ weight.permute(2, 3, 1, 0).flatten(0, 2) + bias

    def _kernel(self) -> tuple[Tensor, Tensor]:
        reach = len(self.branches) - 1
        pairs = [(branch.get_parameter("weight"), branch.get_parameter("bias")) for branch in self.branches]
        weights = [functional.pad(weight, [reach - i] * 4) for i, (weight, _) in enumerate(pairs)]
        return torch.stack(weights).mean(dim=0), torch.stack([bias for _, bias in pairs]).mean(dim=0)


def strongest_periods(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return periods in samples and amplitudes of the strongest frequencies of [B, L, D], [B, count] each."""
    amplitude = torch.fft.rfft(x, dim=1).abs().mean(dim=2)[:, 1:]  # skip frequency zero, the mean
    top, index = amplitude.topk(count, dim=1)
    return (x.shape[1] + index) // (index + 1), top  # rounded up


def fold(x: Tensor, period: int) -> Tensor:
    """Reshape features [B, L, D] to [B, D, cycles, period]; the last cycle is padded with zeros."""
    padded = functional.pad(x, (0, 0, 0, -x.shape[1] % period))
    return padded.unflatten(1, (-1, period)).permute(0, 3, 1, 2)


def unfold(x: Tensor, length: int) -> Tensor:
    """Invert `fold`: return [B, length, D]."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)[:, :length]


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over time, [B, C, 1] each."""
    mean = x.mean(dim=2, keepdim=True)
    return mean, (x - mean).square().mean(dim=2, keepdim=True).add(MIN_VARIANCE).sqrt()
