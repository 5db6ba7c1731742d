"""The shape of the state that a watch stores. What is damaged is refused before any part goes on with it.

Each part is checked for itself, then all together, since all of them count the same rows. A wrong value that fits is
not found.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ape.core.errors import InputError
from ape.detectors import Detector
from ape.detectors.inputs import required_by
from ape.posttrain.detector import EnhancedDetector
from ape.series import Requirements
from ape.watch.drift import SHOWN
from ape.watch.formats import MOST_LINES, Format, Known
from ape.watch.order import RECENT, STEPS
from ape.watch.records import Time as Text
from ape.watch.records import adapter, record_of
from ape.watch.scorer import FORMAT
from ape.watch.stamps import HOUR, in_local_zone, read_stamps
from ape.watch.store import Store, damaged

SCORER = "scorer"  # key of its state in the store; those of the others are in STATES
LONGEST = 2**62  # nanoseconds that may be between the times of rows and the time that runs on
ZONES = 26 * HOUR  # between two clocks of the world


Fields = dict[str, Any]


def _exactly(kind: type) -> AfterValidator:
    """Return a check that data are the fields of a dataclass: all of them, and no other."""

    def check(value: Any) -> Any:
        found = adapter(kind).validate_json(json.dumps(value), strict=True)
        if json.loads(json.dumps(asdict(found))) != value:
            msg = f"not the fields of a {kind.__name__}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _record(value: Fields) -> Fields:
    record_of(json.dumps(value))
    return value


Count = Annotated[int, Field(ge=0, lt=2**63)]
Time = Annotated[int, Field(gt=-(2**63), lt=2**63)]
Print = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Prints = Annotated[list[Print], Field(min_length=2, max_length=2)]
Cells = list[float | Literal["nan", "inf", "-inf"]]


@dataclass(frozen=True)
class _Rows:
    """What the scorer knows of the rows, with which the other parts have to agree.

    Parameters
    ----------
    required : Requirements
        Of the detector.
    channels : int
    known, final : int
        Rows that are scored, and those with final scores.
    newest : int or None
        Time of the newest row, nanoseconds on the clock of the data.
    """

    required: Requirements
    channels: int
    known: int
    final: int
    newest: int | None


class _Part(BaseModel):
    """The state of a part: all fields, no others, and each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    def check(self, rows: _Rows) -> None:
        """Raise a `ValueError` if fields do not agree with one another, or with the scorer."""


class _File(_Part):
    kind: Literal["file"]
    inode: Time | None
    offset: Count
    prints: Prints | None
    skipping: bool

    def check(self, rows: _Rows) -> None:
        _require((self.prints is None) == (self.offset == 0), "offset and prints do not agree")


class _StandardInput(_Part):
    kind: Literal["stdin"]
    offset: Count
    prints: Prints | None
    skipping: bool


class _Pipe(_Part):
    kind: Literal["pipe", "http"]


class _Folder(_Part):
    kind: Literal["folder"]
    done: list[Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]]
    name: Annotated[str, Field(pattern=r"^[^/\x00]+$")] | None
    file: _File | None

    def check(self, rows: _Rows) -> None:
        _require((self.name is None) == (self.file is None), "name and file do not agree")
        if self.file is not None:
            self.file.check(rows)


class _Source(_Part):
    part: Annotated[_File | _StandardInput | _Pipe | _Folder, Field(discriminator="kind")]

    def check(self, rows: _Rows) -> None:
        self.part.check(rows)


