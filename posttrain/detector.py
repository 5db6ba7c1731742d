"""The enhanced detector: a backbone, normal reference windows, a trained representation, and a calibrated score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ape import detectors
from ape.core.errors import InputError
from ape.core.out_of_memory import BatchSize
from ape.detectors import Detector, WrappedDetector
from ape.detectors.inputs import prepared, with_missing
from ape.posttrain.enhanced_folder import is_enhanced, read_folder, save_folder
from ape.posttrain.parts import BATCH, Parts, parts_of
from ape.posttrain.reference_windows import ReferenceWindows
from ape.posttrain.references import References
from ape.posttrain.representation import Representation
from ape.posttrain.score import Calibration, Measured, Overlap
from ape.series import Requirements, Series
from ape.series.windows import sliding, start_batches


def device_of(detector: Detector) -> torch.device:
    """Return the device of a detector's standardisation, which is that of its module."""
    return detector.shift_and_scale[0].device


@dataclass(frozen=True)
class EnhancedDetector:
    """A detector whose score comes from its post-trained representation. It follows the `Detector` protocol.

    Parameters
    ----------
    backbone : Detector
        A post-trained copy of the detector.
    reference_windows : ReferenceWindows
        Normal training windows.
    values : ndarray, float32 [n, C]
        The training part that the reference windows were cut from.
    representation : Representation
    required : Requirements
        What it requires of a series, for `ape.series.load`.
    calibration : Calibration or None
        ``None`` until held-out windows are measured.
    """

    backbone: Detector
    reference_windows: ReferenceWindows
    values: np.ndarray
    representation: Representation
    required: Requirements
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
    def shift_and_scale(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Shift [C] and scale [C] with which the backbone standardises."""
        return self.backbone.shift_and_scale

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Return the backbone's reconstruction of windows [B, C, L], data units."""
        return self.backbone.reconstruct(x)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """Return the backbone's training loss."""
        return self.backbone.loss(x)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return unit vectors of windows [B, C, L] in the contrastive space, [B, D], see `vectors`."""
        return self.vectors(parts_of(self.backbone, x, self.nearest(x, None))[0])

    def vectors(self, parts: Parts) -> torch.Tensor:
        """Concatenate the vectors of all heads to one unit vector per window, [B, D]."""
        vectors = self.representation(parts)
        return vectors.transpose(0, 1).flatten(1) / len(vectors) ** 0.5

    @cached_property
    def references(self) -> References:
        """References under the current backbone. They are cached: after training it, `replace` this object."""
        return References.of(self.backbone, self.reference_windows)

    def references_for(self, series: Series) -> tuple[References, int]:
        """Return the references for windows of a series, and the position of its start.

        A series that does not begin with the training part is placed after it.
        """
        values, trained = series.values, len(self.values)
        same = min(len(values), trained)
        continues = np.array_equal(values[:same], self.values[:same])
        first, offset = (trained - self.window + 1, 0) if continues else (0, trained)
        segments = replace(series, train_end=None).train_segments  # no reference where values are missing
        return self.references.followed_by(self.backbone, values, segments, first, offset), offset

    def standardised(self, x: torch.Tensor) -> torch.Tensor:
        """Return windows [B, C, L] in training standard deviations."""
        shift, scale = self.backbone.shift_and_scale
        return (x - shift[:, None]) / scale[:, None]

    def nearest(self, x: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        """Return the differences of windows [B, C, L] to the nearest ones, [B, 3 cells], see `Neighbours.pooled`."""
        return self.references.neighbours(self.standardised(x), positions).pooled()

    @torch.no_grad()
    def measure(
        self,
        windows: np.ndarray | torch.Tensor,
        positions: np.ndarray | None,
        references: References | None = None,
    ) -> Measured:
        """Measure windows [N, C, L], batch by batch.

        Parameters
        ----------
        windows : ndarray or Tensor
            Data units.
        positions : ndarray, int64 [N], or None
            Starts in the training series, so that no window is compared with itself.
        references : References, optional
            Default: those of the training part.
        """
        references = references or self.references
        self.module.eval()
        self.representation.eval()

        def batches(size: int) -> list[tuple[np.ndarray, np.ndarray]]:
            at = (slice(i, i + size) for i in range(0, len(windows), size))
            return [self._measured(windows[i], None if positions is None else positions[i], references) for i in at]

        return Measured(*(np.concatenate(part) for part in zip(*BatchSize(BATCH).run(batches), strict=True)))

    def _measured(
        self, windows: np.ndarray | torch.Tensor, positions: np.ndarray | None, references: References
    ) -> tuple[np.ndarray, np.ndarray]:
        device = device_of(self.backbone)
        x = torch.as_tensor(np.ascontiguousarray(windows)).to(device)
        at = None if positions is None else torch.as_tensor(positions).to(device)
        near = references.neighbours(self.standardised(x), at)
        parts, residual = parts_of(self.backbone, x, near.pooled())
        away, distances = self.representation.away(parts), self.representation.distances(parts)
        points = residual.square().mean(1)
        nearest, relative, mahalanobis = distances.unbind(1)
        raw, in_shape = (x.square().mean((1, 2)).sqrt() for x in (near.difference, near.shape))
        rest = [nearest, in_shape, relative, points.mean(1), mahalanobis, raw]  # as in `MEASURES`
        row = torch.cat([away, torch.stack(rest, 1)], 1)
        return row.cpu().double().numpy(), points.cpu().numpy()

    def require_calibration(self) -> Calibration:
        """Return the calibration, which every finished detector has."""
        if self.calibration is None:
            msg = "not calibrated yet"
            raise RuntimeError(msg)
        return self.calibration

    def point_scores(self, x: torch.Tensor) -> torch.Tensor:
        """Return the score of each point of windows [B, C, L] from any series, [B, L]."""
        calibration = self.require_calibration()
        squashed = calibration.bounds.squash(self.measure(x.detach().cpu().numpy(), None))
        windows = np.broadcast_to(squashed.windows[:, None], (*squashed.points.shape, squashed.windows.shape[1]))
        scores = calibration.fuse(np.concatenate([windows, squashed.points[:, :, None]], axis=2))
        return torch.as_tensor(scores, dtype=torch.float32, device=x.device)

    def curves(self, series: Series, stride: int | None = None) -> np.ndarray:
        """Return the bounded measures of each point of a series, float64 [T, 9], see `streamed_curves`."""
        return np.concatenate(list(self.streamed_curves(prepared(self, series), stride)))

    def streamed_curves(self, series: Series, stride: int | None = None) -> Iterator[np.ndarray]:
        """Yield the bounded measures of the points of a series, float64 [n, 9], in pieces.

        The series is `prepared`. Windows are compared with those of the training part and with earlier windows of the
        series that they do not overlap. Points of stretches that are shorter than a window are NaN.
        """
        bounds = self.require_calibration().bounds
        batches = start_batches(series.segments, self.window, stride, BATCH)
        references, offset = self.references_for(series)
        overlap, views = Overlap(), sliding(series.values, self.window)
        for some in batches:
            yield overlap.add(some, bounds.squash(self.measure(views[some], some + offset, references)))
        yield overlap.emit(series.length - overlap.begin)

    def score(self, series: Series, stride: int | None = None) -> np.ndarray:
        """Return the anomaly score of each point, float32 [T]; NaN in stretches shorter than a window.

        Channels are matched by name, see `ape.detectors.inputs.prepared`. Points with missing values get the highest
        possible score.

        Parameters
        ----------
        stride : int or None
            Step between windows. Default: 1 for up to 20,000 points, else a sixteenth of the window.

        Raises
        ------
        InputError
            A channel is missing, or no stretch of the series is as long as a window.
        """
        series, calibration = prepared(self, series), self.require_calibration()
        pieces = self.streamed_curves(series, stride)
        score = np.concatenate([calibration.fuse(piece).astype(np.float32) for piece in pieces])
        return with_missing(score, series, calibration.highest())

    def require_channels(self, series: Series) -> None:
        """Raise `InputError` if the series has another number of channels than the training data."""
        if series.n_channels != self.values.shape[1]:
            raise InputError(
                f"{series.n_channels} channels, but the detector was trained on {self.values.shape[1]}",
                series.name,
                "score a series with the same channels",
            )

    def save(self, folder: Path | str) -> None:
        """Save the detector into ``folder`` (safetensors and JSON), atomically."""
        calibration = self.require_calibration()
        parts = self.reference_windows, self.values, self.representation, self.required, calibration
        save_folder(Path(folder), self.backbone, *parts)


def load(folder: Path | str, into: WrappedDetector | None = None) -> Detector | EnhancedDetector:
    """Load a plain or an enhanced detector, according to its ``detector.json``.

    Parameters
    ----------
    folder : path
    into : WrappedDetector, optional
        Receives the weights if a wrapped detector was saved or enhanced, as in `ape.detectors.load`.

    Raises
    ------
    InputError
        A file is missing or truncated, or does not match the others.
    """
    if not is_enhanced(Path(folder)):
        return detectors.load(folder, into=into)
    return EnhancedDetector(*read_folder(Path(folder), into))
