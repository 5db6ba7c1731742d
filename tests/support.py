"""What tests of several packages need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ape.rules import RuleBank
from ape.runs import Callbacks, Request, Run, execute
from ape.runs.execution import SILENT
from ape.series import Series
from ape.series.series import Gap


def mine_into(
    folder: Path, series: Series, callbacks: Callbacks = SILENT, log: Path | None = None, **options: Any
) -> RuleBank:
    """Mine a series of the test into a run folder, or resume the run there."""
    request = Request("mine", "series of the test", log=None if log is None else str(log))
    run = Run(folder, request, series) if folder.exists() else Run.create(folder, request, series)
    return execute(run, callbacks, **options).bank


def with_gaps(series: Series, *positions: int, missing: int = 1000) -> Series:
    """Return the series with long gaps before these positions."""
    return replace(series, gaps=tuple(Gap(position, missing, float(missing)) for position in positions))