class _Parser(_Part):
    known: Annotated[Fields, _exactly(Known)]
    format: Annotated[Fields, _exactly(Format)] | None
    rows: Count
    pending: Annotated[list[str], Field(max_length=MOST_LINES)]
    begins: bool
    started: bool
    names: list[str]
    lost: list[str]
    units: dict[str, str]
    last: Time | None

    def check(self, rows: _Rows) -> None:
        known, names = adapter(Known).validate_python(self.known), rows.required.channels
        _require(bool(known.names) or known == Known(), "known: no names")
        agree = bool(self.names) if self.started else self.names == [*known.names]
        _require(agree, "started and names do not agree")
        if self.format is None:
            _require(bool(self.pending) or self.begins or not self.started, "no format")
            return
        _require(self.started, "a format before the start")
        form = adapter(Format).validate_python(self.format)
        times = () if form.times is None else form.times.columns
        used = {*times, *form.keys, *(name for name in form.channels if name is not None)}
        _require(len(form.channels) == rows.channels, "format: another number of channels")
        _require(not (form.json and form.places), "format: JSON without columns")
        if not form.json:
            lost = [name for name, column in zip(names, form.channels, strict=False) if column is None]
            _require(self.lost == lost, "format and lost do not agree")
            places = form.places
            _require(form.separator is not None or form.split_first or form.width == 1, "format: no separator")
            _require(used <= set(places), "format: columns without a place")
            _require(all(0 <= place < form.width for place in places.values()), "format: places outside of the row")
        _require(form.times is not None or not known.times or not known.ordered, "format: no times")
        if form.times is not None:
            _require(len(times) == len(form.times.cells) > 0, "format: times without columns")
            try:
                stamps, good, _ = read_stamps(dict(zip(times, form.times.cells, strict=True)), form.times)
                if form.times.zone is not None:
                    in_local_zone(stamps, form.times.zone, self.last, 0)
            except (ValueError, KeyError, IndexError, TypeError, ArithmeticError, OSError) as error:
                msg = "format: times that cannot be read"
                raise ValueError(msg) from error
            _require(bool(good.any()), "format: times that cannot be read")


class _Order(_Part):
    newest: Time | None
    clock: Time | None
    shift: Annotated[int, Field(gt=-LONGEST, lt=LONGEST)]
    hours: Count
    behind: Count
    held: list[tuple[Time, Time | None, Count, Cells]]
    recent: Annotated[list[tuple[Time, Annotated[int, Field(ge=0, lt=2**32)]]], Field(max_length=RECENT)]
    steps: Annotated[list[Annotated[int, Field(gt=0, lt=2**63)]], Field(max_length=STEPS[1])]
    counted: Cells | None

    def check(self, rows: _Rows) -> None:
        channels, counters = rows.channels, len(set(rows.required.counters) & set(rows.required.channels))
        _require(all(len(each[3]) == channels for each in self.held), "held: another number of channels")
        _require(self.counted is None or len(self.counted) == counters > 0, "counted: another number of channels")
        _require(self.newest is not None or (self.clock is None and not self.held and not self.recent), "newest: none")
        _require((self.newest is None) == (not self.recent), "newest and recent do not agree")
        stamps = [stamp for stamp, _ in self.recent]
        _require(all(a < b for a, b in pairwise(stamps)), "recent: not in order")
        _require(not stamps or stamps[-1] == self.newest, "newest and recent do not agree")
        if rows.newest is not None:
            _require(self.clock == rows.newest, "clock: another time than that of the newest row")
            assert self.clock is not None and self.newest is not None
            _require(abs(self.newest - self.shift - self.clock) <= ZONES, "newest, shift and clock do not agree")


class _Tracked(_Part):
    alarm: Count
    begin: Count
    end: Count
    length: Annotated[int, Field(gt=0, lt=2**63)]
    score: Annotated[float, Field(gt=0)]
    reported: Annotated[Fields, AfterValidator(_record)] | None


