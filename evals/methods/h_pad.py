"""H-PAD, after its abstract: reconstruct from prototypes of patches and of the period (Shen, ICLR 2025)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from ape.evals.methods.encoders import unit
from ape.evals.methods.protocol import Method, Scorer

SIZES = (1, 2, 3, 4)  # samples of a patch
WIDTH, HEADS, PROTOTYPES = 32, 2, 16
TEMPERATURE = 0.1  # of cosines
HARMONICS = 8  # of the period, above its mean
SHORTEST = 4  # samples of a period
FINER = 8  # length of the transform that finds the period, in windows
CLOSEST = 1e-4  # smallest distance between unit vectors that is more than rounding
ENTROPY, PERIODIC = 0.01, 0.01  # loss weights; reconstruction has weight 1


class Memory(nn.Module):
    """Prototypes that training updates through learned gates."""

    prototypes: Tensor
    filled: Tensor

    def __init__(self, number: int) -> None:
        super().__init__()
        self.old, self.new = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.register_buffer("prototypes", torch.zeros(number, WIDTH))
        self.register_buffer("filled", torch.tensor(False))

    def update(self, queries: Tensor, generator: Generator) -> Tensor:
        """Update the prototypes with queries and return them, [N, D].

        Queries are [Q, D], shared by all prototypes, or [N, Q, D], separate for each. At the first call random queries
        become the prototypes. The returned prototypes carry a gradient, the stored ones do not.
        """
        number = len(self.prototypes)
        if not self.filled:
            drawn = torch.randperm(queries.shape[-2], generator=generator)[torch.arange(number) % queries.shape[-2]]
            self.prototypes = queries.expand(number, -1, -1)[torch.arange(number), drawn].detach()
            self.filled = torch.tensor(True)
        if queries.dim() == 2:  # prototypes that do not compete for queries merge within some hundred updates
            shares = (self.prototypes @ queries.T / TEMPERATURE).softmax(0)
            mixed = shares / shares.sum(1, keepdim=True) @ queries
        else:
            shares = (self.prototypes[:, None] @ queries.transpose(1, 2) / TEMPERATURE).softmax(2)
            mixed = (shares @ queries)[:, 0]
        gate = torch.sigmoid(self.old(self.prototypes) + self.new(mixed))
        prototypes = unit((1 - gate) * self.prototypes + gate * mixed)
        self.prototypes = prototypes.detach()
        return prototypes


def read(queries: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
    """Return mixtures of prototypes [N, D] that replace queries [..., D], and the mean entropy of the shares."""
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
        """Return mixtures [B, L, D], their entropy, and distances to the nearest prototype [B, L].

        With a generator the memory is updated first.
        """
        pooled = avg_pool1d(windows, self.size, ceil_mode=True)
        queries = unit(self.encoder(self.embedding(pooled).transpose(1, 2) + self.position))
        prototypes = self.memory.prototypes
        if generator is not None:
            prototypes = self.memory.update(queries.flatten(0, 1), generator)
        mixed, entropy = read(queries, prototypes)
        distance = torch.cdist(queries.detach(), prototypes.detach()[None]).amin(2)
        length = windows.shape[2]
        mixed, distance = (each.repeat_interleave(self.size, 1)[:, :length] for each in (mixed, distance))
        return mixed, entropy, distance


class Periods(nn.Module):
    """Blocks of one period, with one prototype per channel.

    Windows begin at any phase. Blocks are therefore rotated until their fundamental has phase zero, and rotated back
    after reconstruction.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        spectrum = 2 * (HARMONICS + 1)
        self.encoder = nn.Sequential(nn.Linear(spectrum, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
        self.decoder = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, spectrum))
        self.memory = Memory(channels)
        self.period = 0  # samples; estimated from the first batch

    def forward(self, windows: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return rebuilt windows [B, C, L], the entropy, and distances to the channel's prototype [B, C, L].

        With a generator the memory is updated first.
        """
        length = windows.shape[2]
        self.period = self.period or _period(windows)
        starts = torch.arange(0, length, self.period).clamp(max=length - self.period)
        blocks = windows[:, :, starts[:, None] + torch.arange(self.period)]
        spectra = torch.fft.rfft(blocks, norm="forward")[..., : HARMONICS + 1]
        turn = torch.angle(spectra[..., 1:2]) * torch.arange(HARMONICS + 1)
        turned = torch.view_as_real(spectra * torch.polar(torch.ones_like(turn), -turn)[..., : spectra.shape[-1]])
        missing = HARMONICS + 1 - spectra.shape[-1]  # harmonics that a short period does not have
        queries = unit(self.encoder(pad(turned, (0, 0, 0, missing)).flatten(-2)))  # [B, C, blocks, WIDTH]
        prototypes = self.memory.prototypes
        if generator is not None:
            prototypes = self.memory.update(queries.transpose(0, 1).flatten(1, 2), generator)
        mixed, entropy = read(queries, prototypes)
        decoded = torch.view_as_complex(self.decoder(mixed).unflatten(-1, (HARMONICS + 1, 2)))
        rebuilt = torch.fft.irfft(decoded * torch.polar(torch.ones_like(turn), turn), n=self.period, norm="forward")
        distance = (queries - prototypes[:, None]).norm(dim=3)
        block = torch.arange(length) // self.period
        return rebuilt[:, :, block, torch.arange(length) - starts[block]], entropy, distance[:, :, block]


def _period(windows: Tensor) -> int:
    """Return the period in samples of the strongest oscillation that fits into windows [B, C, L]."""
    length = windows.shape[2]
    centred = windows - windows.mean(2, keepdim=True)
    strength = torch.fft.rfft(centred, n=FINER * length).abs().mean((0, 1))
    slowest, fastest = FINER, FINER * length // SHORTEST
    return round(FINER * length / (slowest + int(strength[slowest : fastest + 1].argmax())))


class HPAD(Scorer):
    """Rebuild windows from prototypes only. Windows far from the prototypes and badly rebuilt are anomalous."""

    normal_distances: Tensor

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.patches = nn.ModuleList(Patches(channels, window, size) for size in SIZES)
        self.periods = Periods(channels)
        self.decoder = nn.Sequential(nn.Linear(len(SIZES) * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, channels))
        self.share = nn.Parameter(torch.zeros(()))  # of the patches in the reconstruction, before a sigmoid
        self.register_buffer("normal_distances", torch.ones(2, 1, 1))

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Reconstruction error, entropy of the prototypes' shares, and distance to the period's prototypes."""
        rebuilt, entropy, distances = self._rebuild(windows, generator)
        return (rebuilt - windows).square().mean() + ENTROPY * entropy + PERIODIC * distances[1].mean()

    def fit_scores(self, windows: Tensor) -> None:
        """Store the mean distances of normal windows to the prototypes."""
        self.normal_distances = self._rebuild(windows, None)[2].mean((1, 2), keepdim=True).clamp_min(CLOSEST)

    def score(self, windows: Tensor) -> Tensor:
        """Reconstruction error times distance to the prototypes, [B, L]."""
        rebuilt, _, distances = self._rebuild(windows, None)
        return (distances / self.normal_distances).sum(0) * (rebuilt - windows).norm(dim=1)

    def _rebuild(self, windows: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return rebuilt windows, summed entropies, and distances to prototypes of patches and period [2, B, L]."""
        mixed, entropies, distances = zip(*(patches(windows, generator) for patches in self.patches), strict=True)
        periodic, entropy, from_period = self.periods(windows, generator)
        share = torch.sigmoid(self.share)
        rebuilt = share * self.decoder(torch.cat(mixed, 2)).transpose(1, 2) + (1 - share) * periodic
        from_patches = sum(distance / size for distance, size in zip(distances, SIZES, strict=True))
        return rebuilt, sum(entropies) + entropy, torch.stack([from_patches, from_period.sum(1)])


METHOD = Method(
    build=HPAD,
    claim="after the abstract",
    paper="Shen, Learn hybrid prototypes for multivariate time series anomaly detection, ICLR 2025",
    settings={
        "memory": "gates, reading and losses follow second-hand formulas. Unit vectors, 16 prototypes per patch size,"
        " temperature 0.1 and weights 0.01 are our choice; the paper's values are unknown",
        "writing": "patch prototypes divide the queries among themselves, otherwise they merge within some hundred"
        " steps; in the formulas each takes similar queries",
        "network": "one Transformer layer of width 32 and 2 heads for each patch size of 1 to 4: our choice",
        "period": "the strongest one of the first batch, its first 8 harmonics; the paper takes several periods",
        "phase": "blocks are rotated to a common phase, otherwise a channel's prototype is the mean over all phases",
        "reconstruction": "the share of patches and period is learned; the paper's is a constant",
        "score": "distances are divided by those of normal windows; the paper's softmax over a window makes windows"
        " incomparable",
        "rate": "1e-3: our choice",
    },
    rate=1e-3,
)
