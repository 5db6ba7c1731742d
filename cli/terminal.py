"""The consoles that commands print to, and how a series was read as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

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


def print_lines(lines: Iterable[str], indent: int) -> None:
    """Print lines; a terminal breaks long ones between words, and indents what follows."""
    for line in lines:
        parts = [line]
        if console.is_terminal:
            width = max(console.width, 2 * indent)
            parts = textwrap.wrap(line, width, subsequent_indent=" " * indent, replace_whitespace=False)
        for part in parts:
            console.print(part)


def print_reading(series: Series, *, scoring: bool = False) -> None:
    """Print how a series was read."""
    print_lines(reading_lines(series, scoring=scoring), 4)
