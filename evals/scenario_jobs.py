"""Run the jobs of an evaluation that has its own command, and gather their rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ape.core.errors import InputError
from ape.runs.jobs import FAILURES, map_jobs, show_progress


def rows_of_jobs(
    name: str, jobs: Sequence[str], measure: Callable[[str], dict[str, Any]], out: Path, workers: int
) -> pd.DataFrame | None:
    """Run the jobs that have no file yet, and return the ``rows`` of all.

    Returns
    -------
    DataFrame or None
        None if a job failed; standard error then has a line that begins with ``name``.
    """
    results = map_jobs(jobs, measure, out, workers, None, show_progress(len(jobs)))
    if failed := len(jobs) - len(results):
        what = f"{failed} of {len(jobs)} jobs failed"
        error = InputError(what, str(out / FAILURES), "fix the errors in this file and rerun")
        sys.stderr.write(f"{name}: {error}\n")
        return None
    return pd.DataFrame([row for result in results.values() for row in result["rows"]])
