"""Commands in processes of their own. They are forked from a process that has the imports, so they start at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# What takes seconds, and nothing that looks at the terminal; a process without threads, so forking it is safe.
PRELOADED = ["numba", "stumpy", "torch", "torch._dynamo", "matplotlib.pyplot", "ape.runs.batch", "ape.runs.session"]


def start(
    words: Sequence[object],
    output: Path | str,
    environment: Mapping[str, str] | None = None,
    typed: str | None = None,
    prepare: Callable[[], None] | None = None,
) -> ForkServerProcess:
    """Start ``ape WORDS`` in a process group of its own.

    Parameters
    ----------
    words : sequence
    output : Path or str
        File of output and errors, or a terminal, which is then the input, too.
    environment : mapping, optional
        Changed variables.
    typed : str, optional
        The input, in place of ``output``.
    prepare : callable, optional
        Is called in the process before the command; it can be pickled.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    given = ([str(word) for word in words], str(output), dict(environment or {}), typed, prepare)
    process = context.Process(target=_run, args=given)
    process.start()
    return process


def of_session(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def _run(
    words: list[str], output: str, environment: dict[str, str], typed: str | None, prepare: Callable[[], None] | None
) -> None:
    os.setsid()
    # Where a pool of workers started the fork server, Ctrl-C is blocked in it, see `ape.core.processes`.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    opened = os.open(output, os.O_RDWR | os.O_CREAT)  # the first terminal that is opened controls the process
    for stream in range(3):
        os.dup2(opened, stream)
    if typed is not None:
        read, write = os.pipe()
        os.write(write, typed.encode())
        os.close(write)
        os.dup2(read, 0)
    sys.stdin, sys.stdout, sys.stderr = (open(stream, mode) for stream, mode in enumerate("rww"))  # noqa: PTH123, SIM115
    os.environ.update(environment)
    if prepare is not None:
        prepare()
    from ape.cli.main import main

    sys.argv = ["ape", *words]
    sys.exit(main())