class _Tracker(_Part):
    base: Count
    scores: str
    missing: str
    cuts: list[Count]
    tracked: list[_Tracked]
    closed: list[tuple[Count, Count]]

    def check(self, rows: _Rows) -> None:
        scores, missing = _unpacked(self.scores, np.float32), _unpacked(self.missing, np.uint8)
        _require(len(missing) == (len(scores) + 7) // 8, "scores and missing do not agree")
        _require(self.base + len(scores) == rows.final, "another number of rows than the scorer has")
        _require(all(cut <= rows.known for cut in self.cuts), "cuts: rows that never came")
        spans = [(each.begin, each.end) for each in self.tracked] + self.closed
        _require(all(begin < end <= rows.known for begin, end in spans), "events: rows that never came")


class _Drift(_Part):
    reported: bool
    rows: str
    blocks: str
    times: list[Text | None]

    def check(self, rows: _Rows) -> None:
        channels = rows.channels
        pending = len(_unpacked(self.rows, np.float64))
        _require(pending % (1 + channels) == 0, "rows: another number of channels")
        blocks = _unpacked(self.blocks, np.float64)
        _require(len(blocks) % (2 + 4 * channels) == 0, "blocks: another number of channels")
        _require(bool(np.isfinite(blocks).all()), "blocks: no numbers")
        count = len(blocks) // (2 + 4 * channels)
        _require(count <= SHOWN and len(self.times) == count + (pending > 0), "rows, blocks and times do not agree")


STATES: dict[str, type[_Part]] = {
    "source": _Source,
    "parser": _Parser,
    "order": _Order,
    "tracker": _Tracker,
    "drift": _Drift,
}


def stored_states(store: Store, detector: Detector | EnhancedDetector, *, drift: bool = True) -> dict[str, Any]:
    """Return the states of the parts of a watch from its store, by name; None for all of them at the first start.

    Parameters
    ----------
    store : Store
    detector : Detector or EnhancedDetector
        That scores the rows.
    drift : bool
        Whether the watch looks for drifts.

    Raises
    ------
    InputError
        The state is damaged.
    """
    names = [name for name in STATES if drift or name != "drift"]
    stored = {name: store.get(name) for name in (*names, SCORER)}
    lacking = [name for name, state in stored.items() if state is None]
    if len(lacking) == len(stored) and not store.count_events():
        return dict.fromkeys(STATES)
    if lacking:
        raise damaged(store.path, f"'{lacking[0]}' is missing")
    name = SCORER
    try:
        counted = _counted(stored[SCORER] or b"", detector)
        for name in names:
            _part(name, stored[name] or b"").check(counted)
        name = "tracker"
        tracked = [each["reported"] for each in json.loads(stored[name] or b"")["tracked"] if each["reported"]]
        going_on = [alert.record for alert in store.alerts() if alert.record["state"] in ("open", "grow")]
        _require(sorted(tracked, key=_id) == sorted(going_on, key=_id), "other events than those of the records")
    except InputError:
        raise
    except ValueError as error:
        raise damaged(store.path, f"{name}: {_reason(error)}") from error
    return {name: json.loads(stored.get(name) or b"null") for name in STATES}


def _part(name: str, content: bytes) -> _Part:
    """Return the state of a part, each field of which is valid."""
    if name == "source":
        content = b'{"part": ' + content + b"}"
    return STATES[name].model_validate_json(content)


def _counted(content: bytes, detector: Detector | EnhancedDetector) -> _Rows:
    """Return what a scorer knows of the rows; its arrays have to fit one another."""
    channels = len(detector.shift_and_scale[0])
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds for damaged content
        msg = f"no arrays: {type(error).__name__}"
        raise ValueError(msg) from error
    shape: tuple[int, ...] = found["values"].shape if "values" in found else ()
    _require(len(shape) == 2 and shape[1] == channels, "values: another number of channels")
    length, each = shape[0], (channels,)
    time = found["time"].shape if "time" in found else ()
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        "counts": ("int64", (5,)),
        "highest": ("float64", ()),
        "values": ("float64", shape),
        "gap": ("bool", (length,)),
        "time": ("int64", time if time == (0,) else (length,)),
        "missing": ("bool", shape),
        "dead": ("bool", shape),
        "ready": ("int64", (2,)),
        "last": ("float64", each),
        "run": ("int64", each),
        "still": ("int64", each),
    }
    _require(set(found) == set(expected), "other arrays than those of a scorer")
    for name, (kind, size) in expected.items():
        _require(found[name].dtype == kind and found[name].shape == size, f"{name}: another type or shape")
    version, known, start, final, loud = found["counts"].tolist()
    ready, seen = found["ready"].tolist()
    _require(version == FORMAT, "counts: another version")
    _require(0 <= start <= final <= known <= start + ready and -1 <= loud < max(known, 1), "counts: out of order")
    _require(ready <= length and seen == start + ready, "ready: more rows than there are")
    _require(bool(np.isfinite(found["highest"])), "highest: not a number")
    _require(bool(np.isfinite(found["values"][:ready]).all()), "values: not a number")
    _require(bool(np.isfinite(found["last"]).all()), "last: not a number")
    for name in ("run", "still"):
        _require(bool(((found[name] >= 0) & (found[name] <= seen)).all()), f"{name}: more rows than there are")
    newest = int(found["time"][-1]) if len(found["time"]) else None
    return _Rows(required_by(detector) or Requirements(), channels, known, final, newest)


def _unpacked(text: str, kind: type[np.generic]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)


def _id(record: Mapping[str, Any]) -> str:
    return str(record["id"])


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _reason(error: ValueError) -> str:
    """Return in a few words what is wrong."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"] if part != "part")
        return f"{field}: {first['msg']}" if field else first["msg"]
    return error.what if isinstance(error, InputError) else str(error)
