"""Start commands in processes that the system refuses something: space, rights, open files or processes."""

from __future__ import annotations

import csv
import ctypes
import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from faults.writers import Writer
from processes import of_session, start
from support import short_training
from watched_run import WatchedRun

LIMIT = 300.0  # seconds, after which a command hangs; compiling without a cache takes 35 s of an idle core
CAPSET = {"x86_64": 126, "aarch64": 91}.get(os.uname().machine)  # the system call; the one before it is capget
VERSION = 0x20080522
OVERRIDE = 0b110  # the capabilities by which root may write and read what its permissions forbid


@dataclass(frozen=True)
class Fault:
    """What the system refuses a process.

    Parameters
    ----------
    limits : mapping of int to int
        See `resource.setrlimit`.
    obeys : bool
        Whether the permissions of files hold, also for root.
    group : str
        A control group, which limits the number of processes.
    """

    limits: Mapping[int, int] = field(default_factory=dict)
    obeys: bool = False
    group: str = ""

    def set(self, errors: str) -> None:
        """Set it for this process, train for a few steps only, and write errors into a file."""
        opened = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, 2)
        os.close(opened)
        short_training().__enter__()
        if self.group:
            Path(self.group, "cgroup.procs").write_text(str(os.getpid()))
        if self.obeys and os.geteuid() == 0:
            _obey_permissions()
        for kind, most in self.limits.items():
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


@dataclass(frozen=True)
class Ended:
    """How a command ended; ``code`` is None if it did not."""

    code: int | None
    errors: tuple[str, ...]
    out: str

    def wrong(self, *words: str) -> str:
        """Return what is wrong with a refusal whose line has one of the words; empty if nothing is.

        If items failed, the reason of each of them has to have one.
        """
        lines = " / ".join(self.errors)
        if self.code is None:
            return f"hangs: {lines[-500:]}"
        if self.code != 2:
            return f"exit code {self.code}: {lines[-500:] or self.out[-300:]}"
        if len(self.errors) != 1 or not lines.startswith("ape: "):
            return f"{len(self.errors)} lines: {lines[-800:]}"
        false = [line for line in _reasons(lines) if not any(word in line for word in words)]
        return f"says: {' / '.join(false)[:300]}" if false else ""


def run(writer: Writer, made: WatchedRun, place: Path, folder: Path, fault: Fault, **environment: str) -> Ended:
    """Run a command under a fault.

    Parameters
    ----------
    writer : Writer
    made : WatchedRun
    place : Path
        Where it writes.
    folder : Path
        For its output; the fault does not hold there.
    fault : Fault
    environment : str
        Changed variables.
    """
    output, errors = folder / "output", folder / "errors"
    output.write_text("")
    errors.write_text("")
    words = writer.words(made, place)
    process = start(words, output, environment, writer.typed, partial(fault.set, str(errors)))
    process.join(LIMIT)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    ends = time.monotonic() + 5
    while of_session(process.pid) and time.monotonic() < ends:
        time.sleep(0.02)
    if left := of_session(process.pid):
        return Ended(None, (f"{len(left)} processes are left",), "")
    lines = [line for line in errors.read_text().splitlines() if line]
    return Ended(code, tuple(lines[-1:] if writer.reports else lines), output.read_text())


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a file system of a size, in bytes; skip the test where that is not allowed."""
    folder.mkdir()
    mount = shutil.which("mount")
    done = subprocess.run(
        [mount or "false", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()[:80]}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def change(folder: Path, options: str) -> None:
    """Change the options of a file system that `disk` mounted."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def used(folder: Path) -> int:
    """Return how many bytes of a file system are used."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _reasons(line: str) -> list[str]:
    """Return the line of a refusal, or the reasons of the items that failed, if it names the file with them."""
    named = re.search(r"items failed \((.*failures\.csv)\)", line)
    if named is None:
        return [line]
    with Path(named[1]).open() as file:
        return [row["error"] for row in csv.DictReader(file)]


def _obey_permissions() -> None:
    """Give up the right to ignore the permissions of files."""
    header = (ctypes.c_uint32 * 2)(VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    lib = ctypes.CDLL(None)
    assert CAPSET is not None
    assert lib.syscall(CAPSET - 1, header, sets) == 0
    sets[0], sets[1] = sets[0] & ~OVERRIDE, sets[1] & ~OVERRIDE
    assert lib.syscall(CAPSET, header, sets) == 0
