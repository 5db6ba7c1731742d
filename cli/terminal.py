"""The consoles that commands print to, and how a series was read as lines of text."""

from __future__ import annotations

from rich.console import Console

from ape.series import Series
from ape.series.reading.report import reading_lines

PIPED_WIDTH = 200  # columns of wrapped text without a terminal

console = Console(highlight=False, soft_wrap=True, markup=False)


def wrapping_console() -> Console:
    """Return a console that wraps its output, for trees and running text."""
    wrapping = Console(highlight=False, markup=False)
    if not wrapping.is_terminal:
        wrapping.width = PIPED_WIDTH
    return wrapping


def print_reading(series: Series, *, scoring: bool = False) -> None:
    """Print how a series was read; without a terminal, each topic is one line."""
    for line in reading_lines(series, scoring=scoring, width=console.width if console.is_terminal else None):
        console.print(line)
