"""H-PAD, after its abstract: reconstruction from prototypes of patches and of the period (Shen, ICLR 2025)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method

SIZES = (1, 2, 3, 4)  # samples of a patch
WIDTH, HEADS, PROTOTYPES = 32, 2, 16
TEMPERATURE = 0.1  # of cosines
HARMONICS = 8  # of the period, above its mean
SHORTEST = 4  # samples of a period
FINER = 8  # windows that the transform is long in which the period is found
CLOSEST = 1e-4  # distance that still counts, between vectors of length one; below is rounding
ENTROPY, PERIODIC = 0.01, 0.01  # weights of losses; reconstruction has 1


class Memory(nn.Module):
    """Prototypes that training writes to, through learned gates."""

    prototypes: Tensor
    begun: Tensor

    def __init__(self, number: int) -> None:
        super().__init__()
        self.old, self.new = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.register_buffer("prototypes", torch.zeros(number, WIDTH))
        self.register_buffer("begun", torch.tensor(False))

    def written(self, queries: Tensor, generator: Generator) -> Tensor:
        """Prototypes [N, D] after queries, [Q, D] for all or [N, Q, D] for each its own.

        They begin as queries drawn at random. What is kept has no gradient, what is returned has.
        """
        number = len(self.prototypes)
        if not self.begun:
            drawn = torch.randperm(queries.shape[-2], generator=generator)[torch.arange(number) % queries.shape[-2]]
            self.prototypes = queries.expand(number, -1, -1)[torch.arange(number), drawn].detach()
            self.begun = torch.tensor(True)
        if queries.dim() == 2:  # prototypes that do not compete for queries merge within some hundred writes
            shares = (self.prototypes @ queries.T / TEMPERATURE).softmax(0)
            taken = shares / shares.sum(1, keepdim=True) @ queries
        else:
            shares = (self.prototypes[:, None] @ queries.transpose(1, 2) / TEMPERATURE).softmax(2)
            taken = (shares @ queries)[:, 0]
        gate = torch.sigmoid(self.old(self.prototypes) + self.new(taken))
        prototypes = unit((1 - gate) * self.prototypes + gate * taken)
        self.prototypes = prototypes.detach()
        return prototypes


def read(queries: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
    """Mixtures of prototypes [N, D] that stand in for queries [..., D], and the mean entropy of the shares."""
    shares = (queries @ prototypes.T / TEMPERATURE).softmax(-1)
    return shares @ prototypes, -(shares * shares.clamp_min(1e-8).log()).sum(-1).mean()


class Patches(nn.Module):
    """Patches of one size and their memory."""

    def __init__(self, channels: int, window: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Conv1d(channels, WIDTH, 3, padding=1, padding_mode="replicate")
        self.position = nn.Parameter(0.02 * torch.randn(math.ceil(window / size), WIDTH))
        self.encoder = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.memory = Memory(PROTOTYPES)

    def forward(self, windows: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """What was read [B, L, D], its entropy, distance to the nearest prototype [B, L]; writes if it may draw."""
        pooled = avg_pool1d(windows, self.size, ceil_mode=True)
        queries = unit(self.encoder(self.embedding(pooled).transpose(1, 2) + self.position))
        prototypes = self.memory.prototypes
        if generator is not None:
            prototypes = self.memory.written(queries.flatten(0, 1), generator)
        mixed, entropy = read(queries, prototypes)
        distance = torch.cdist(queries.detach(), prototypes.detach()[None]).amin(2)
        length = windows.shape[2]
        mixed, distance = (each.repeat_interleave(self.size, 1)[:, :length] for each in (mixed, distance))
        return mixed, entropy, distance


class Periods(nn.Module):
    """Blocks of a period and one prototype a channel.

    Windows begin at any phase, so blocks are turned until their fundamental is at phase zero, and turned back after.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        spectrum = 2 * (HARMONICS + 1)
        self.encoder = nn.Sequential(nn.Linear(spectrum, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
        self.decoder = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, spectrum))
        self.memory = Memory(channels)
        self.period = 0  # samples; found in the first batch

    def forward(self, windows: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Windows rebuilt [B, C, L], entropy of what was read, distance to the channel's prototype [B, C, L]."""
        length = windows.shape[2]
        self.period = self.period or _period(windows)
        starts = torch.arange(0, length, self.period).clamp(max=length - self.period)
        blocks = windows[:, :, starts[:, None] + torch.arange(self.period)]
        spectra = torch.fft.rfft(blocks, norm="forward")[..., : HARMONICS + 1]
        turn = torch.angle(spectra[..., 1:2]) * torch.arange(HARMONICS + 1)
        turned = torch.view_as_real(spectra * torch.polar(torch.ones_like(turn), -turn)[..., : spectra.shape[-1]])
        missing = HARMONICS + 1 - spectra.shape[-1]  # of a short period
        queries = unit(self.encoder(pad(turned, (0, 0, 0, missing)).flatten(-2)))  # [B, C, blocks, WIDTH]
        prototypes = self.memory.prototypes
        if generator is not None:
            prototypes = self.memory.written(queries.transpose(0, 1).flatten(1, 2), generator)
        mixed, entropy = read(queries, prototypes)
        decoded = torch.view_as_complex(self.decoder(mixed).unflatten(-1, (HARMONICS + 1, 2)))
        rebuilt = torch.fft.irfft(decoded * torch.polar(torch.ones_like(turn), turn), n=self.period, norm="forward")
        distance = (queries - prototypes[:, None]).norm(dim=3)
        block = torch.arange(length) // self.period
        return rebuilt[:, :, block, torch.arange(length) - starts[block]], entropy, distance[:, :, block]


class HPAD(nn.Module):
    """Windows are rebuilt from prototypes alone; what is far from these and badly rebuilt is anomalous."""

    typical: Tensor

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.patches = nn.ModuleList(Patches(channels, window, size) for size in SIZES)
        self.periods = Periods(channels)
        self.decoder = nn.Sequential(nn.Linear(len(SIZES) * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, channels))
        self.share = nn.Parameter(torch.zeros(()))  # of the patches in what is rebuilt, before a sigmoid
        self.register_buffer("typical", torch.ones(2, 1, 1))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Reconstruction, entropy of the shares that prototypes have, and distance to the period's prototypes."""
        rebuilt, entropy, distances = self._rebuilt(windows, generator)
        return (rebuilt - windows).square().mean() + ENTROPY * entropy + PERIODIC * distances[1].mean()

    def fit_scores(self, windows: Tensor) -> None:
        """Take what normal distances to the prototypes are."""
        self.typical = self._rebuilt(windows, None)[2].mean((1, 2), keepdim=True).clamp_min(CLOSEST)

    def score(self, windows: Tensor) -> Tensor:
        """Error of the reconstruction times distance to the prototypes, [B, L]."""
        rebuilt, _, distances = self._rebuilt(windows, None)
        return (distances / self.typical).sum(0) * (rebuilt - windows).norm(dim=1)

    def _rebuilt(self, windows: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Windows rebuilt, entropies summed, distances to prototypes of patches and of the period [2, B, L]."""
        mixed, entropies, distances = zip(*(patches(windows, generator) for patches in self.patches), strict=True)
        periodic, entropy, from_period = self.periods(windows, generator)
        share = torch.sigmoid(self.share)
        rebuilt = share * self.decoder(torch.cat(mixed, 2)).transpose(1, 2) + (1 - share) * periodic
        from_patches = sum(distance / size for distance, size in zip(distances, SIZES, strict=True))
        return rebuilt, sum(entropies) + entropy, torch.stack([from_patches, from_period.sum(1)])


def _period(windows: Tensor) -> int:
    """Samples of the strongest oscillation that fits into windows [B, C, L]."""
    length = windows.shape[2]
    centred = windows - windows.mean(2, keepdim=True)
    strength = torch.fft.rfft(centred, n=FINER * length).abs().mean((0, 1))
    slowest, fastest = FINER, FINER * length // SHORTEST
    return round(FINER * length / (slowest + int(strength[slowest : fastest + 1].argmax())))


METHOD = Method(
    build=HPAD,
    claim="after the abstract",
    paper="Shen, Learn hybrid prototypes for multivariate time series anomaly detection, ICLR 2025",
    settings={
        "memory": "gates, reading and losses after formulas told second-hand; vectors at length one, 16 prototypes a"
        " patch size, temperature 0.1, weights 0.01: own choices, the paper's are unknown",
        "writing": "patch prototypes share the queries out among themselves, else they merge within some hundred steps;"
        " in the formulas each takes what is like it",
        "network": "one Transformer layer of width 32 and 2 heads for each patch size of 1 to 4: own choice",
        "period": "the strongest one of the first batch, its first 8 harmonics; the paper takes several",
        "phase": "blocks are turned to a common phase, else one prototype a channel is the mean over all phases",
        "reconstruction": "the share of patches and period is learned; the paper's is a constant",
        "score": "distances are divided by those of normal windows; the paper's softmax over a window makes windows"
        " incomparable",
        "rate": "1e-3: own choice",
    },
    rate=1e-3,
)
