"""Live progress: a line for each thing an agent does, a bar for each step that counts."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

COLOURS = {
    "planner": "cyan",
    "profiler": "green",
    "visual inspector": "magenta",
    "rule critic": "yellow",
    "discriminability": "blue",
}


class Display:
    """Context manager that prints agents' lines above progress bars."""

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

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def listen(self, agent: str, note: str) -> None:
        """One line of what an agent does."""
        colour = COLOURS.get(agent, "white")
        self._console.print(Text.assemble((f"{agent:>16}", colour), "  ", note))

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """How far a step is; without a terminal, a line at its end."""
        if not self._console.is_terminal:
            if done >= total:
                self._console.print(f"{step:>16}  {done}/{total} {note}")
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(f"{step:>16}", total=total, note=note)
        self._bars.update(self._tasks[step], completed=done, total=total, note=note)
