"""What tests of several packages need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ape.rules import RuleBank
from ape.runs import Callbacks, Request, Run, execute
from ape.runs.execution import SILENT
from ape.series import Series


def mine_into(
    folder: Path, series: Series, callbacks: Callbacks = SILENT, log: Path | None = None, **options: Any
) -> RuleBank:
    """Mine a series of the test into a run folder, or resume the run there."""
    request = Request("mine", "series of the test", log=None if log is None else str(log))
    run = Run(folder, request, series) if folder.exists() else Run.create(folder, request, series)
    return execute(run, callbacks, **options).bank
