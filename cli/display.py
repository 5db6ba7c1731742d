"""Live progress: one line per action of an agent, one bar per long step."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

LOG_INTERVAL = 10.0  # seconds between two lines without a terminal
COLOURS = {
    "planner": "cyan",
    "profiler": "green",
    "visual inspector": "magenta",
    "rule critic": "yellow",
    "discriminability": "blue",
}


class Display:
    """Context manager that prints actions of agents above progress bars."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._first: dict[str, tuple[float, int]] = {}  # time and progress of the first report of each step
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def listen(self, agent: str, note: str) -> None:
        """Print one action of an agent."""
        colour = COLOURS.get(agent, "white")
        self._console.print(Text.assemble((f"{agent:>16}", colour), "  ", note))

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """Update the bar of a step; without a terminal, print a line from time to time and at the end."""
        if not self._console.is_terminal:
            self._log(step, done, total, note)
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(f"{step:>16}", total=total, note=note)
        self._bars.update(self._tasks[step], completed=done, total=total, note=note)

    def _log(self, step: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        start, first = self._first.setdefault(step, (now, done))
        if done < total and now - self._last_line < LOG_INTERVAL:
            return
        self._last_line = now
        left = (now - start) / (done - first) * (total - done) if first < done < total else 0.0
        words = [note] if note else []
        words += [f"{left:.0f} s left at most"] if left else []
        self._console.print(f"{step:>16}  {done}/{total}  {', '.join(words)}".rstrip())
