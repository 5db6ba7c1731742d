"""``ape batch``: many series unattended, with a live table, one summary page and a list of failures."""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ape.cli.commands import request_of
from ape.cli.display import Display
from ape.cli.events import exit_code, print_worst_events, report_files
from ape.cli.terminal import console, print_document
from ape.core.errors import InputError
from ape.core.run_files import EVENTS_CSV, EVENTS_JSON
from ape.monitor import read_events
from ape.runs.attempts import RetryPolicy
from ape.runs.batch import (
    ENHANCED_RESULTS,
    ITEMS,
    MINED_RESULTS,
    enhance_items,
    mine_items,
    one_batch,
    train_items,
    write_outcome,
)
from ape.runs.folder import Request
from ape.runs.jobs import unfinished
from ape.runs.manifest import read_manifest
from ape.series.matrix_profile import warm_up
from ape.series.reading.report import NO_TRAIN_END

SHOWN = 8  # items
SHOWN_SERIES = 20
FILES = {"index.html": "summary", EVENTS_CSV: "events", "failures.csv": "failures"}


def batch(arguments: argparse.Namespace) -> int:
    """``ape batch MANIFEST --out DIR``; failed items give exit code 2, and the same call retries them."""
    requests = read_manifest(arguments.manifest, request_of(arguments, "run" if arguments.enhance else "mine"))
    warm_up(console.print)  # once, not in every worker
    with one_batch(Path(arguments.out), requests):
        return _process(arguments, requests)


def _process(arguments: argparse.Namespace, requests: dict[str, Request]) -> int:
    """Process the series of a batch, and print their results."""
    out = Path(arguments.out)
    workers, policy = arguments.workers or 2, policy_of(arguments)
    with LiveTable(console, "mined", requests, out / MINED_RESULTS) as table:
        failed = mine_items(requests, out, workers, arguments.ray, policy, table.on_done)
    if arguments.enhance:
        mined = [name for name in requests if name not in failed]
        if torch.cuda.is_available():  # elsewhere, items train their backbones themselves, side by side
            with Display(console) as display:
                failed |= train_items(mined, out, display.progress)
        left = [name for name in mined if name not in failed]
        with LiveTable(console, "enhanced", left, out / ENHANCED_RESULTS) as table:
            failed |= enhance_items(left, out, workers, policy, table.on_done)
    if whole := write_outcome(out, requests, failed):
        console.print(f"training part of {whole} of {len(requests)} series: {NO_TRAIN_END}")
    found = read_all_events(out, requests)
    print_worst_events(found, SHOWN_SERIES)
    files = report_files(out, FILES)
    print_document({"series": list(requests), "failed": failed, "events": found, "files": files})
    require_all(requests, failed, out)
    return exit_code(arguments, any(document["events"] for document in found.values()))


def policy_of(arguments: argparse.Namespace) -> RetryPolicy:
    """Return what ``--timeout`` and ``--retries`` say."""
    return RetryPolicy(arguments.timeout, 1 if arguments.retries is None else arguments.retries)


def require_all(names: Collection[str], failed: Collection[str], out: Path) -> None:
    """Raise `InputError` if items failed."""
    if failed:
        raise InputError(
            f"{len(failed)} of {len(names)} items failed",
            str(out / "failures.csv"),
            "fix what it says, then rerun the command: finished items are not repeated",
        )


def read_all_events(out: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the events of each series that has been scored; the series with the worst event first."""
    folders = {name: out / ITEMS / name for name in names}
    found = {name: read_events(folder) for name, folder in folders.items() if (folder / EVENTS_JSON).is_file()}
    worst = {name: max((event["score"] for event in found[name]["events"]), default=0.0) for name in found}
    return {name: found[name] for name in sorted(found, key=lambda name: (-worst[name], name))}


class LiveTable:
    """Context manager that shows finished items, throughput and time left; one line per item without a terminal."""

    def __init__(self, console: Console, what: str, names: Collection[str], results: Path) -> None:
        self._console, self._what, self._total = console, what, len(names)
        self._finished_before = len(names) - len(unfinished(names, results))
        self._start, self._ended, self._failed = time.monotonic(), 0, 0
        self._last: list[tuple[str, str | None]] = []
        self._live = Live(self._table(), console=console, refresh_per_second=2) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._finished_before:
            self._console.print(f"{self._finished_before} of {self._total} items are already {self._what}")
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def on_done(self, name: str, error: str | None) -> None:
        """Show that an item ended."""
        self._ended += 1
        self._failed += error is not None
        self._last = [*self._last, (name, error)][-SHOWN:]
        if self._live is not None:
            self._live.update(self._table())
        else:
            self._console.print(f"{self._summary()}  {name}{f': {error}' if error else ''}")

    def _summary(self) -> str:
        done = self._finished_before + self._ended
        hours = max(time.monotonic() - self._start, 1e-9) / 3600
        speed = self._ended / hours
        minutes = 60 * (self._total - done) / speed if speed else 0.0
        return (
            f"{done - self._failed} of {self._total} {self._what}, {self._failed} failed, {speed:.0f} an hour,"
            f" {minutes:.0f} min left"
        )

    def _table(self) -> Table:
        table = Table(title=self._summary(), title_justify="left")
        table.add_column("last items")
        table.add_column("")
        for name, error in self._last:
            table.add_row(name, error or "done")
        return table
