"""PAMA, after its abstract and reviews: memories of normal and pseudo-anomalous features (ICLR 2026 submission)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import interpolate, layer_norm, softplus

from ape.evals.methods.draws import is_inside, signs, stretches, uniform
from ape.evals.methods.encoders import nearest_distance, unit
from ape.evals.methods.protocol import Method, Scorer

SHORTEST, SHARE = 4, (0.1, 0.5)  # size of a perturbed stretch: fewest samples, and shares of the window
DRIFT = (0.5, 2.0)  # reached at the end of a stretch, in the channel's deviation
SCALING = (2.0, 4.0)  # factor of the dominant component, or its inverse
PATCH = 4  # samples that the global encoder reads as one
WIDTH, HEADS = 32, 2  # of each encoder
PROTOTYPES = 10  # in each memory
TEMPERATURE = 0.1
TEMPORAL, INSTANCE, DIVERGENCE, DISTANCE = 0.1, 0.1, 1e-3, 0.1  # loss weights; reconstruction has weight 1


def pseudo_anomalies(hosts: Tensor, generator: Generator, starts: Tensor | None = None) -> Tensor:
    """Add a drift to a stretch of windows [B, C, L] and scale its dominant component, in each channel."""
    count, channels, length = hosts.shape
    shortest, longest = (max(SHORTEST, round(share * length)) for share in SHARE)
    first, size = stretches(count, length, (shortest, longest), generator)
    since, inside = torch.arange(length) - first, is_inside(length, first, size)
    factor = uniform(SCALING, (count, channels, 1), generator) ** signs((count, channels, 1), generator)
    drift = uniform(DRIFT, (count, channels, 1), generator) * signs((count, channels, 1), generator)
    ramp = (since + 1) / size * inside
    return hosts + (factor - 1) * _dominant(hosts, since, size, inside) + drift * ramp[:, None]


def _dominant(hosts: Tensor, since: Tensor, size: Tensor, inside: Tensor) -> Tensor:
    """Return the strongest Fourier component [B, C, L] of one stretch per window; stretches differ in size."""
    length = hosts.shape[2]
    frequency = torch.arange(1, max((int(size.max()) - 1) // 2, 1) + 1)  # cycles per stretch, below half its samples
    angle = 2 * math.pi * ((since[:, None] * frequency[:, None]) % size[:, None]) / size[:, None]
    waves = torch.stack([angle.cos(), angle.sin()], 1) * inside[:, None, None]  # [B, 2, F, L]
    amplitude = torch.einsum("bcl,bpfl->bcpf", hosts, waves) * (2 / size[:, None, None])
    power = amplitude.square().sum(2) * (2 * frequency < size)[:, None]
    strongest = power.argmax(2)
    amplitude = amplitude.gather(3, strongest[:, :, None, None].expand(-1, -1, 2, 1))
    waves = waves.transpose(1, 2).gather(1, strongest[:, :, None, None].expand(-1, -1, 2, length))
    return (amplitude * waves).sum(2)


class PAMA(Scorer):
    """A global and a local encoder, a memory for each class, a variational refinement and a decoder."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.patches = nn.Conv1d(channels, WIDTH, PATCH, stride=PATCH, padding=PATCH // 2)
        self.place = nn.Parameter(0.02 * torch.randn(window // PATCH + 1, WIDTH))
        self.whole = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.local = nn.Sequential(
            nn.Conv1d(channels, WIDTH, 3, padding=1), nn.ReLU(), nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        )
        both = 2 * WIDTH
        self.normal, self.anomalous = (nn.Parameter(torch.randn(PROTOTYPES, both)) for _ in range(2))
        self.filled = False  # whether the memories contain features of the first batch
        self.refined = nn.Linear(both, 2 * both)
        self.decoder = nn.Sequential(nn.Linear(2 * both, both), nn.GELU(), nn.Linear(both, channels))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Reconstruction error, two contrasts with pseudo-anomalies, divergence, and distance to prototypes."""
        pseudo = pseudo_anomalies(windows, generator)
        changed = (pseudo != windows).any(1)
        normal, anomalous = self._features(torch.cat([windows, pseudo])).chunk(2)
        if not self.filled:
            self._fill_memories(normal.flatten(0, 1), anomalous[changed], generator)
        own = normal + recall(normal, self.normal)
        neighbours = contrast(own[:, :-1], own[:, 1:], (anomalous + recall(anomalous, self.anomalous))[:, :-1])
        pooled, false = (_mean(features, changed) for features in (normal, anomalous))
        instances = contrast(pooled, recall(pooled, self.normal), recall(pooled, self.anomalous))
        instances = instances + contrast(false, recall(false, self.anomalous), recall(false, self.normal))
        mean, log_variance = self.refined(own).chunk(2, dim=2)
        refined = mean + torch.randn(mean.shape, generator=generator) * (log_variance / 2).exp()
        return (
            (self._rebuild(refined, normal) - windows).square().mean()
            + TEMPORAL * _mean(neighbours[..., None], changed[:, :-1]).mean()
            + INSTANCE * instances.mean()
            + DIVERGENCE * (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
            + DISTANCE * nearest_distance(normal.flatten(0, 1), self.normal).mean()
        )

    def score(self, windows: Tensor) -> Tensor:
        """Distance to the nearest normal prototype times the squared reconstruction error, [B, L]."""
        features = self._features(windows)
        mean = self.refined(features + recall(features, self.normal)).chunk(2, dim=2)[0]
        error = (self._rebuild(mean, features) - windows).square().mean(1)
        return error * nearest_distance(features.flatten(0, 1), self.normal).view(error.shape)

    def _features(self, windows: Tensor) -> Tensor:
        """Return global and local features [B, L, D], normalised so that distances cannot shrink to nothing."""
        whole = self.whole(self.patches(windows).transpose(1, 2) + self.place).transpose(1, 2)
        whole = interpolate(whole, windows.shape[2], mode="linear")
        return layer_norm(torch.cat([whole, self.local(windows)], 1).transpose(1, 2), (2 * WIDTH,))

    @torch.no_grad()
    def _fill_memories(self, normal: Tensor, anomalous: Tensor, generator: Generator) -> None:
        for memory, features in ((self.normal, normal), (self.anomalous, anomalous)):
            memory.copy_(features[torch.randint(len(features), (PROTOTYPES,), generator=generator)])
        self.filled = True

    def _rebuild(self, refined: Tensor, features: Tensor) -> Tensor:
        return self.decoder(torch.cat([refined, features], 2)).transpose(1, 2)


def recall(features: Tensor, memory: Tensor) -> Tensor:
    """Return for features [..., D] the mean of prototypes [M, D], weighted by the sigmoid of scaled products."""
    return torch.sigmoid(features @ memory.T / math.sqrt(memory.shape[1])) @ memory / len(memory)


def contrast(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Cross-entropy of telling the positive of each anchor from its negative, by cosine: [..., D] to [...]."""
    anchor = unit(anchor)
    near, far = ((anchor * unit(other)).sum(-1) / TEMPERATURE for other in (positive, negative))
    return softplus(far - near)


def _mean(features: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean over the chosen samples: [B, L, D] and [B, L] to [B, D]."""
    return (features * chosen[..., None]).sum(1) / chosen.sum(1, keepdim=True).clamp_min(1)


METHOD = Method(
    build=PAMA,
    claim="after the abstract",
    paper="PAMA: Dual-memory augmentation assisted pseudo-anomaly contrastive learning for multivariate time series"
    " anomaly detection, submission 11843 to ICLR 2026",
    settings={
        "known": "from abstract and reviews: drift and scaled dominant component in random stretches, two encoders, two"
        " memories of 10 prototypes read by the sigmoid of scaled products, temporal and instance contrast, variational"
        " refinement, score",
        "sizes": "stretches of 0.1 to 0.5 of a window, drift of 0.5 to 2 deviations, scaling by 2 to 4 or its inverse:"
        " our choice",
        "encoders": "self-attention among patches of 4 samples and two convolutions, 32 features each: our choice",
        "memories": "trained by gradients, initialised with random features of the first batch: our choice",
        "contrast": "cosine at temperature 0.1, both weighted 0.1, only at the perturbed samples; neighbours against"
        " the pseudo-anomaly, readings of a class's own memory against those of the other: our choice",
        "left out": "an entropy loss that a review mentions without its formula",
    },
    negatives=pseudo_anomalies,
)
