"""Turn a backbone into a detector: standardise, train on windows, score series by overlapping windows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ape.core.checkpoint import Checkpoint, fingerprint
from ape.core.errors import InputError
from ape.core.out_of_memory import BatchSize
from ape.core.progress import Progress
from ape.detectors.contract import Backbone
from ape.detectors.detector_folder import Configuration, write_folder
from ape.detectors.inputs import missing_error, prepared, with_missing
from ape.detectors.schedule import Budget
from ape.detectors.training import seeded, train
from ape.series import Requirements, Series
from ape.series.numerics import channel_scale, dominant_period
from ape.series.windows import (
    Segments,
    count_points,
    joined,
    longest,
    longest_window,
    sliding,
    spaced_starts,
    start_batches,
    streamed_overlap_mean,
    usable,
)

SHORTEST, LONGEST, FALLBACK = 32, 512, 64  # samples, of an automatic window
MOST_VALUES = 1 << 15  # values of an automatic window, over all channels: many backbones have weights for each of them
MIN_WINDOWS = 4  # the training part has at least this many window lengths
BATCH = 512  # windows scored at once
MEASURED = 128  # windows of the training part, in which usual errors are measured
CONSTANT_SHARE = 1e-3  # of the median scale, for channels that are constant in training


@dataclass(frozen=True)
class TrainingSetup:
    """Everything needed to train a backbone on one series.

    Parameters
    ----------
    module : Backbone
        Untrained.
    values : Tensor [n, C]
        Standardised training part, on the module's device.
    segments : sequence of (int, int)
        Stretches of the training part without gaps, see `Series.train_segments`.
    window : int
    shift, scale : Tensor [C]
        The training part is standardised as ``(values - shift) / scale``.
    required : Requirements
        What the detector requires of a series.
    """

    module: Backbone
    values: Tensor
    segments: Segments
    window: int
    shift: Tensor
    scale: Tensor
    required: Requirements

    @torch.no_grad()
    def required_when_trained(self) -> Requirements:
        """Return what the trained detector requires, with the usual error of each channel."""
        starts = torch.from_numpy(spaced_starts(self.segments, self.window, MEASURED)).to(self.values.device)
        windows = self.values.T.unfold(1, self.window, 1)[:, starts].transpose(0, 1).contiguous()
        self.module.eval()
        with seeded(0):
            error = (windows - self.module.reconstruct(windows)).square()
        return replace(self.required, errors=tuple(error.transpose(0, 1).flatten(1).median(dim=1).values.tolist()))


class WindowedDetector:
    """Detector around a backbone that works on standardised windows.

    Parameters
    ----------
    name : str
        Name of the backbone. It is saved, and `ape.detectors.load` uses it to build the backbone again.
    build : callable
        ``build(channels, window, **options)`` returns an untrained `Backbone`.
    options : dict
        JSON-able arguments for ``build``.
    window : int, optional
        Samples; default is one dominant period of the training part, from 32 to 512.
    budget : Budget
        How long and how fast to train.
    device : str
        ``auto`` uses the GPU if there is one.
    """

    def __init__(
        self,
        name: str,
        build: Callable[..., Backbone],
        options: dict[str, Any],
        window: int | None = None,
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        device: str = "auto",
    ) -> None:
        self.name, self.options, self.budget = name, options, budget
        self._build, self._requested_window, self._window = build, window, window
        self._device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        self._module: Backbone | None = None
        self._shift_and_scale: tuple[Tensor, Tensor] | None = None
        self._required = Requirements()

    @property
    def window(self) -> int:
        """Window length in samples; an automatic window is known after `fit`."""
        if self._window is None:
            raise _not_trained()
        return self._window

    @property
    def module(self) -> Backbone:
        """The trained backbone."""
        if self._module is None:
            raise _not_trained()
        return self._module

    @property
    def shift_and_scale(self) -> tuple[Tensor, Tensor]:
        """Shift and scale, [C] each, or [1] for all channels."""
        if self._shift_and_scale is None:
            raise _not_trained()
        return self._shift_and_scale

    @property
    def required(self) -> Requirements:
        """What the detector requires of a series: for `ape.series.load`, which matches channels by name."""
        return self._required

    def fit(
        self, series: Series, seed: int = 0, progress: Progress | None = None, checkpoint: Path | None = None
    ) -> Self:
        """Train a new backbone on the training part of a series.

        Parameters
        ----------
        series : Series
        seed : int
            On CPU, equal seeds give equal weights.
        progress : Progress, optional
        checkpoint : Path, optional
            File for the state of the training. If it exists, training resumes from it. The caller deletes it once the
            detector is saved.

        Returns
        -------
        Self

        Raises
        ------
        InputError
            The series is too short, the loss is not finite, or the checkpoint belongs to another training.
        """
        setup = self.prepare(series, seed)
        budget = self.budget.of_channels(setup.values.shape[1])
        described = (self.name, self.options, setup.window, budget, seed, setup.segments)
        state = None if checkpoint is None else Checkpoint(Path(checkpoint), fingerprint(described, setup.values))
        train(setup.module, setup.values, setup.segments, setup.window, budget, seed, progress, state)
        self.set_trained(setup.module, setup.window, setup.shift, setup.scale, setup.required_when_trained())
        return self

    def prepare(self, series: Series, seed: int) -> TrainingSetup:
        """Build an untrained backbone for a series and standardise the training part.

        Raises
        ------
        InputError
            The training part is too short for the window.
        """
        segments = series.train_segments
        window = self._requested_window or automatic_window(series)
        count = count_points(usable(segments, window))
        if count < MIN_WINDOWS * window:
            between = f" in stretches of {window} or more" if len(segments) > 1 else ""
            raise InputError(
                f"{count} training points{between} are too few for windows of {window}",
                "series",
                f"give at least {MIN_WINDOWS * window} training points, or a shorter window",
            )
        values = joined(series.values, segments)
        shift, scale = values.mean(axis=0, dtype=np.float64), channel_scale(values, CONSTANT_SHARE)
        with seeded(seed):
            module = self.build_module(series.n_channels, window).to(self._device)
        standardised = torch.from_numpy(((series.train - shift) / scale).astype(np.float32)).to(self._device)
        shift_and_scale = torch.from_numpy(shift), torch.from_numpy(scale)
        return TrainingSetup(module, standardised, segments, window, *shift_and_scale, Requirements.of(series))

    def build_module(self, channels: int, window: int) -> Backbone:
        """Return the module that training starts from."""
        return self._build(channels=channels, window=window, **self.options)

    def set_trained(
        self,
        module: Backbone,
        window: int,
        shift: Tensor,
        scale: Tensor,
        required: Requirements = Requirements(),  # noqa: B008 (frozen)
    ) -> None:
        """Set a trained backbone with its window, its standardisation and what it requires of a series."""
        self._required = required
        self._window, self._module = window, module.to(self._device).eval()
        self._shift_and_scale = (shift.float().to(self._device), scale.float().to(self._device))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, C, L] in data units."""
        return self._data_units(self.module.reconstruct(self._standardised(x)))

    def encode(self, x: Tensor) -> Tensor:
        """Return the latent [B, D]."""
        return self.module.encode(self._standardised(x))

    def loss(self, x: Tensor) -> Tensor:
        """Return the training loss of the backbone, a scalar."""
        return self.module.loss(self._standardised(x))

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode` of windows [B, C, L]."""
        rebuilt, latent = self.module.one_pass(self._standardised(x))
        return self._data_units(rebuilt), latent

    def point_scores(self, x: Tensor) -> Tensor:
        """Return the squared standardised residual, mean over channels, [B, L]."""
        x = self._standardised(x)
        return (x - self.module.reconstruct(x)).square().mean(dim=1)

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the score of the backbone's paper at each point, [B, L]; for some backbones it is `point_scores`."""
        return self.module.own_scores(self._standardised(x))

    @torch.no_grad()
    def score(self, series: Series, stride: int | None = None, own: bool = False) -> np.ndarray:
        """Score each point by the mean over all windows that cover it.

        Channels are matched by name, see `prepared`. Points with missing values get the highest score of the others,
        or more. Windows are scored batch by batch, so memory grows only with the result.

        Parameters
        ----------
        series : Series
        stride : int, optional
            Samples between windows. Default is 1 up to 20,000 points, else a sixteenth of the window.
        own : bool
            Use the score of the backbone's paper, `own_scores`, instead of the reconstruction error, `point_scores`.

        Returns
        -------
        ndarray, float32 [T]
            NaN in stretches between gaps that are shorter than a window.

        Raises
        ------
        InputError
            No stretch of the series is as long as a window, a channel is missing, or the stride is invalid.
        """
        series = prepared(self, series)
        self.module.eval()
        starts = start_batches(series.segments, self.window, stride, BATCH)
        windows, batch_size = sliding(series.values, self.window), BatchSize(BATCH)
        measure = self.own_scores if own else self.point_scores

        def scores_at(batch: np.ndarray) -> np.ndarray:
            cut = torch.from_numpy(windows[batch])
            parts = batch_size.run(lambda size: [measure(part.to(self._device)) for part in cut.split(size)])
            return torch.cat(parts).cpu().numpy()

        with seeded(0):  # the scores of some papers are random
            score = streamed_overlap_mean(((batch, scores_at(batch)) for batch in starts), series.length)
        return with_missing(score, series, 0.0 if own else missing_error(series))

    def require_channels(self, series: Series) -> None:
        """Raise `InputError` if the series has another number of channels than the training data."""
        channels = len(self.shift_and_scale[0])
        if series.n_channels != channels:
            raise InputError(
                f"{series.n_channels} channels, but the detector was trained on {channels}",
                "series",
                "use the channels of the training data",
            )

    def clone(self) -> Self:
        """Return an independent copy with its own weights."""
        twin = copy.copy(self)
        twin._module = copy.deepcopy(self.module)
        return twin

    def save(self, folder: Path | str) -> None:
        """Write weights (safetensors) and configuration (JSON) into ``folder`` atomically."""
        module, (shift, scale) = self.module, self.shift_and_scale
        configuration = Configuration(
            self.name, self.options, self.window, shift.tolist(), scale.tolist(), self.required
        )
        write_folder(Path(folder), configuration, module)

    def _standardised(self, x: Tensor) -> Tensor:
        shift, scale = self.shift_and_scale
        return (x - shift[:, None]) / scale[:, None]

    def _data_units(self, x: Tensor) -> Tensor:
        shift, scale = self.shift_and_scale
        return x * scale[:, None] + shift[:, None]


def automatic_window(series: Series) -> int:
    """Return one dominant period of the longest training stretch, from 32 to 512 samples.

    It is shorter, but at least 32, if four windows would not fit into the stretches that are as long as a window, or if
    the series has so many channels that a window would have more than `MOST_VALUES` values.
    """
    begin, end = longest(series.train_segments)
    period = dominant_period(series.values[begin:end]) or FALLBACK
    most = min(LONGEST, max(SHORTEST, MOST_VALUES // series.n_channels))
    return int(np.clip(min(period, longest_window(series.train_segments, MIN_WINDOWS)), SHORTEST, most))


def _not_trained() -> InputError:
    return InputError("the detector is not trained", "detector", "call fit first, or load a trained one")
