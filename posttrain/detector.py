"""The enhanced detector: a backbone, a memory of normal windows, a trained representation, and a calibrated score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ape.detectors import Detector
from ape.detectors.out_of_memory import Rows
from ape.posttrain.memory import Memory
from ape.posttrain.representation import Parts, Representation, pool_latent, pool_residual
from ape.posttrain.score import Calibration, Measured, Overlap
from ape.series import InputError, Series
from ape.series.windows import scored_batches, sliding

BATCH = 256


def device_of(detector: Detector) -> torch.device:
    """Where a detector's standardisation, and so its module, lives."""
    return detector.scale_shift[0].device


def parts_of(backbone: Detector, windows: torch.Tensor, nearest: torch.Tensor) -> tuple[Parts, torch.Tensor]:
    """Inputs of the representation, and the standardised residual [B, C, L] of the reconstruction.

    Parameters
    ----------
    windows : Tensor [B, C, L]
        Data units.
    nearest : Tensor [B, 2 cells]
        Pooled residuals to the nearest training window and to the nearest in shape.
    """
    return as_parts(backbone, windows, backbone.reconstruct(windows), backbone.encode(windows), nearest)


def as_parts(
    backbone: Detector, windows: torch.Tensor, rebuilt: torch.Tensor, latent: torch.Tensor, nearest: torch.Tensor
) -> tuple[Parts, torch.Tensor]:
    """What `parts_of` gives, of a reconstruction [B, C, L] and a latent [B, D] that are known."""
    residual = (windows - rebuilt) / backbone.scale_shift[1][:, None]
    return Parts(pool_latent(latent), pool_residual(residual), nearest), residual


def pooled(residuals: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Residuals [B, C, L] pooled, side by side, [B, cells each]."""
    return torch.cat([pool_residual(residual) for residual in residuals], 1)


@dataclass(frozen=True)
class EnhancedDetector:
    """A detector whose score is that of its post-trained representation; follows the detector protocol.

    Parameters
    ----------
    backbone : Detector
        A copy of the detector that was enhanced, post-trained.
    memory : Memory
        Normal training windows.
    values : ndarray, float32 [n, C]
        The training part that the memory was cut from.
    representation : Representation
    calibration : Calibration or None
        ``None`` until held-out windows have been measured.
    """

    backbone: Detector
    memory: Memory
    values: np.ndarray
    representation: Representation
    calibration: Calibration | None = None

    @property
    def window(self) -> int:
        """Window length L."""
        return self.backbone.window

    @property
    def module(self) -> nn.Module:
        """The backbone's module."""
        return self.backbone.module

    @property
    def scale_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the backbone standardises by: shift [C], scale [C]."""
        return self.backbone.scale_shift

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """The backbone's reconstruction of windows [B, C, L], data units."""
        return self.backbone.reconstruct(x)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """The backbone's training loss."""
        return self.backbone.loss(x)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Unit vectors of windows [B, C, L] in the contrastive space, [B, D], see `vectors`."""
        return self.vectors(parts_of(self.backbone, x, self.nearest(x, None))[0])

    def vectors(self, parts: Parts) -> torch.Tensor:
        """Vectors of all heads side by side, as one unit vector a window, [B, D]."""
        vectors = self.representation(parts)
        return vectors.transpose(0, 1).flatten(1) / len(vectors) ** 0.5

    def nearest(self, x: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        """Pooled residuals of windows [B, C, L] to nearest training windows, [B, 2 cells], see `apart`."""
        return pooled(self.apart(x, positions))

    def apart(self, x: torch.Tensor, positions: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Residuals of windows [B, C, L] to the nearest training window, and to the nearest one in shape, [B, C, L].

        The first is standardised; for the second each channel of each window lost its level and amplitude before, so
        that it sees through a drift of either.
        """
        shift, scale = self.backbone.scale_shift
        standard, memory = (x - shift[:, None]) / scale[:, None], self.memory
        return memory.residual(standard, positions), memory.shapes.residual(memory.shape_of(standard), positions)

    @torch.no_grad()
    def measure(self, windows: np.ndarray | torch.Tensor, positions: np.ndarray | None) -> Measured:
        """Measure windows [N, C, L], batch by batch.

        ``positions`` are starts in the series that was trained on, so that no window is compared with itself.
        """
        self.module.eval()
        self.representation.eval()

        def batches(size: int) -> list[tuple[np.ndarray, np.ndarray]]:
            return [
                self._measured(windows[i : i + size], None if positions is None else positions[i : i + size])
                for i in range(0, len(windows), size)
            ]

        return Measured(*(np.concatenate(part) for part in zip(*Rows(BATCH).halving(batches), strict=True)))

    def _measured(
        self, windows: np.ndarray | torch.Tensor, positions: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        device = device_of(self.backbone)
        x = torch.as_tensor(np.ascontiguousarray(windows)).to(device)
        apart = self.apart(x, None if positions is None else torch.as_tensor(positions).to(device))
        parts, residual = parts_of(self.backbone, x, pooled(apart))
        away, distances = self.representation.away(parts), self.representation.distances(parts)
        points = residual.square().mean(1)
        sizes = torch.stack([points.mean(1), apart[0].square().mean((1, 2)).sqrt()], 1)
        row = torch.cat([away, distances[:, :3], sizes[:, :1], distances[:, 3:], sizes[:, 1:]], 1)
        return row.cpu().double().numpy(), points.cpu().numpy()

    def require_calibration(self) -> Calibration:
        """The calibration, which every finished detector has."""
        if self.calibration is None:
            msg = "not calibrated yet"
            raise RuntimeError(msg)
        return self.calibration

    def point_scores(self, x: torch.Tensor) -> torch.Tensor:
        """Score of windows [B, C, L] from anywhere at each of their points, [B, L]."""
        calibration = self.require_calibration()
        squashed = calibration.bounds.squash(self.measure(x.detach().cpu().numpy(), None))
        windows = np.broadcast_to(squashed.windows[:, None], (*squashed.points.shape, squashed.windows.shape[1]))
        scores = calibration.fuse(np.concatenate([windows, squashed.points[:, :, None]], axis=2))
        return torch.as_tensor(scores, dtype=torch.float32, device=x.device)

    def curves(self, values: np.ndarray, stride: int | None = None) -> np.ndarray:
        """Squashed measures at each point of ``values`` [T, C], float64 [T, 9], streamed in batches.

        Where the values begin as the training part does, windows of that part are not compared with overlapping ones.
        """
        length, bounds = len(values), self.require_calibration().bounds
        same = min(length, len(self.values))
        seen = np.array_equal(values[:same], self.values[:same])
        overlap = Overlap(length)
        views = sliding(values, self.window)
        for some in scored_batches(length, self.window, stride, BATCH):
            overlap.add(some, bounds.squash(self.measure(views[some], some if seen else None)))
        return overlap.mean()

    def score(self, series: Series, stride: int | None = None) -> np.ndarray:
        """Anomaly score of each point, float32 [T].

        Parameters
        ----------
        stride : int or None
            Step between windows; by default 1 up to 20,000 points, a sixteenth of the window beyond.
        """
        if series.n_channels != self.values.shape[1]:
            raise InputError(
                f"{series.n_channels} channels where {self.values.shape[1]} were trained on",
                series.name,
                "score a series with the same channels",
            )
        curves = self.curves(series.values, stride)
        return self.require_calibration().fuse(curves).astype(np.float32)

    def save(self, folder: Path | str) -> None:
        """Write everything into ``folder`` (safetensors and JSON), at once or not at all."""
        from ape.posttrain.storage import save

        save(self, Path(folder))
