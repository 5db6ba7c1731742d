"""Run folders: each belongs to one series, and appears by one rename with ``run.json`` already in it."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from ape.agents.brain import without_login
from ape.core.alert_rates import AlertRate
from ape.core.checksums import keep_checksums
from ape.core.errors import InputError
from ape.core.files import atomic_folder, is_free, read_json, write_json
from ape.core.run_files import RECORD
from ape.core.validation import validated
from ape.monitor.threshold import level_for
from ape.runs.packing import unpack
from ape.runs.postgres import new_thread
from ape.series import ReadOptions, Series, load
from ape.series.reading.report import reading_block

FORMAT = 2
THREAD = "thread"  # in the record: name of the checkpoints in PostgreSQL
PACKAGES = ("ape-tsad", "numpy", "torch", "langgraph", "stumpy", "statsmodels")


@dataclass(frozen=True)
class Request:
    """The arguments of a run, which a resumed run needs again.

    ``text_file`` is the name of the file that ``text`` was read from, for people. ``alerts`` is the accepted rate of
    false alarms; None stands for the default of `ape.monitor.threshold_for`.
    """

    command: str
    data: str
    column: tuple[str, ...] = ()
    train_end: int | str | None = None
    text: str | None = None
    backbone: str = "vae"
    seed: int = 0
    brain: str = "embedded"
    model: str | None = None
    image: tuple[str, ...] = ()
    log: str | None = None
    approve: bool = False
    reading: ReadOptions = field(default_factory=ReadOptions)
    text_file: str | None = None
    alerts: AlertRate | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        object.__setattr__(self, "brain", without_login(self.brain))

    def load(self) -> Series:
        """Load the series."""
        return load(
            self.data, column=self.column or None, train_end=self.train_end, text=self.text, options=self.reading
        )


@dataclass(frozen=True)
class Run:
    """A run folder with its request and its series."""

    folder: Path
    request: Request
    series: Series

    @classmethod
    def create(cls, folder: Path, request: Request, series: Series) -> Run:
        """Make the run folder; one that holds something already, or a rate that the series cannot have, is refused."""
        if request.alerts is not None:
            level_for(request.alerts, series.step, len(series.train))
        if not is_free(folder):
            raise _folder_is_taken(folder, series)
        record = {
            "format": FORMAT,
            "arguments": {
                **asdict(request),
                "data": _absolute(request.data),
                "image": [_absolute(image) for image in request.image],
                "log": None if request.log is None else _absolute(request.log),
            },
            "fingerprint": series.fingerprint,
            "versions": versions(),
            "notes": list(series.notes),
            "reading": reading_block(series),
            "seed": request.seed,
            "finished": False,
            "timings": {},
        }
        if (thread := new_thread()) is not None:
            record[THREAD] = thread
        with atomic_folder(folder, RECORD) as temporary:
            keep_checksums(temporary)
            write_json(temporary / RECORD, record)
        return cls(folder, request, series)

    @classmethod
    def open(cls, folder: Path, *, pictures: bool = True) -> Run:
        """Open an existing run folder; its data file must still hold the series that the run was made for.

        Without ``pictures``, those of a packed folder stay packed.
        """
        unpack(folder, pictures=pictures)
        request, fingerprint = read_request(folder), read_record(folder)["fingerprint"]
        series = request.load()
        if series.fingerprint != fingerprint:
            raise InputError(
                "the run folder belongs to another series", str(folder), f"restore the original {request.data}"
            )
        return cls(folder, request, series)


def read_request(folder: Path) -> Request:
    """Read the request of a run folder."""
    obj, path = read_record(folder)["arguments"], folder / RECORD
    return validated(Request, obj, "not a run record", path, "start a new run", inside="arguments")


def thread_of(folder: Path) -> str | None:
    """Return the name of a run's checkpoints in PostgreSQL; None if they are in the folder."""
    thread = read_record(folder).get(THREAD)
    return None if thread is None else str(thread)


def require_current_format(folder: Path) -> None:
    """Refuse to execute a run whose checkpoints an earlier version wrote."""
    if read_record(folder).get("format") != FORMAT:
        raise InputError("an earlier version of APE made this run", str(folder), "start a new run")


def update_record(folder: Path, **changes: Any) -> None:
    """Change entries of ``run.json``; timings are merged, so that a resumed run keeps those of finished steps."""
    record = read_record(folder)
    timings = {**record.get("timings", {}), **changes.pop("timings", {})}
    write_json(folder / RECORD, {**record, **changes, "timings": timings})


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``run.json``.

    Raises
    ------
    InputError
        It is missing, corrupt, or was changed.
    """
    path = folder / RECORD
    return dict(validated(_Record, read_json(path, "run record"), "not a run record", path, "start a new run"))


@with_config(extra="allow")
class _Record(TypedDict):
    """What a run record has; the first versions did not write all of it."""

    arguments: dict[str, Any]
    fingerprint: str
    notes: NotRequired[list[str]]
    reading: NotRequired[dict[str, Any]]
    timings: NotRequired[dict[str, float]]


def _folder_is_taken(folder: Path, series: Series) -> InputError:
    if not (folder / RECORD).is_file():
        return InputError("the folder is not empty", str(folder), "choose another --out")
    record = read_record(folder)
    if record.get("fingerprint") != series.fingerprint:
        return InputError("the run folder belongs to another series", str(folder), "choose another --out")
    return InputError(
        "the folder already contains a run", str(folder), f"resume it with --resume {folder}, or choose another --out"
    )


def _absolute(data: str) -> str:
    return data if data.startswith("example:") else str(Path(data).resolve())


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
