"""Train a backbone into a folder, with a checkpoint beside it: for ``ape run``, ``ape batch`` and ``ape train``."""

from __future__ import annotations

from pathlib import Path

from ape.core.checkpoint import delete_checkpoint
from ape.core.progress import Progress
from ape.core.run_files import TRAINING
from ape.detectors.detector import WindowedDetector
from ape.detectors.registry import create
from ape.series import Series


def train_into_folder(
    name: str,
    series: Series,
    target: Path,
    seed: int = 0,
    progress: Progress | None = None,
    keep_checkpoint: bool = False,
) -> WindowedDetector:
    """Train a backbone and save it into the folder ``target``.

    Parameters
    ----------
    name : str
        One of `ape.detectors.names()`.
    series : Series
    target : Path
        The checkpoint ``training.safetensors`` is beside it. If it exists, training resumes from it.
    seed : int
    progress : callable, optional
        ``progress(step, done, total, note="")``.
    keep_checkpoint : bool
        Leave the checkpoint for the caller to delete; by default it is deleted once the detector is saved.

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
    checkpoint = target.with_name(TRAINING)
    detector = create(name).fit(series, seed, progress, checkpoint)
    detector.save(target)
    if not keep_checkpoint:
        delete_checkpoint(checkpoint)
    return detector
