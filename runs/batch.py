"""Many series unattended: each item a run folder, one map over them, then post-training of all as one job.

Whatever is killed, the same call goes on: finished items are not touched, begun ones go on from their checkpoints.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter
from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt

from ape import detectors, posttrain
from ape.core.progress import Progress
from ape.runs.batch_page import write_summary
from ape.runs.folder import RECORD, Request, create_folder, open_folder, read_request
from ape.runs.jobs import FAILURES, NAME, Told, map_jobs
from ape.runs.manifest import MANY
from ape.runs.run import Job, finish, mine_step, score_step
from ape.rules import RuleBank
from ape.core.errors import InputError
from ape.series import Series
from ape.core.files import read_json, write_json, write_text

MANIFEST, ITEMS, RESULTS = "batch.json", "items", "results"
AT_ONCE = 64  # series that are trained as one job: what memory holds


@dataclass(frozen=True)
class Care:
    """How long an item may take, and how often what failed unexpectedly is tried again."""

    seconds: float | None = None
    retries: int = 1


def mine_items(
    requests: Mapping[str, Request],
    out: Path,
    workers: int = 2,
    ray: str | None = None,
    care: Care = Care(),
    told: Told = lambda name, error: None,
) -> dict[str, str]:
    """Mine every item into its run folder ``out/items/NAME``.

    Parameters
    ----------
    requests : mapping of str to Request
        By item, see `ape.runs.manifest.read_manifest`.
    out : Path
    workers, ray, told
        See `ape.runs.jobs.map_jobs`.
    care : Care

    Returns
    -------
    dict of str to str
        Why items failed.

    Raises
    ------
    InputError
        ``out`` holds a batch in which an item of the same name is something else.
    """
    _claim(out, requests)
    map_jobs(list(requests), partial(mine_item, out.resolve(), dict(requests), care), out / RESULTS, workers, ray, told)
    failed = read_json(out / RESULTS / FAILURES, "failures")
    return {name: why for name, why in failed.items() if name in requests}


def mine_item(out: Path, requests: dict[str, Request], care: Care, name: str) -> dict[str, Any]:
    """Mine one item in its folder, or go on there; what is known of it."""
    attempts = Retrying(
        stop=stop_after_attempt(care.retries + 1), retry=retry_if_not_exception_type(InputError), reraise=True
    )
    return attempts(_mined_in_time, out / ITEMS / name, requests[name], care.seconds)


def _mined_in_time(folder: Path, request: Request, seconds: float | None) -> dict[str, Any]:
    with _within(seconds):
        return _mined(folder, request)


def _mined(folder: Path, request: Request) -> dict[str, Any]:
    if (folder / RECORD).is_file():
        request, series = open_folder(folder)
    else:
        series = request.load()
        create_folder(folder, request, series)
    job = Job(folder, request, series)
    bank = mine_step(job)
    return {"rules": len(bank.rules), "points": series.length, "channels": series.n_channels}


def post_train_together(out: Path, names: Sequence[str], progress: Progress | None = None) -> dict[str, str]:
    """Train, post-train and score the items' series as one job for each backbone and seed; why items failed."""
    groups: dict[tuple[str, int], list[str]] = {}
    for name in names:
        folder = out / ITEMS / name
        if not read_json(folder / RECORD, "run record").get("finished"):
            request = read_request(folder)
            groups.setdefault((request.backbone, request.seed), []).append(name)
    failed: dict[str, str] = {}
    for (backbone, seed), group in groups.items():
        for first in range(0, len(group), AT_ONCE):
            failed |= _trained(out, backbone, seed, group[first : first + AT_ONCE], progress)
    return failed


def _trained(out: Path, backbone: str, seed: int, names: Sequence[str], progress: Progress | None) -> dict[str, str]:
    items = {name: open_folder(out / ITEMS / name) for name in names}
    series = {name: series for name, (_, series) in items.items()}
    failed: dict[str, str] = {}
    fitted = _fitted(backbone, seed, series, failed, progress)
    banks = [RuleBank.load(out / ITEMS / name / "bank.json") for name in fitted]
    results = [
        posttrain.enhance(detector, bank, series[name], seed, progress=progress)
        for (name, detector), bank in zip(fitted.items(), banks, strict=True)
    ]
    for (name, detector), result in zip(fitted.items(), results, strict=True):
        folder = out / ITEMS / name
        detector.save(folder / "detector")
        result.detector.save(folder / "enhanced")
        write_json(folder / "posttrain.json", result.report)
        job = Job(folder, items[name][0], series[name])
        score_step(job)
        finish(job)
    return failed


def _fitted(
    backbone: str, seed: int, series: Mapping[str, Series], failed: dict[str, str], progress: Progress | None
) -> dict[str, detectors.WindowedDetector]:
    """Trained detectors by item; those that cannot be trained are added to ``failed``."""
    from ape.detectors.together import PartlyTrainedError, fit_together

    fresh = detectors.create(backbone)
    left = dict(series)
    for name, one in series.items():  # a refusal of one would be one of all
        try:
            fresh.prepare(one, seed)
        except InputError as error:
            failed[name] = str(error)
            del left[name]
    if not left:
        return {}
    try:
        found: Sequence[detectors.WindowedDetector | None] = fit_together(fresh, list(left.values()), seed, progress)
    except PartlyTrainedError as error:
        found = error.detectors
    trained = dict(zip(left, found, strict=True))
    failed |= {name: "training failed: losses are not finite" for name, one in trained.items() if one is None}
    return {name: one for name, one in trained.items() if one is not None}


@contextlib.contextmanager
def _within(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` in the main thread once the time is over."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(*_: Any) -> None:
        raise TimeoutError(f"not done within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _claim(out: Path, requests: Mapping[str, Request]) -> None:
    """Write down what the batch is to do; a batch may grow, but an item stays what it was."""
    if bad := [name for name in requests if not NAME.fullmatch(name)]:
        raise InputError(f"an item cannot be called '{bad[0][:60]}'", "batch", "use letters, digits and ._+-")
    asked = {name: TypeAdapter(Request).dump_python(request, mode="json") for name, request in requests.items()}
    path = out / MANIFEST
    kept = read_json(path, "batch") if path.is_file() else {}
    if not kept and out.exists() and any(out.iterdir()):
        raise InputError("the folder is not empty", str(out), "choose another --out")
    for name, request in asked.items():
        if kept.get(name, request) != request:
            raise InputError(f"'{name}' is another item in that batch", str(path), "choose another --out")
    write_json(path, {**kept, **asked})


def conclude(out: Path, requests: Mapping[str, Request], failed: Mapping[str, str]) -> None:
    """Write ``index.html``, and ``failures.csv``: a manifest of what failed, with why; gone where nothing did."""
    write_summary(out, {name: out / ITEMS / name for name in requests}, failed)
    path = out / "failures.csv"
    if not failed:
        path.unlink(missing_ok=True)
        return
    rows = []
    for name, why in failed.items():
        asked = asdict(requests[name])
        text = out / "failures" / f"{name}.txt"
        if asked["text"]:
            write_text(text, asked["text"])
        rows.append(
            {
                "path": asked["data"],
                "name": name,
                "text": str(text.relative_to(out)) if asked["text"] else "",
                "log": asked["log"] or "",
                "column": MANY.join(asked["column"]),
                "train_end": "" if asked["train_end"] is None else asked["train_end"],
                "backbone": asked["backbone"],
                "seed": asked["seed"],
                "error": why,
            }
        )
    write_text(path, pd.DataFrame(rows).to_csv(index=False))
