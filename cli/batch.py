"""``ape batch``: many series unattended, with a live table, one summary page and a list of what failed."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ape.cli.commands import console, request_of
from ape.cli.display import Display
from ape.core.errors import InputError
from ape.runs.batch import RESULTS, Care, conclude, mine_items, post_train_together
from ape.runs.manifest import read_manifest
from ape.series.matrix_profile import warm_up

SHOWN = 8  # items that ended last


def batch(arguments: argparse.Namespace) -> None:
    """``ape batch MANIFEST --out DIR``; failed items make the exit code 2, and the same call tries them again."""
    from ape import detectors

    detectors.create(arguments.backbone)  # an unknown name is refused before anything is made
    asked = request_of(arguments, "run" if arguments.enhance else "mine")
    requests = read_manifest(arguments.manifest, asked)
    out = Path(arguments.out)
    warm_up(console.print)  # once, not in every worker
    kept = sum((out / RESULTS / f"{name}.json").is_file() for name in requests)
    care = Care(arguments.timeout, arguments.retries)
    with LiveTable(console, len(requests), kept) as table:
        failed = mine_items(requests, out, arguments.workers, arguments.ray, care, table.told)
    if arguments.enhance:
        with Display(console) as display:
            failed |= post_train_together(out, [name for name in requests if name not in failed], display.progress)
    conclude(out, requests, failed)
    console.print(f"summary: {out / 'index.html'}")
    if failed:
        raise InputError(
            f"{len(failed)} of {len(requests)} items failed",
            str(out / "failures.csv"),
            "fix what it says, then call again: finished items are not repeated",
        )


class LiveTable:
    """Context manager: how many items have ended, throughput, time left; a line an item where there is no terminal."""

    def __init__(self, console: Console, total: int, kept: int) -> None:
        self._console, self._total, self._kept = console, total, kept
        self._began, self._ended, self._failed = time.monotonic(), 0, 0
        self._last: list[tuple[str, str | None]] = []
        self._live = Live(self._table(), console=console, refresh_per_second=2) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._kept:
            self._console.print(f"{self._kept} of {self._total} items are done already")
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def told(self, name: str, error: str | None) -> None:
        """An item has ended."""
        self._ended += 1
        self._failed += error is not None
        self._last = [*self._last, (name, error)][-SHOWN:]
        if self._live is not None:
            self._live.update(self._table())
        else:
            self._console.print(f"{self._counted()}  {name}{f': {error}' if error else ''}")

    def _counted(self) -> str:
        done, left = self._kept + self._ended, self._total - self._kept - self._ended
        hours = max(time.monotonic() - self._began, 1e-9) / 3600
        speed = self._ended / hours
        minutes = 60 * left / speed if speed else 0.0
        return f"{done} of {self._total}, {self._failed} failed, {speed:.0f} an hour, {minutes:.0f} min left"

    def _table(self) -> Table:
        table = Table(title=self._counted(), title_justify="left")
        table.add_column("ended last")
        table.add_column("")
        for name, error in self._last:
            table.add_row(name, error or "done")
        return table
