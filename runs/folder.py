"""Run folders: they appear by one rename with ``run.json`` already in them, and belong to one series."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ape.core.errors import InputError
from ape.core.files import atomic_folder, is_free, read_json, write_json
from ape.series import Series, load

RECORD = "run.json"
PACKAGES = ("ape-tsad", "numpy", "torch", "langgraph", "stumpy", "statsmodels")


@dataclass(frozen=True)
class Request:
    """What was asked for: the arguments that a resumed run needs again."""

    command: str
    data: str
    column: tuple[str, ...] = ()
    train_end: int | None = None
    text: str | None = None
    backbone: str = "vae"
    seed: int = 0
    brain: str = "embedded"
    model: str | None = None
    image: tuple[str, ...] = ()
    log: str | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    def load(self) -> Series:
        """Load the series that was asked for."""
        return load(self.data, column=self.column or None, train_end=self.train_end, text=self.text)


def create_folder(out: Path, request: Request, series: Series) -> Path:
    """Make the run folder ``out``; refuse one that is taken."""
    if not is_free(out):
        raise _taken(out, series)
    record = {
        "format": 1,
        "arguments": {
            **asdict(request),
            "data": _absolute(request.data),
            "image": [_absolute(image) for image in request.image],
            "log": None if request.log is None else _absolute(request.log),
        },
        "fingerprint": series.fingerprint,
        "versions": versions(),
        "notes": list(series.notes),
        "seed": request.seed,
        "finished": False,
        "timings": {},
    }
    with atomic_folder(out, RECORD) as temporary:
        write_json(temporary / RECORD, record)
    return out


def read_request(folder: Path) -> Request:
    """What was asked for in a run folder."""
    try:
        return TypeAdapter(Request).validate_python(_record(folder)["arguments"])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, ("arguments", *first["loc"])))
        raise InputError(
            f"not a run record: {first['msg']}", f"{folder / RECORD}, field {field}", "start a new run"
        ) from error


def open_folder(folder: Path) -> tuple[Request, Series]:
    """Request and series of an existing run folder; the series must be the one that the folder belongs to."""
    request, fingerprint = read_request(folder), _record(folder)["fingerprint"]
    series = request.load()
    if series.fingerprint != fingerprint:
        raise InputError(
            "the run folder belongs to another series",
            str(folder),
            f"put back the {request.data} that it was made from",
        )
    return request, series


def _record(folder: Path) -> dict[str, Any]:
    """``run.json``, with what no run can do without."""
    record = read_json(folder / RECORD, "run record")
    if not isinstance(record, dict):
        raise InputError("not a run record: no object", str(folder / RECORD), "start a new run")
    for name in ("arguments", "fingerprint"):
        if name not in record:
            raise InputError(f"not a run record: '{name}'", str(folder / RECORD), "start a new run")
    return record


def update_record(folder: Path, **changes: Any) -> None:
    """Change entries of ``run.json``; timings are merged, so that a resumed run keeps what it knew."""
    record = read_json(folder / RECORD, "run record")
    timings = {**record.get("timings", {}), **changes.pop("timings", {})}
    write_json(folder / RECORD, {**record, **changes, "timings": timings})


def _taken(out: Path, series: Series) -> InputError:
    if not (out / RECORD).is_file():
        return InputError("the folder is not empty", str(out), "choose another --out")
    record = read_json(out / RECORD, "run record")
    if record.get("fingerprint") != series.fingerprint:
        return InputError("the run folder belongs to another series", str(out), "choose another --out")
    return InputError("the folder holds a run already", str(out), f"go on with --resume {out}, or choose another --out")


def _absolute(data: str) -> str:
    return data if data.startswith("example:") else str(Path(data).resolve())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results hang on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
