"""Count the events of a watch over rows that are known: ``python -m ape.evals.live_alarms RUN FILE [EVERY]``.

The rows of a CSV file that follow the training data are scored and their events followed as `ape watch` does. This
prints each event with its delay (rows known when it was opened, from its begin), then how many were opened, how many of
them were withdrawn later, because only provisional scores were high, and how many false alarms the threshold accepts
in as many normal rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

import ape.series
from ape.core.run_files import ENHANCED
from ape.detectors.inputs import required_by
from ape.evals.speed.timing import Table
from ape.monitor import Threshold
from ape.posttrain import load
from ape.watch.describing import Describer
from ape.watch.events import EventTracker
from ape.watch.records import Record
from ape.watch.rows import Rows
from ape.watch.scorer import LiveScorer


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]) / ENHANCED
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    detector, threshold = load(folder), Threshold.load(folder)
    values = ape.series.load(sys.argv[2], required=required_by(detector), scoring=True).exact
    scorer, nothing = LiveScorer(detector, threshold, every), np.zeros(len(values), dtype=bool)
    tracker = EventTracker("live", threshold, Describer(scorer))
    opened: dict[str, int] = {}
    last: dict[str, Record] = {}
    for judged in scorer.add(Rows(values, None, nothing, nothing), last=True):
        for record in tracker.add(judged):
            opened.setdefault(record.id, judged.known)
            last[record.id] = record
    table = Table({"start": ">8", "end": ">8", "delay": ">6", "score": ">7.2f", "state": ">9"})
    for record in last.values():
        table.row(record.start, record.end, opened[record.id] - record.start, record.score, record.state)
    withdrawn = sum(record.state == "withdraw" for record in last.values())
    promised = len(values) / 10**threshold.level
    counts = f"{len(last)} opened, {withdrawn} of them withdrawn; promised {promised:.1f}"
    sys.stdout.write(f"{len(values)} rows: {counts}\n")


if __name__ == "__main__":
    main()
