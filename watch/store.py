"""What a watch keeps between two starts, in one SQLite file: its state, its records, what was delivered, and labels."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout

from ape.core.errors import InputError
from ape.watch.records import Record, record_of

FOLDER = "watch"  # in a run folder
SUFFIX = ".sqlite"
FORMAT = 1
BUSY = 30.0  # seconds to wait for another connection, which never writes for long
BATCH = 1000  # records that are read at once, to save memory
FOR_NOW = {  # errors that do not mean damage
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
LATEST = 1e11  # seconds since 1970: no record is stored later
AGAIN = "restore it from a backup, or delete it to start from the beginning of the input (events may be reported twice)"

Label = Literal["false", "acknowledged"]
LABELS: tuple[Label, ...] = ("false", "acknowledged")

SCHEMA = """
create table state (key text primary key, value blob not null);
create table records (
    number integer primary key autoincrement, id text not null, sequence integer not null, body text not null,
    at real not null, unique (id, sequence)
);
create table deliveries (sink text primary key, number integer not null);
create table labels (id text primary key, label text not null, note text not null, at real not null);
"""
ALERTS = """
select records.id, records.number, records.body, labels.label, labels.note
from records left join labels on labels.id = records.id
where records.number in (select max(number) from records group by id)
order by (select min(number) from records as earlier where earlier.id = records.id)
"""


@dataclass(frozen=True)
class Line:
    """A record in the outbox.

    Parameters
    ----------
    number : int
        Counts all records of the watch, from 1.
    id : str
        Of the event.
    sequence : int
        Counts the records of the event.
    body : str
        One line of JSON.
    at : float
        When it was stored, seconds since 1970.
    """

    number: int
    id: str
    sequence: int
    body: str
    at: float


@dataclass(frozen=True)
class Alert:
    """The last record of an event, and what a person says about the event.

    Parameters
    ----------
    id : str
    record : mapping
        As in the line of JSON.
    label : str or None
    note : str
    """

    id: str
    record: Mapping[str, Any]
    label: Label | None
    note: str


class StoreUnavailableError(InputError):
    """The file cannot be used now, since the disk is full or another process has it; later it may be."""


class StoreInUseError(InputError):
    """Another process watches with the same file."""


class DamagedStoreError(InputError):
    """The file is damaged, or another version wrote it."""


class Store:
    """The file of a watch. One process watches, see `locked`; others may read it and add labels meanwhile.

    Parameters
    ----------
    path : Path
        Is made if it does not exist.

    Raises
    ------
    InputError
        The file is damaged, or another version wrote it. So do all methods if the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._clear_errors():
            self._database = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def _prepare(self) -> None:
        """Make the tables of a new file, and check an old one."""
        self._database.execute("pragma synchronous = full")
        with self.transaction():
            (version,) = self._database.execute("pragma user_version").fetchone()
            if version == 0 and not self._database.execute("select 1 from sqlite_master").fetchone():
                for statement in filter(str.strip, SCHEMA.split(";")):
                    self._database.execute(statement)
                self._database.execute(f"pragma user_version = {FORMAT}")
            elif version != FORMAT:
                raise DamagedStoreError("not the state of a watch, or of another version", str(self.path), AGAIN)
            if self._tables(self._database) != _expected_tables():
                raise sqlite3.DatabaseError("other tables than those of a watch")
        (verdict,) = self._database.execute("pragma quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(" ".join(verdict.split()))

    @staticmethod
    def _tables(database: sqlite3.Connection) -> set[tuple[str, str]]:
        """Return the names of the tables, and how they were made."""
        return set(
            database.execute("select name, sql from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all that is put inside the block at once, or nothing if the block fails."""
        with self._clear_errors():
            self._database.execute("begin immediate")
            try:
                yield
                self._database.execute("commit")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("rollback")
                raise

    def get(self, key: str) -> bytes | None:
        """Return a part of the state; None if it was never put."""
        rows = self._read("select value from state where key = ?", key)
        if rows and not isinstance(rows[0][0], bytes):
            raise damaged(self.path, f"{key}: no bytes")
        return rows[0][0] if rows else None

    def put(self, key: str, value: bytes) -> None:
        """Replace a part of the state."""
        self._write("insert or replace into state values (?, ?)", key, value)

    def add_records(self, records: Iterable[Record]) -> None:
        """Append records to the outbox, from which each sink delivers them."""
        for record in records:
            statement = "insert into records (id, sequence, body, at) values (?, ?, ?, ?)"
            self._write(statement, record.id, record.sequence, record.line(), time.time())

    def register(self, sink: str) -> None:
        """Make a sink known: it delivers the records that are added from now on."""
        self._write("insert or ignore into deliveries select ?, coalesce(max(number), 0) from records", sink)
        ((number, last),) = self._read(
            "select number, (select coalesce(max(number), 0) from records) from deliveries where sink = ?", sink
        )
        if not isinstance(number, int) or not 0 <= number <= last:
            raise damaged(self.path, f"the number of records that '{sink}' has")

    def pending(self, sink: str) -> list[Line]:
        """Return the first records that a sink has not delivered, in order."""
        rows = self._read(
            "select records.number, id, sequence, body, at from records join deliveries on deliveries.sink = ?"
            " where records.number > deliveries.number order by records.number limit ?",
            sink,
            BATCH,
        )
        for number, event, sequence, body, at in rows:
            self._check(number, event, body, sequence, at)
        return [Line(*row) for row in rows]

    def waiting(self, sink: str) -> int:
        """Return how many records a sink has not delivered."""
        ((count,),) = self._read(
            "select count(*) from records where number > (select number from deliveries where sink = ?)", sink
        )
        return int(count)

    def delivered(self, sink: str, number: int) -> None:
        """Note that a sink has delivered the records up to a number."""
        self._write("update deliveries set number = ? where sink = ?", number, sink)

    def has(self, event: str) -> bool:
        """Return whether there is an event."""
        return bool(self._read("select 1 from records where id = ? limit 1", event))

    def label(self, event: str, label: Label, note: str = "") -> None:
        """Note what a person says about an event; it replaces what was said before.

        Raises
        ------
        InputError
            There is no such event.
        """
        if not self.has(event):
            raise InputError(f"no event '{event[:80]}'", str(self.path), "see 'ape alerts RUN'")
        self._write("insert or replace into labels values (?, ?, ?, ?)", event, label, note, time.time())

    def count_events(self) -> int:
        """Return how many events there are."""
        ((count,),) = self._read("select count(distinct id) from records")
        return int(count)

    def alerts(self) -> list[Alert]:
        """Return all events in the order in which they opened."""
        found = []
        for event, number, body, label, note in self._read(ALERTS):
            self._check(number, event, body)
            if label not in (None, *LABELS) or not isinstance(note, str | None):
                raise damaged(self.path, f"the label of {event}")
            found.append(Alert(event, json.loads(body), label, note or ""))
        return found

    def _check(self, number: int, event: Any, body: Any, sequence: Any = None, at: Any = 0.0) -> None:
        """Refuse a damaged record."""
        try:
            record = record_of(body)
            right = record.id == event and sequence in (None, record.sequence) and isinstance(body, str)
            right = right and isinstance(at, float | int) and abs(at) < LATEST
        except (ValueError, TypeError) as error:
            raise damaged(self.path, f"record {number}") from error
        if not right:
            raise damaged(self.path, f"record {number}")

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._clear_errors():
            return self._database.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: Any) -> None:
        with self._clear_errors():
            self._database.execute(statement, values)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Turn errors of SQLite into one clear line."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in FOR_NOW:
                raise damaged(self.path, str(error)) from error
            hint = "free space, check the permissions, then start again"
            what = f"the state of the watch cannot be used now: {error}"
            raise StoreUnavailableError(what, str(self.path), hint) from error
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, str(error)) from error


def damaged(path: Path, what: str) -> DamagedStoreError:
    """Return the error about the damaged file of a watch."""
    return DamagedStoreError(f"the state of the watch is damaged: {what}", str(path), AGAIN)


@cache
def _expected_tables() -> set[tuple[str, str]]:
    """Return the tables of a new file."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        return Store._tables(database)


def store_path(folder: Path, name: str) -> Path:
    """Return the file of a watch in a run folder."""
    return folder / FOLDER / f"{name}{SUFFIX}"


def stores_of(folder: Path) -> list[Path]:
    """Return the files of all watches in a run folder."""
    return sorted((folder / FOLDER).glob(f"*{SUFFIX}"))


def alerts_of(folder: Path) -> list[Alert]:
    """Return the events of all watches of a run folder."""
    found = []
    for path in stores_of(folder):
        with Store(path) as store:
            found += store.alerts()
    return found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Refuse a second process that watches with the same file.

    Raises
    ------
    StoreInUseError
        Another process has the file.
    StoreUnavailableError
        The lock cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the state of the watch cannot be kept: {error.strerror}"
        raise StoreUnavailableError(what, str(path.parent), "free space, or check the permissions") from error
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        hint = "stop the other one, or give this one another --name"
        raise StoreInUseError("another process watches this already", str(path), hint) from error
    except OSError as error:
        what = f"the state of the watch cannot be locked: {error.strerror}"
        raise StoreUnavailableError(what, str(path), "free space, or check the permissions") from error
    try:
        yield
    finally:
        lock.release()
