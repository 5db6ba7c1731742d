"""Run the jobs of an evaluation that has its own command, and gather their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ape.core.errors import InputError
from ape.core.validation import validated
from ape.runs.jobs import FAILURES, map_jobs, show_progress


@dataclass(frozen=True)
class Result:
    """What a job returns."""

    rows: list[dict[str, str | float | None]]


def rows_of_jobs(
    jobs: Sequence[str], measure: Callable[[str], dict[str, Any]], out: Path, workers: int
) -> pd.DataFrame:
    """Run the jobs that have no file yet, and return the ``rows`` of all.

    Raises
    ------
    InputError
        A job failed, or a file is not the result of one.
    """
    results = map_jobs(jobs, measure, out, workers, None, show_progress(len(jobs)))
    if failed := len(jobs) - len(results):
        what = f"{failed} of {len(jobs)} jobs failed"
        raise InputError(what, str(out / FAILURES), "fix the errors in this file and rerun")
    for job, result in results.items():
        validated(Result, result, "not a result", out / f"{job}.json", "delete the file and rerun")
    return pd.DataFrame([row for result in results.values() for row in result["rows"]])
