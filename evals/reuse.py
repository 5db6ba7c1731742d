"""Results that depend only on the training part of a series, for other series with the same training part.

The faults of a scenario of TimeAnomaly-Bench share their training part, so that one training serves all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ape.series import Series

_results: dict[tuple[str, str], tuple[Any, float]] = {}  # of one training part


def once(series: Series, what: str, make: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of ``make`` and the seconds that it took, from memory if this process made it before.

    Parameters
    ----------
    series : Series
        Another training part than that of the last call empties the memory.
    what : str
        Everything else that the result depends on.
    make : callable
    """
    part = series.until(series.train_end or series.length).fingerprint
    if any(known != part for known, _ in _results):
        forget()
    if (part, what) not in _results:
        started = time.perf_counter()
        result = make()
        _results[part, what] = result, time.perf_counter() - started
    return _results[part, what]


def forget() -> None:
    """Empty the memory."""
    _results.clear()
