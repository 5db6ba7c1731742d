"""Train a backbone into a folder, with a checkpoint beside it: for ``ape run``, ``ape batch`` and ``ape train``."""

from __future__ import annotations

from pathlib import Path

from ape.core.checkpoint import delete_checkpoint
from ape.core.progress import Progress
from ape.detectors.detector import WindowedDetector
from ape.detectors.registry import create
from ape.series import Series

CHECKPOINT = "training.safetensors"


def train_into_folder(
    name: str, series: Series, target: Path, seed: int = 0, progress: Progress | None = None
) -> WindowedDetector:
    """Train a backbone and save it into the folder ``target``.

    Parameters
    ----------
    name : str
        One of `ape.detectors.names()`.
    series : Series
    target : Path
        The checkpoint ``training.safetensors`` is beside it. If it exists, training resumes from it. It is deleted once
        the detector is saved.
    seed : int
    progress : callable, optional
        ``progress(step, done, total, note="")``.

    Returns
    -------
    WindowedDetector
        The trained detector.

    Raises
    ------
    InputError
        The name is unknown, the series is too short, the losses are not finite, or the checkpoint is damaged or
        belongs to another training.
    """
    checkpoint = target.with_name(CHECKPOINT)
    detector = create(name).fit(series, seed, progress, checkpoint)
    detector.save(target)
    delete_checkpoint(checkpoint)
    return detector
