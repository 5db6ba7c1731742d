"""What commands print: lines and tables for people, or one JSON document for programs."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ape.core.escapes import escaped

if TYPE_CHECKING:
    from ape.series import Series

PIPED_WIDTH = 200  # columns of trees without a terminal
TABLE_WIDTH = 80  # columns of tables without a terminal
SPACE = "  "  # between columns of a table
NARROW = 12  # least width of the last column of a table


class SafeConsole(Console):
    """A console that writes only the escape sequences that it makes itself."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render text with escaped control characters."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)


console = SafeConsole(highlight=False, soft_wrap=True, markup=False)
_consoles = [console]
_json = False


def wrapping_console() -> Console:
    """Return a console that wraps its output, for trees and running text."""
    wrapping = SafeConsole(highlight=False, markup=False)
    if not wrapping.is_terminal:
        wrapping.width = PIPED_WIDTH
    _consoles.append(wrapping)
    return wrapping


def set_output(*, json: bool, quiet: bool) -> None:
    """Say where output goes: with ``json``, lines for people go to stderr; with ``quiet``, nowhere."""
    global _json
    _json = json
    for each in _consoles:
        each.stderr, each.quiet = json, quiet


def print_document(document: Any) -> None:
    """Print the result of a command as JSON on stdout if ``--json`` asks for it. NaN and infinity become null."""
    if _json:
        sys.stdout.write(json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()


def print_lines(lines: Iterable[str], indent: int, style: str = "") -> None:
    """Print lines; long ones are broken between words, and what follows is indented."""
    for line in lines:
        for part in wrapped(line, max(table_width(), 2 * indent), indent):
            console.print(part, style=style)


def wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Break a line between words, never inside them, and indent what follows."""
    breaks = textwrap.TextWrapper(
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return breaks.wrap(text) or [""]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str] = ()) -> None:
    """Print a table without lines. Only the last column wraps, between words, so that it stays readable in a pipe.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str
    below : sequence of str
        A sentence for each row, printed below it.
    """
    from ape.series.reading.report import printable

    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in list(zip(header, *rows, strict=True))[:-1]]
    indent = sum(widths) + len(SPACE) * len(widths)
    for number, row in enumerate([header, *rows]):
        first = "".join(cell.ljust(width) + SPACE for cell, width in zip(row, widths, strict=False))
        for line in wrapped(first + row[-1], max(table_width(), indent + NARROW), indent):
            console.print(Text(line, style="" if number else "bold"))
        if number and below:
            print_lines([SPACE + printable(below[number - 1])], len(SPACE))


def table_width() -> int:
    """Return the width of tables: that of the terminal, or of the variable COLUMNS, or 80."""
    asked = os.environ.get("COLUMNS", "")
    return console.width if console.is_terminal or asked.isdecimal() else TABLE_WIDTH


def print_reading(series: Series, *, scoring: bool = False) -> None:
    """Print how a series was read, one line for each topic; a terminal breaks long ones."""
    from ape.series.reading.report import reading_lines

    lines = reading_lines(series, scoring=scoring)
    if console.is_terminal:
        print_lines(lines, 4)
    else:
        console.print("\n".join(lines))


def _plain(value: Any) -> Any:
    """Return a value that JSON can express."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
