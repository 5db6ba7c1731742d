"""Time a watch without its input: ``python -m ape.evals.speed.watching RUN FILE [ROWS]``.

The rows of a CSV file, repeated, are scored and their events followed as `ape watch` does. For each number of rows
between evaluations, this prints the milliseconds of an evaluation, the rows a second, the most memory so far, and the
time to restore the state. Times are those of the processor, so that other programs on the machine count little.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

import ape.series
from ape.core.run_files import DETECTOR, ENHANCED
from ape.detectors.inputs import required_by
from ape.evals.speed.timing import Table
from ape.monitor import Threshold
from ape.posttrain import load
from ape.watch.describing import Describer
from ape.watch.events import EventTracker
from ape.watch.rows import Rows
from ape.watch.scorer import LiveScorer

EVERY = (1, 16, 64)
EVALUATIONS = 40  # at least, after those until the first window is full


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    folder, file = Path(sys.argv[1]), sys.argv[2]
    fewest = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    table = Table({
        "detector": "<9", "every": ">6", "rows": ">7", "ms": ">8.1f", "rows/s": ">7.0f",
        "MB": ">6.0f", "restore s": ">9.2f", "records": ">8",
    })  # fmt: skip
    for name in (DETECTOR, ENHANCED):
        detector, threshold = load(folder / name), Threshold.load(folder / name)
        values = ape.series.load(file, required=required_by(detector)).exact
        for every in EVERY:
            scorer = LiveScorer(detector, threshold, every)
            tracker = EventTracker("timed", threshold, Describer(scorer))
            warm = 2 * scorer.latency // every * every
            count = warm + max(EVALUATIONS * every, fewest)
            rows = np.resize(values, (count, values.shape[1]))
            _follow(scorer, tracker, rows[:warm])
            begin = time.process_time()
            records = _follow(scorer, tracker, rows[warm:])
            seconds = time.process_time() - begin
            begin = time.process_time()
            LiveScorer(detector, threshold, every, scorer.state())
            restored = time.process_time() - begin
            evaluations = (count - warm) // every
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            table.row(
                name, every, count - warm, 1e3 * seconds / evaluations, (count - warm) / seconds,
                megabytes, restored, records,
            )  # fmt: skip


def _follow(scorer: LiveScorer, tracker: EventTracker, values: np.ndarray) -> int:
    """Score rows and follow their events; return how many records there are."""
    nothing = np.zeros(len(values), dtype=bool)
    return sum(len(tracker.add(each)) for each in scorer.add(Rows(values, None, nothing, nothing)))


if __name__ == "__main__":
    main()
