"""Progress without a terminal: a line from time to time, with the time left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ape.cli import display


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def test_lines_are_printed_at_intervals_and_at_the_end(clock):
    out = io.StringIO()
    with display.Display(Console(file=out, width=120)) as bars:
        for done in (0, 10, 20, 30, 100):
            bars.progress("training", done, 100, f"error {done}")
            clock[0] += 6
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert [line[1] for line in lines] == ["20/100", "100/100"]
    assert " ".join(lines[0]) == "training 20/100 error 20, 48 s left at most"  # 12 s for 20
    assert "left" not in " ".join(lines[1])


def test_resumed_step_is_timed_from_its_first_report(clock):
    out = io.StringIO()
    with display.Display(Console(file=out, width=120)) as bars:
        bars.progress("training", 80, 100)
        clock[0] += 20
        bars.progress("training", 90, 100)
    assert "20 s left at most" in out.getvalue()
