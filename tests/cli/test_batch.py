"""The progress lines of ``ape batch``."""

from __future__ import annotations

import io

from rich.console import Console

from ape.cli.batch import LiveTable


def test_failed_items_are_not_counted_as_mined(tmp_path):
    screen = io.StringIO()
    with LiveTable(Console(file=screen), "mined", ["a", "b", "c"], tmp_path) as table:
        table.on_done("a", None)
        table.on_done("b", "no column of numbers")
    first, second = screen.getvalue().splitlines()[:2]
    assert first.startswith("1 of 3 mined, 0 failed") and second.startswith("1 of 3 mined, 1 failed")
