"""Read ``posttrain.json``, the report of post-training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from ape.core.files import read_json
from ape.core.run_files import remedy
from ape.core.validation import validated


@with_config(extra="allow")
class _Kind(TypedDict):
    """What was measured on anomalies of one kind."""

    average_precision: dict[str, float]


@with_config(extra="allow")
class _Acceptance(TypedDict, total=False):
    bank: _Kind
    foreign: _Kind


@with_config(extra="allow")
class _Report(TypedDict):
    """The part of the report that is read again."""

    accepted: bool
    kept: str
    reason: str
    acceptance: NotRequired[_Acceptance]


def read_report(path: Path) -> dict[str, Any]:
    """Read a report of post-training.

    Raises
    ------
    InputError
        It is missing, or corrupt.
    """
    obj, hint = read_json(path, "post-training report"), remedy(path, "enhance the detector again")
    return dict(validated(_Report, obj, "not a post-training report", path, hint))
