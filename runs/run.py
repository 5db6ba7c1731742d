"""The main job: series in, Rule Bank, enhanced detector, scores and report out, each step left on disk as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape import detectors, posttrain
from ape.agents import open_brain
from ape.core.checkpoint import delete_checkpoint
from ape.core.files import read_json, write_json, write_text
from ape.core.progress import Listener, Progress
from ape.detectors.contract import Detector
from ape.graphs.mine import mine
from ape.rules import RuleBank
from ape.runs.folder import Request, update_record
from ape.runs.report import write_report
from ape.series import Series
from ape.series.matrix_profile import warm_up


@dataclass(frozen=True)
class Job:
    """One run: its folder, its request, its series, and who is told of its progress."""

    folder: Path
    request: Request
    series: Series
    listen: Listener = lambda agent, note: None
    progress: Progress = lambda step, done, total, note="": None

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record how long a step took."""
        begin = time.perf_counter()
        yield
        update_record(self.folder, timings={step: round(time.perf_counter() - begin, 3)})


def run(job: Job) -> dict[str, Any]:
    """Mine, train, enhance, score and report; steps whose results are on disk are not repeated.

    Returns
    -------
    dict
        The post-training report.
    """
    bank = mine_step(job, hand_over=lambda bank: post_train(job, bank))
    if not (job.folder / "posttrain.json").exists():  # mined by a batch that was to post-train later
        post_train(job, bank)
    finish(job)
    return dict(read_json(job.folder / "posttrain.json", "post-training report"))


def finish(job: Job) -> None:
    """Write the report, and down that the run is at its end."""
    with job.timed("report"):
        write_report(job.folder, job.series)
    update_record(job.folder, finished=True)


def mine_step(job: Job, hand_over: Callable[[RuleBank], dict[str, Any]] | None = None) -> RuleBank:
    """Mine the bank in the job's folder, or go on there; a run that was to mine only is then at its end."""
    with job.timed("prepare"):
        warm_up(lambda note: job.listen("set-up", note))
    begin = time.perf_counter()

    def mined() -> None:
        update_record(job.folder, timings={"mine": round(time.perf_counter() - begin, 3)})

    def timed_hand_over(bank: RuleBank) -> dict[str, Any]:
        mined()
        return hand_over(bank) if hand_over else {}

    bank = mine(
        job.series,
        brain=open_brain(job.request.brain, job.request.model, job.request.seed),
        seed=job.request.seed,
        folder=job.folder,
        hand_over=timed_hand_over if hand_over else None,
        listen=job.listen,
        images=job.request.image,
        log=job.request.log,
    )
    if hand_over is None:
        mined()
    if job.request.command == "mine":
        finish(job)
    return bank


def post_train(job: Job, bank: RuleBank) -> dict[str, Any]:
    """The post-training node: train the backbone, enhance it with the bank, score the whole series before and after."""
    folder, series = job.folder, job.series
    report_path = folder / "posttrain.json"
    if not (folder / "detector").exists():
        with job.timed("train"):
            job.listen("post-training", f"trains {job.request.backbone}")
            checkpoint = folder / "training.safetensors"
            fresh = detectors.create(job.request.backbone)
            fresh.fit(series, job.request.seed, job.progress, checkpoint).save(folder / "detector")
            delete_checkpoint(checkpoint)
    detector = detectors.load(folder / "detector")
    checkpoint = folder / "posttraining.safetensors"
    if not (report_path.exists() and (folder / "enhanced").exists()):
        with job.timed("enhance"):
            job.listen("post-training", f"enhances it with {len(bank.rules)} rules")
            result = posttrain.enhance(
                detector, bank, series, seed=job.request.seed, progress=job.progress, checkpoint=checkpoint
            )
            result.detector.save(folder / "enhanced")
            write_json(report_path, result.report)
    delete_checkpoint(checkpoint)
    score_step(job)
    return dict(read_json(report_path, "post-training report"))


def score_step(job: Job) -> None:
    """Score the whole series before and after, into ``scores.csv``."""
    path = job.folder / "scores.csv"
    if path.exists():
        return
    with job.timed("score"):
        job.listen("post-training", "scores the series before and after")
        better = posttrain.load(job.folder / "enhanced")
        before, after = detectors.load(job.folder / "detector").score(job.series), better.score(job.series)
        channels = channel_columns(better, job.series, after)
        write_scores(path, job.series, {"before": before, "after": after} | channels)


def channel_columns(
    detector: Detector | posttrain.EnhancedDetector, series: Series, score: np.ndarray
) -> dict[str, np.ndarray]:
    """The score's shares of all channels, by ``channel <name>``, where there are several."""
    if series.n_channels == 1:
        return {}
    shares = posttrain.by_channel(detector, series, score)
    return {f"channel {name}": share for name, share in zip(series.channels, shares.T, strict=True)}


def write_scores(path: Path, series: Series, scores: dict[str, np.ndarray]) -> None:
    """CSV with the position, the time where known, and one column a score."""
    frame = pd.DataFrame({"position": np.arange(series.length)})
    if series.timestamps is not None:
        frame["timestamp"] = series.timestamps
    for name, score in scores.items():
        frame[name] = score
    write_text(path, frame.to_csv(index=False, float_format="%.7g"))
