"""Time calls that take turns, and print tables."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping

import torch

MAX_RUNS = 15
ENOUGH = 20.0  # seconds of all calls together, after which no further round starts


def seconds(call: Callable[[], object], device: str = "cpu") -> float:
    """Return the wall-clock time of one call, including work that it leaves on the GPU."""
    started = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def seconds_in_turns(
    calls: Mapping[str, Callable[[], object]], device: str = "cpu", max_runs: int = MAX_RUNS, enough: float = ENOUGH
) -> dict[str, list[float]]:
    """Run all calls in turns, and return the seconds of each run.

    The calls run once first, untimed, because the first run also loads code. The order is reversed in every other
    round, so that slow drifts of the machine affect all calls alike.

    Parameters
    ----------
    calls : mapping of str to callable
    device : str
        ``cuda`` waits for the GPU after each call.
    max_runs : int
        Timed runs of each call at most; at least one is made.
    enough : float
        Seconds of all timed runs together, after which no further round starts.
    """
    for call in calls.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(max_runs):
        for name in list(calls) if run % 2 == 0 else reversed(list(calls)):
            taken[name].append(seconds(calls[name], device))
        if sum(map(sum, taken.values())) > enough:
            break
    return taken


def medians_in_turns(
    calls: Mapping[str, Callable[[], object]], device: str = "cpu", max_runs: int = MAX_RUNS, enough: float = ENOUGH
) -> dict[str, float]:
    """Return the median seconds of each call; parameters are those of `seconds_in_turns`."""
    return {name: statistics.median(runs) for name, runs in seconds_in_turns(calls, device, max_runs, enough).items()}


class Table:
    """Table on standard output, written line by line.

    Parameters
    ----------
    columns : dict of str
        Format of each column by its title, such as ``<12`` for text or ``>9.2f`` for numbers.
    """

    def __init__(self, columns: dict[str, str]) -> None:
        self._formats = list(columns.values())
        self._write(f"{title:{spec.partition('.')[0]}}" for title, spec in columns.items())

    def row(self, *values: object) -> None:
        """Write one line."""
        self._write(f"{value:{spec}}" for value, spec in zip(values, self._formats, strict=True))

    @staticmethod
    def _write(cells: Iterable[str]) -> None:
        sys.stdout.write(" ".join(cells) + "\n")
        sys.stdout.flush()
