"""Many series unattended: each item is a run folder. Items are mined in parallel, then enhanced.

The same call resumes a killed batch: finished items are not repeated, interrupted ones resume from their checkpoints.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from ape import detectors
from ape.core.errors import InputError
from ape.core.files import read_json, write_json, write_text
from ape.core.in_place import kept_in_place
from ape.core.locks import LOCK, locked
from ape.core.progress import Progress
from ape.core.run_files import DETECTOR, RECORD
from ape.core.temporaries import remove_leftovers
from ape.core.validation import validated
from ape.monitor import read_events
from ape.runs.attempts import DEFAULT_POLICY, RetryPolicy, attempt
from ape.runs.batch_page import write_summary
from ape.runs.changing import changing
from ape.runs.execution import execute, mark_trained, next_step, settle
from ape.runs.folder import Request, Run, read_request
from ape.runs.jobs import FAILURES, NAME, NAME_CHARACTERS, OnDone, connect, map_jobs, stored_result, unfinished
from ape.runs.manifest import READING, SEPARATOR, reading_cells
from ape.runs.packing import pack
from ape.runs.postgres import VARIABLE, is_wanted, require_server
from ape.runs.sparkline import curve
from ape.runs.zoom import share_library
from ape.series.matrix_profile import load_stumpy

REQUESTS, ITEMS = "batch.json", "items"
MINED_RESULTS, ENHANCED_RESULTS = "results/mined", "results/enhanced"  # what the jobs returned
MOST_BYTES = 2**30  # of the requests
CURVE = "curve"  # in the results: what the page draws of the series
NEEDED = ("stumpy", "bokeh.plotting")  # modules that the items import late
MAX_TOGETHER = 64  # series whose backbones are trained at once: limited by memory


@contextmanager
def one_batch(out: Path, requests: Mapping[str, Request]) -> Iterator[None]:
    """Hold the folder of a batch, so that no other process works on it; a new one is made.

    Raises
    ------
    InputError
        The folder is in use, or contains something else; or it was deleted meanwhile.
    """
    if not (out / REQUESTS).is_file():
        record_requests(out, requests)
    with locked(out), kept_in_place(out):
        remove_leftovers(out)
        yield


def mine_items(
    requests: Mapping[str, Request],
    out: Path,
    workers: int = 2,
    ray: str | None = None,
    policy: RetryPolicy = DEFAULT_POLICY,
    on_done: OnDone = lambda name, error: None,
) -> dict[str, str]:
    """Mine every item into its run folder ``out/items/NAME``.

    Parameters
    ----------
    requests : mapping of str to Request
        By item, see `ape.runs.manifest.read_manifest`.
    out : Path
    workers, ray, on_done
        See `ape.runs.jobs.map_jobs`.
    policy : RetryPolicy

    Returns
    -------
    dict of str to str
        The reason for each item that failed.

    Raises
    ------
    InputError
        ``out`` contains a batch in which an item of the same name has another request, or the server for
        checkpoints or the cluster cannot be used.
    """
    require_server()
    if ray is not None:
        connect(ray)
    record_requests(out, requests)
    share_library(out)
    work = partial(mine_item, out.resolve(), dict(requests), policy, is_wanted())
    load_stumpy()
    map_jobs(list(requests), work, out / MINED_RESULTS, workers, ray, on_done, NEEDED)
    return failures_of(out / MINED_RESULTS, requests)


def train_items(names: Sequence[str], out: Path, progress: Progress | None = None) -> dict[str, str]:
    """Train the backbones of mined items, many at once for each backbone and seed; return why items failed.

    This pays on a GPU. On a CPU, workers that train one backbone each are faster than one stack.
    """
    groups: dict[tuple[str, int], list[str]] = {}
    for name in unfinished(names, out / ENHANCED_RESULTS):
        request = read_request(out / ITEMS / name)
        groups.setdefault((request.backbone, request.seed), []).append(name)
    failed: dict[str, str] = {}
    for (backbone, seed), group in groups.items():
        for first in range(0, len(group), MAX_TOGETHER):
            runs = {name: Run.open(out / ITEMS / name, pictures=False) for name in group[first : first + MAX_TOGETHER]}
            untrained = {name: run for name, run in runs.items() if next_step(run) == "train"}
            failed |= _train_group(backbone, seed, untrained, progress)
            for run in runs.values():
                with changing(run.folder):
                    pack(run.folder)
    return failed


def enhance_items(
    names: Sequence[str],
    out: Path,
    workers: int = 2,
    policy: RetryPolicy = DEFAULT_POLICY,
    on_done: OnDone = lambda name, error: None,
) -> dict[str, str]:
    """Finish mined items, and train those that `train_items` has not; return why items failed.

    See `mine_items` for the parameters.
    """
    work = partial(enhance_item, out.resolve(), policy)
    map_jobs(names, work, out / ENHANCED_RESULTS, workers, on_done=on_done, needs=NEEDED)
    return failures_of(out / ENHANCED_RESULTS, names)


def mine_item(
    out: Path, requests: dict[str, Request], policy: RetryPolicy, in_postgres: bool, name: str
) -> dict[str, Any]:
    """Mine one item into its folder, or resume it there; return a summary.

    ``in_postgres`` says whether the checkpoints belong into PostgreSQL, whose URL each machine has to know by itself.
    """
    if in_postgres and not is_wanted():
        hint = "set it there as well, before 'ray start'"
        raise InputError(f"{VARIABLE} is not set on this machine", socket.gethostname(), hint)
    return attempt(_mine, policy, out / ITEMS / name, requests[name])


def enhance_item(out: Path, policy: RetryPolicy, name: str) -> dict[str, Any]:
    """Train, post-train, score and report one mined item, from where it is; return a summary."""
    return attempt(_enhance, policy, out / ITEMS / name)


def _mine(folder: Path, request: Request) -> dict[str, Any]:
    run = Run.open(folder) if (folder / RECORD).is_file() else Run.create(folder, request, request.load())
    bank, series = execute(run, mine_only=True).bank, run.series
    if request.command == "mine":
        settle(run)
    else:
        with changing(folder):
            pack(folder)
    summary = {"rules": len(bank.rules), "points": series.length, "channels": series.n_channels}
    return {**summary, CURVE: curve(series, series.channels[0])}


def _enhance(folder: Path) -> dict[str, Any]:
    """Finish a run; its curve is that of the channel at fault in the worst event."""
    run = Run.open(folder)
    outcome, events = execute(run).post_training, read_events(folder)["events"]
    settle(run)
    channel = events[0]["channels"][0]["channel"] if events else run.series.channels[0]
    return {**outcome, CURVE: curve(run.series, channel)}


def _train_group(backbone: str, seed: int, runs: Mapping[str, Run], progress: Progress | None) -> dict[str, str]:
    fresh, failed, ready = detectors.create(backbone), dict[str, str](), dict[str, Run]()
    for name, run in runs.items():  # fit_together fails for all if one series is unusable
        try:
            fresh.prepare(run.series, seed)
            ready[name] = run
        except InputError as error:
            failed[name] = str(error)
    if not ready:
        return failed
    try:
        trained: Sequence[detectors.WindowedDetector | None] = detectors.fit_together(
            fresh, [run.series for run in ready.values()], seed, progress
        )
    except detectors.PartlyTrainedError as error:
        trained = error.detectors
    for (name, run), detector in zip(ready.items(), trained, strict=True):
        if detector is None:
            failed[name] = "training failed: losses are not finite"
        else:
            with changing(run.folder):
                detector.save(run.folder / DETECTOR)
                mark_trained(run)
    return failed


def failures_of(results: Path, names: Iterable[str]) -> dict[str, str]:
    """Return why items failed, from what `ape.runs.jobs.map_jobs` left."""
    path = results / FAILURES
    failures = validated(dict[str, str], read_json(path, "failures"), "not a list of failures", path, "delete it")
    return {name: failures[name] for name in names if name in failures}


def record_requests(out: Path, requests: Mapping[str, Request]) -> None:
    """Record the requests of the batch; a batch may grow, but the request of an item does not change."""
    if bad := [name for name in requests if not NAME.fullmatch(name)]:
        raise InputError(f"'{bad[0][:60]}' cannot be the name of an item", "batch", f"use {NAME_CHARACTERS}")
    requested = {name: TypeAdapter(Request).dump_python(request, mode="json") for name, request in requests.items()}
    path = out / REQUESTS
    known = _read_requests(path) if path.is_file() else {}
    if not known and out.exists() and any(path.name != LOCK for path in out.iterdir()):
        raise InputError("the folder is not empty", str(out), "choose another --out")
    for name, request in requested.items():
        if known.get(name, request) != request:
            raise InputError(f"'{name}' has another request in this batch", str(path), "choose another --out")
    write_json(path, {**known, **requested})


def _read_requests(path: Path) -> dict[str, Any]:
    """Read the requests of a batch; options that a request lacks have their defaults."""
    known = validated(
        dict[str, Request], read_json(path, "batch", MOST_BYTES), "not a batch", path, "choose another --out"
    )
    return {name: TypeAdapter(Request).dump_python(request, mode="json") for name, request in known.items()}


def write_outcome(out: Path, requests: Mapping[str, Request], failed: Mapping[str, str]) -> int:
    """Write ``index.html``, ``events.csv`` and, if items failed, ``failures.csv``: a manifest of them with the reasons.

    Returns
    -------
    int
        How many series have no training part of their own.
    """
    curves = {name: drawn for name in requests if (drawn := _curve(out, name)) is not None}
    whole = write_summary(out, {name: out / ITEMS / name for name in requests}, failed, curves)
    write_failures(out, requests, failed)
    return whole


def write_failures(out: Path, requests: Mapping[str, Request], failed: Mapping[str, str]) -> None:
    """Write ``failures.csv``, a manifest of the failed items with the reasons; no file if none failed."""
    path = out / "failures.csv"
    if not failed:
        path.unlink(missing_ok=True)
        shutil.rmtree(out / "failures", ignore_errors=True)
        return
    rows = []
    for name, reason in failed.items():
        request = asdict(requests[name])
        text = out / "failures" / f"{name}.txt"
        if request["text"]:
            write_text(text, request["text"])
        rows.append(
            {
                "path": request["data"],
                "name": name,
                "text": str(text.relative_to(out)) if request["text"] else "",
                "log": request["log"] or "",
                "column": SEPARATOR.join(request["column"]),
                "train_end": "" if request["train_end"] is None else request["train_end"],
                **dict.fromkeys(READING, ""),
                **reading_cells(requests[name].reading),
                "backbone": request["backbone"],
                "seed": request["seed"],
                "error": reason,
            }
        )
    # As objects: a column of texts cannot hold the name of a file that is no UTF-8.
    write_text(path, pd.DataFrame(rows, dtype=object).to_csv(index=False))


def _curve(out: Path, name: str) -> dict[str, Any] | None:
    """Return what the page draws of an item; None if an older version made its results."""
    for results in (ENHANCED_RESULTS, MINED_RESULTS):
        result = stored_result(out / results, name)
        if result is not None and CURVE in result:
            return dict(result[CURVE])
    return None
