"""What a report needs of a measured cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, model_validator

from ape.core.validation import validated


class Row(BaseModel, extra="allow"):
    """Metrics of a system; what is undefined is None or left out."""

    __pydantic_extra__: dict[str, float | None]
    system: str
    kept: str | None
    ap: float | None
    vus: float | None


class About(BaseModel, extra="allow"):
    """The series of a cell and its setting."""

    set: str
    series: str
    part: str | None
    recording: str
    family: str
    seed: int


class Hardware(BaseModel, extra="allow"):
    """The machine."""

    machine: str
    gpu: str


class Cell(BaseModel):
    """What `ape.evals.cells.measure_cell` returns."""

    rows: list[Row] = Field(min_length=1)
    seconds: dict[str, float]
    about: About
    hardware: Hardware
    versions: dict[str, str]

    @model_validator(mode="after")
    def _complete(self) -> Cell:
        if missing := [row.system for row in self.rows if row.system not in self.seconds]:
            raise ValueError(f"no seconds of '{missing[0]}'")
        if "ape-tsad" not in self.versions:
            raise ValueError("no version of ape-tsad")
        return self


def checked_cell(obj: Any, path: Path) -> dict[str, Any]:
    """Return the content of the file ``path`` as a cell, which is plain data.

    Raises
    ------
    InputError
        It is not a cell.
    """
    validated(Cell, obj, "not a cell of an experiment", path, "delete the file and rerun the experiment")
    return dict(obj)
