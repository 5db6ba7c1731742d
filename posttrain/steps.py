"""The steps that ``ape run``, ``ape batch``, the single commands and the conversation share: post-train and score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape.core.checkpoint import delete_checkpoint
from ape.core.files import write_json, write_text
from ape.core.progress import Progress
from ape.core.run_files import POSTTRAIN, POSTTRAINING
from ape.detectors import Detector
from ape.posttrain.assessment import Assessment
from ape.posttrain.enhancement import enhance
from ape.rules import RuleBank
from ape.series import Series

MOST_COLUMNS = 64  # channels whose parts of the score are written


def post_train(
    detector: Detector,
    bank: RuleBank,
    series: Series,
    target: Path,
    seed: int = 0,
    progress: Progress | None = None,
    keep_checkpoint: bool = False,
) -> dict[str, Any]:
    """Post-train a detector, save the result into the folder ``target`` and its report into ``posttrain.json``.

    If post-training is not accepted, the result is the original detector and the report gives the reason.

    Parameters
    ----------
    detector : Detector
        Trained. It is not changed.
    bank : RuleBank
    series : Series
    target : Path
        The report and the checkpoint ``posttraining.safetensors`` are beside it. If the checkpoint exists,
        post-training resumes from it.
    seed : int
    progress : callable, optional
        ``progress(step, done, total, note="")``.
    keep_checkpoint : bool
        Leave the checkpoint for the caller to delete; by default it is deleted once the result is saved.

    Returns
    -------
    dict
        The report.

    Raises
    ------
    InputError
        See `ape.posttrain.enhance`.
    """
    checkpoint = target.with_name(POSTTRAINING)
    result = enhance(detector, bank, series, seed=seed, progress=progress, checkpoint=checkpoint)
    result.detector.save(target)
    write_json(target.with_name(POSTTRAIN), result.report)
    if not keep_checkpoint:
        delete_checkpoint(checkpoint)
    return result.report


def describe_outcome(report: dict[str, Any]) -> str:
    """Return which score was kept, and why, as one line for people."""
    return f"kept {report['kept']}: {report['reason']}"


def channel_scores(assessment: Assessment, channels: Sequence[str]) -> dict[str, np.ndarray]:
    """Split the score by channel: the part of each, [T], by column name ``channel <name>``. Empty for one channel.

    Of very many channels, only those with the largest parts at any point are given.
    """
    if len(channels) == 1:
        return {}
    parts = assessment.score[:, None] * assessment.shares
    largest = np.argsort(-np.nan_to_num(parts).max(axis=0), kind="stable")[:MOST_COLUMNS]
    return {f"channel {channels[column]}": parts[:, column] for column in np.sort(largest)}


def write_scores(path: Path, series: Series, scores: dict[str, np.ndarray]) -> None:
    """Write a CSV file with one line for each row of the series' file: row, time if there are times, and each score.

    Parameters
    ----------
    path : Path
    series : Series
    scores : dict of ndarray [T]
        By column name.
    """
    points = series.row_points
    columns: dict[str, Any] = {"position": np.arange(len(points))}
    clock = series.clock
    if clock is not None and series.zone is None:
        columns["timestamp"] = clock[points]
    elif clock is not None or series.elapsed is not None:
        columns["timestamp"] = [series.time_text(point) for point in points]
    columns |= {name: score[points] for name, score in scores.items()}
    frame = pd.DataFrame(columns)
    write_text(path, frame.to_csv(index=False, float_format="%.7g"))
