"""Read the entries of the decision ledger of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from ape.core.checksums import require_unchanged
from ape.core.run_files import LEDGER
from ape.core.validation import validated
from ape.runs.ledger import Ledger


@with_config(extra="allow")
class _Entry(TypedDict):
    agent: str
    decision: str
    rule: str | None
    iteration: int
    rationale: str
    evidence: list[str]
    figures: dict[str, float]
    checkpoint: str | None


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """Return all entries, in order.

    Raises
    ------
    InputError
        The ledger is damaged, or was changed.
    """
    path = folder / LEDGER
    require_unchanged(path)
    entries = validated(list[_Entry], list(Ledger(path)), "not a ledger", path, "start a new run")
    return [dict(entry) for entry in entries]
