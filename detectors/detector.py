"""A backbone made into a detector: standardising, training on windows, scoring series by overlapping windows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from ape.core.checkpoint import Checkpoint, fingerprint
from ape.core.errors import InputError
from ape.core.out_of_memory import BatchSize
from ape.core.progress import Progress
from ape.detectors.schedule import Budget
from ape.detectors.storage import save_folder
from ape.detectors.training import seeded, train
from ape.series import Series
from ape.series.numerics import dominant_period
from ape.series.windows import sliding, start_batches, streamed_overlap_mean

SHORTEST, LONGEST, FALLBACK = 32, 512, 64  # samples, of an automatic window
FEWEST_WINDOWS = 4  # lengths of a window that the training part must hold
BATCH = 512
MIN_SCALE = 1e-3  # of the median scale: a channel that stands still in training


@dataclass(frozen=True)
class Prepared:
    """All that training needs of one series.

    Parameters
    ----------
    module : nn.Module
        Not trained yet.
    values : Tensor [n, C]
        Standardised training part, on the module's device.
    window : int
    shift, scale : Tensor [C]
        What it was standardised by.
    """

    module: nn.Module
    values: Tensor
    window: int
    shift: Tensor
    scale: Tensor


class WindowedDetector:
    """Detector around a backbone that works on standardised windows.

    Parameters
    ----------
    name : str
        The backbone's name; saved, so that `ape.detectors.load` can build it again.
    build : callable
        ``build(channels, window, **options)`` gives the backbone: an `nn.Module` with ``encode``, ``reconstruct`` and
        ``loss`` on standardised windows [B, C, L].
    options : dict
        Plain values for ``build``.
    window : int, optional
        Samples; default is one dominant period of the training part, from 32 to 512.
    budget : Budget
        How long and how fast to train.
    device : str
        ``auto`` takes the GPU if there is one.
    """

    def __init__(
        self,
        name: str,
        build: Callable[..., nn.Module],
        options: dict[str, Any],
        window: int | None = None,
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        device: str = "auto",
    ) -> None:
        self.name, self.options, self.budget = name, options, budget
        self._build, self._asked_window, self._window = build, window, window
        self._device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        self._module: nn.Module | None = None
        self._scale_shift: tuple[Tensor, Tensor] | None = None

    @property
    def window(self) -> int:
        """Window length in samples; known once fitted, or as it was asked for."""
        if self._window is None:
            raise _not_trained()
        return self._window

    @property
    def module(self) -> nn.Module:
        """The backbone."""
        if self._module is None:
            raise _not_trained()
        return self._module

    @property
    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """Shift and scale, [C] each, or [1] for all channels."""
        if self._scale_shift is None:
            raise _not_trained()
        return self._scale_shift

    def fit(
        self, series: Series, seed: int = 0, progress: Progress | None = None, checkpoint: Path | None = None
    ) -> Self:
        """Train on the training part; a fresh backbone each time, the same for the same seed on CPU.

        ``checkpoint`` names a file for the state of the training, which goes on from it if it is there; whoever asks
        for one removes it once the detector is saved.
        """
        begun = self.prepare(series, seed)
        described = (self.name, self.options, begun.window, self.budget, seed)
        kept = None if checkpoint is None else Checkpoint(Path(checkpoint), fingerprint(described, begun.values))
        train(begun.module, begun.values, begun.window, self.budget, seed, progress, kept)
        self.adopt(begun.module, begun.window, begun.shift, begun.scale)
        return self

    def prepare(self, series: Series, seed: int) -> Prepared:
        """Build a backbone for a series, and standardise what it is to learn from."""
        values = series.train
        window = self._asked_window or automatic_window(values)
        if len(values) < FEWEST_WINDOWS * window:
            raise InputError(
                f"{len(values)} training points are too few for windows of {window}",
                "series",
                f"give at least {FEWEST_WINDOWS * window}, or a shorter window",
            )
        shift, scale = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
        scale = np.maximum(scale, max(MIN_SCALE * float(np.median(scale)), 1e-8))
        with seeded(seed):
            module = self._fresh(series.n_channels, window).to(self._device)
        standard = torch.from_numpy(((values - shift) / scale).astype(np.float32)).to(self._device)
        return Prepared(module, standard, window, torch.from_numpy(shift), torch.from_numpy(scale))

    def adopt(self, module: nn.Module, window: int, shift: Tensor, scale: Tensor) -> None:
        """Take over a trained backbone with its window and standardisation."""
        self._window, self._module = window, module.to(self._device).eval()
        self._scale_shift = (shift.float().to(self._device), scale.float().to(self._device))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction [B, C, L] in data units."""
        shift, scale = self.scale_shift
        return self.module.reconstruct(self._standard(x)) * scale[:, None] + shift[:, None]  # type: ignore[operator]

    def encode(self, x: Tensor) -> Tensor:
        """Latent [B, D]."""
        return self.module.encode(self._standard(x))  # type: ignore[operator]

    def loss(self, x: Tensor) -> Tensor:
        """Training loss of the backbone."""
        return self.module.loss(self._standard(x))  # type: ignore[operator]

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of windows [B, C, L], `loss` of the first ones: together if the backbone can."""
        standard, module = self._standard(x), self.module
        if hasattr(module, "one_pass"):
            rebuilt, latent, loss = module.one_pass(standard, first)  # type: ignore[operator]
        else:
            rebuilt, latent = module.reconstruct(standard), module.encode(standard)  # type: ignore[operator]
            loss = module.loss(standard[:first])  # type: ignore[operator]
        shift, scale = self.scale_shift
        return rebuilt * scale[:, None] + shift[:, None], latent, loss

    def point_scores(self, x: Tensor) -> Tensor:
        """Squared standardised residual, mean over channels, [B, L]."""
        standard = self._standard(x)
        return (standard - self.module.reconstruct(standard)).square().mean(dim=1)  # type: ignore[operator]

    def own_scores(self, x: Tensor) -> Tensor:
        """Score of the backbone's paper at each point, [B, L]; where the paper scores by the error, `point_scores`."""
        if not hasattr(self.module, "own_scores"):
            return self.point_scores(x)
        return self.module.own_scores(self._standard(x))  # type: ignore[operator]

    @torch.no_grad()
    def score(self, series: Series, stride: int | None = None, own: bool = False) -> np.ndarray:
        """Score of each point: the mean over all windows that cover it, streamed window batch by window batch.

        Parameters
        ----------
        series : Series
        stride : int, optional
            Default is 1 up to 20,000 points, else a sixteenth of the window.
        own : bool
            By the score of the backbone's paper, `own_scores`, instead of the reconstruction error, `point_scores`.

        Returns
        -------
        ndarray, float32 [T]
        """
        self.require_channels(series)
        self.module.eval()
        parts = start_batches(series.length, self.window, stride, BATCH)
        cut, rows = sliding(series.values, self.window), BatchSize(BATCH)
        measure = self.own_scores if own else self.point_scores

        def measured(windows: Tensor) -> np.ndarray:
            found = rows.run(lambda size: [measure(some.to(self._device)) for some in windows.split(size)])
            return torch.cat(found).cpu().numpy()

        with seeded(0):  # some papers' scores are drawn
            return streamed_overlap_mean(
                ((part, measured(torch.from_numpy(cut[part]))) for part in parts), series.length
            )

    def require_channels(self, series: Series) -> None:
        """Refuse a series with another number of channels than the detector was trained on."""
        channels = len(self.scale_shift[0])
        if series.n_channels != channels:
            raise InputError(
                f"{series.n_channels} channels where the detector was trained on {channels}",
                "series",
                "choose the channels that it was trained on",
            )

    def clone(self) -> Self:
        """Independent copy with its own weights."""
        twin = copy.copy(self)
        twin._module = copy.deepcopy(self.module)
        return twin

    def save(self, folder: Path | str) -> None:
        """Write weights (safetensors) and configuration (JSON) into ``folder``, whole or not at all."""
        save_folder(self, Path(folder))

    def _fresh(self, channels: int, window: int) -> nn.Module:
        return self._build(channels=channels, window=window, **self.options)

    def _standard(self, x: Tensor) -> Tensor:
        shift, scale = self.scale_shift
        return (x - shift[:, None]) / scale[:, None]


def automatic_window(values: np.ndarray) -> int:
    """One dominant period of the training values [n, C], from 32 to 512 samples and at most a quarter of them."""
    period = dominant_period(values) or FALLBACK
    return int(min(np.clip(period, SHORTEST, LONGEST), len(values) // FEWEST_WINDOWS))


def _not_trained() -> InputError:
    return InputError("the detector is not trained", "detector", "call fit first, or load a trained one")
