"""Figures for Prometheus, on this machine only unless something else is asked for."""

from __future__ import annotations

import urllib.request

import pytest

from ape.core.errors import InputError
from ape.watch.metrics import Metrics


def test_figures_are_served_on_loopback():
    metrics = Metrics(threshold=4.5)
    metrics.rows.inc(7)
    metrics.score.set(2.5)
    metrics.notes.labels("late").inc()
    port = metrics.serve("0")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    for line in ("ape_watch_rows_total 7.0", "ape_watch_score 2.5", 'ape_watch_notes_total{kind="late"} 1.0'):
        assert line in lines
    helped = [line for line in lines if line.startswith(("# HELP ape_watch_score", "# HELP ape_watch_threshold"))]
    assert len(helped) == 2 and all("is no alarm" in line and "open_events" in line for line in helped)
    assert "ape_watch_threshold 4.5" in lines and not any(line.startswith("python_info") for line in lines)


def test_a_port_in_use_is_one_line():
    port = Metrics(1.0).serve("0")
    with pytest.raises(InputError, match="cannot serve metrics"):
        Metrics(1.0).serve(str(port))


@pytest.mark.parametrize("address", ["", "nine", "70000", "127.0.0.1:"])
def test_what_is_no_port_is_refused(address):
    with pytest.raises(InputError, match="not a port"):
        Metrics(1.0).serve(address)
