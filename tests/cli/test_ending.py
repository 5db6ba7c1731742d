"""Ctrl-C, SIGTERM and limits of the system: one line, the exit code of the shell, no process left."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import of_session, start

from ape.cli.main import main
from ape.core.errors import InputError
from ape.core.limits import remedy, require_limits, shortage


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal, and not the one of Python for Ctrl-C."""
    lines = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return all(int(lines["SigCgt"], 16) >> each - 1 & 1 for each in (number, signal.SIGTERM))


@pytest.mark.parametrize(("number", "code", "cause"), [(signal.SIGINT, 130, ""), (signal.SIGTERM, 143, " by SIGTERM")])
def test_a_signal_while_libraries_are_imported_ends_with_one_line(number, code, cause, data, tmp_path):
    command = [sys.executable, "-m", "ape.cli.main", "mine", str(data), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not catches(process.pid, number):  # the imports, which come afterwards, take seconds
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert said.startswith(f"ape: stopped{cause}; resume with") and said.count("\n") == 1


@pytest.mark.extended
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_of_a_batch_do_not_outlive_it(number, data, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    process = start(["batch", data, "--out", out], log)
    ends = time.monotonic() + 60
    while not list(out.glob("items/*/ledger.jsonl")):
        assert process.exitcode is None and time.monotonic() < ends, log.read_text()
        time.sleep(0.01)
    assert len(of_session(process.pid)) > 1
    os.kill(process.pid, number)
    begin = time.monotonic()
    while of_session(process.pid):
        assert time.monotonic() - begin < 20
        process.join(0.02)
    process.join()
    assert process.exitcode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -signal.SIGKILL)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "ulimit -v"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "ulimit -v"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (ValueError("no such column"), ""),
    ],
)
def test_shortages_are_recognised(error, words):
    assert words in shortage(error) and bool(words) == bool(shortage(error))


def test_remedies():
    assert "free space" in remedy(OSError(errno.ENOSPC, "full")) and "permissions" in remedy(
        OSError(errno.EACCES, "no")
    )


def test_limits_are_refused_before_libraries_are_loaded(monkeypatch):
    limits = {resource.RLIMIT_AS: 1_500_000_000, resource.RLIMIT_NOFILE: 16}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], resource.RLIM_INFINITY))
    with pytest.raises(InputError, match=r"1\.5 GB and needs 2\.2"):
        require_limits(2.2, 24, 0)
    with pytest.raises(InputError, match=r"may have 16 and needs 24"):
        require_limits(1.3, 24, 0)
    require_limits(1.3, 8, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_standard_output_is_named_when_it_is_full(monkeypatch, capsys):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["bank", "schema"]) == 2
    assert "No space left on device (standard output)" in capsys.readouterr().err
