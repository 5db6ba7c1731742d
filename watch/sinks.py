"""Where records go: standard output, a file, a webhook. None of them holds up the scoring."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import select
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
from pydantic import AnyHttpUrl, TypeAdapter
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential_jitter,
)

from ape.core.errors import InputError
from ape.watch.store import Line, Store

TAIL = 4096  # bytes at the end of a file, and two records, in which the last record is looked for
ANSWERS_WITHIN = 10.0  # seconds a webhook may take
LONGEST_WAIT = 60.0  # seconds between two tries
GIVES_UP = 3600.0  # age of a record in seconds from which a failed try is the last one
FEWEST_TRIES = 3
LATER = {408, 425, 429, 500, 502, 503, 504}  # status codes after which another try may succeed
READER_TAKES = 2.0  # seconds in which the reader of standard output has to take something
SCHEMES = ("http://", "https://")
RESTS = 5.0  # seconds after the store could not be used


class Sink(Protocol):
    """Where records go."""

    name: str
    where: str  # in messages

    def write(self, lines: Sequence[Line]) -> None:
        """Deliver lines in order; an `OSError` means that they have to be delivered later."""


class StandardOutput:
    """Standard output. After a kill, the last line may come again.

    Raises
    ------
    InputError
        It is closed.
    """

    name, where = "stdout", "standard output"

    def __init__(self) -> None:
        if sys.stdout is None:  # Python has none if it was closed
            raise InputError("standard output is closed", "ape watch", "give --out FILE")
        self._passed = 0  # bytes of the lines that were passed on when an error came

    def write(self, lines: Sequence[Line]) -> None:
        """Print lines, and pass them on at once; a reader that takes nothing gets them later."""
        text = "".join(f"{line.body}\n" for line in lines)
        sys.stdout.flush()
        try:
            number = sys.stdout.fileno()
        except io.UnsupportedOperation:  # another program's stream
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        data = text.encode()
        while self._passed < len(data):
            if not select.select([], [number], [], READER_TAKES)[1]:
                raise BlockingIOError(errno.EAGAIN, "the reader takes nothing")
            self._passed += os.write(number, data[self._passed :][: select.PIPE_BUF])
        self._passed = 0


class File:
    """A file of JSON lines that gets each record exactly once, whenever the process is killed.

    The end of the file says which lines it has: what a kill has cut is completed, and what is there already is not
    written again. The file may be rotated by renaming it.

    Parameters
    ----------
    path : Path
        A device, such as ``/dev/null``, gets each record too, but again after a kill.

    Raises
    ------
    InputError
        It is a folder or a pipe, or must not be written.
    """

    name = "file"

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, f"--out {path}"
        existing = next(each for each in (path, *path.absolute().parents) if each.exists())
        self._device = path.is_char_device()
        if existing == path and not path.is_file() and not self._device:
            raise InputError("not a file, to which events can be appended", self.where, "give a file")
        if existing != path and not existing.is_dir():
            raise InputError(f"'{existing}' is not a folder", self.where, "give another path")
        if not os.access(existing, os.W_OK):
            raise InputError(f"no permission to write to '{existing}'", self.where, "give another path")

    def write(self, lines: Sequence[Line]) -> None:
        """Append the lines that the file lacks; they are on the disk afterwards."""
        if self._device:
            with self.path.open("ab", buffering=0) as device:
                device.write(b"".join(line.body.encode() + b"\n" for line in lines))
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            bodies = [line.body.encode() for line in lines]
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL - 2 * max(map(len, bodies)), 0))
            *whole, rest = file.read().split(b"\n")
            present = {body: number for number, body in enumerate(bodies, start=1)}
            written = max((present.get(line, 0) for line in whole), default=0)
            if rest and bodies[written:] and bodies[written].startswith(rest):
                file.truncate(size - len(rest))
            elif rest:
                file.write(b"\n")  # an unfinished line of something else
            file.write(b"".join(body + b"\n" for body in bodies[written:]))
            file.flush()
            os.fsync(file.fileno())


class Webhook:
    """Sends records to a URL from its own thread, in order and at least once.

    Each is a ``POST`` of its JSON, with the field ``text`` that chat tools show, and the header ``Idempotency-Key``,
    which is the same at each try. A failed try is repeated after a growing time; a record that is refused, or not
    taken for an hour, goes to the file of dead letters.

    Parameters
    ----------
    url : str
        It may hold a secret: messages show only its host.
    path : Path
        Of the store, from which the thread takes the records.
    dead : Path
        The file of dead letters.
    say : callable
        Gets one line when something goes wrong.
    count : callable
        Gets ``delivered``, ``failed`` or ``dead`` after each try.
    first_wait : float
        Seconds before the second try.

    Raises
    ------
    InputError
        It is no such URL.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        path: Path,
        dead: Path,
        say: Callable[[str], None] = lambda text: None,
        count: Callable[[str], None] = lambda outcome: None,
        first_wait: float = 1.0,
    ) -> None:
        self.url, self.host, self.path, self.dead = url, _host(url), path, dead
        self.say, self.count, self.first_wait = say, count, first_wait
        self._stops, self._wakes = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to send what the store has."""
        self._thread.start()

    def wake(self) -> None:
        """Say that the store has new records."""
        self._wakes.set()

    def close(self, seconds: float = 2.0) -> None:
        """End the thread. What is not sent stays in the store, for the next start."""
        self._stops.set()
        self._wakes.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        """Send what is pending, until the watch ends."""
        while not self._stops.is_set():
            try:
                with Store(self.path) as store, httpx.Client(timeout=ANSWERS_WITHIN) as client:
                    while not self._stops.is_set():
                        self._wakes.clear()
                        lines = store.pending(self.name)
                        for line in lines:
                            if not self._send(client, line):
                                return
                            store.delivered(self.name, line.number)
                        if not lines:
                            self._wakes.wait()
            except (InputError, OSError) as error:
                self.say(f"webhook: {error}")
                self._stops.wait(RESTS)

    def _send(self, client: httpx.Client, line: Line) -> bool:
        """Send a record, or put it to the dead letters; return False if the watch ends before."""
        record = json.loads(line.body)
        content = json.dumps({"text": text_of(record), **record}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{line.id}-{line.sequence}"}

        def post() -> None:
            client.post(self.url, content=content, headers=headers).raise_for_status()

        def too_old(state: RetryCallState) -> bool:
            return state.attempt_number >= FEWEST_TRIES and time.time() - line.at > GIVES_UP

        def failed(state: RetryCallState) -> None:
            self.count("failed")
            if state.attempt_number == 1 and state.outcome is not None:
                self.say(f"webhook: {self._reason(state.outcome.exception())}; tries again")

        tries = Retrying(
            retry=retry_if_exception(_temporary),
            wait=wait_exponential_jitter(self.first_wait, max=LONGEST_WAIT, jitter=self.first_wait),
            stop=lambda state: stop_when_event_set(self._stops)(state) or too_old(state),
            sleep=sleep_using_event(self._stops),
            before_sleep=failed,
            reraise=True,
        )
        try:
            tries(post)
        except httpx.HTTPError as error:
            if self._stops.is_set() and _temporary(error):
                return False
            self._bury(line, self._reason(error))
        else:
            self.count("delivered")
        return True

    def _reason(self, error: BaseException | None) -> str:
        """Return why a try failed, without the address, which may hold a secret."""
        if isinstance(error, httpx.HTTPStatusError):
            redirect = " (a redirect, which is not followed)" if error.response.is_redirect else ""
            return f"{self.host} answers {error.response.status_code}{redirect}"
        return f"{self.host}: {type(error).__name__}"

    def _bury(self, line: Line, reason: str) -> None:
        """Append a record to the file of dead letters."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        letter = {"failed": reason, "at": now, "record": json.loads(line.body)}
        with self.dead.open("a", encoding="utf-8") as file:
            file.write(json.dumps(letter, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.count("dead")
        self.say(f"webhook: {reason}; the record is in {self.dead}")


def _host(url: str) -> str:
    """Return the host of a URL, which messages may show: the rest may hold a secret."""
    try:
        host, port = TypeAdapter(AnyHttpUrl).validate_python(url).host, httpx.URL(url).port
    except (ValueError, httpx.InvalidURL):
        host, port = None, None
    if not host or port == 0 or re.search(r"[\s\x00-\x1f\x7f]", url) or not url.lower().startswith(SCHEMES):
        where = "--webhook, or the variable APE_WEBHOOK"
        raise InputError("not the address of a webhook", where, "give https://HOST/PATH, without blanks")
    return host


def _temporary(error: BaseException) -> bool:
    """Return whether another try may succeed."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in LATER
    return isinstance(error, httpx.TransportError)


def text_of(record: dict[str, Any]) -> str:
    """Return what a chat tool shows about a record: one line."""
    begin, end = record.get("start_time") or f"row {record.get('start')}", record.get("end_time")
    state, reason = record["state"], record.get("reason")
    if state == "drift":
        return f"{reason} [{record['id']}]"  # it says since when
    words = {"open": "anomaly since", "grow": "anomaly goes on, since", "close": "anomaly over, from"}
    words |= {"withdraw": "no anomaly after all, at"}
    past = state == "close" or (state == "grow" and not record.get("ongoing"))
    text = f"{'anomaly seems over, from' if past and state == 'grow' else words.get(state, state)} {begin}"
    if past and end:
        text += f" to {end}"
    return f"{text}: {reason} [{record['id']}]" if reason else f"{text} [{record['id']}]"
