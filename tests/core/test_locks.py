"""Locks on folders: one process at a time; a process that dies leaves none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from ape.core.errors import InputError
from ape.core.locks import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from ape.core.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_another_process_is_refused_and_told_who_has_the_lock(holder, tmp_path):
    who = f"in use by process {holder.pid} on {socket.gethostname()} since 20"
    with pytest.raises(InputError, match=who), locked(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path) as first:
        assert first


@pytest.mark.parametrize("content", ["", "null", "{}", '{"pid": 1, "host": "far", "since": "1970"}'])
def test_what_a_dead_process_left_means_nothing(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with locked(tmp_path):
        pass


def test_the_same_process_may_enter_again_also_in_another_thread(tmp_path):
    entered = []

    def enter() -> None:
        with locked(tmp_path) as first:
            entered.append(first)

    with locked(tmp_path) as first:
        assert first
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert entered == [False, True]


def test_a_forked_process_does_not_keep_the_lock(tmp_path):
    reader, writer = os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if not child:
            os.read(reader, 1)  # until the test has seen that the lock is free
            os._exit(0)
    try:
        with locked(tmp_path):
            pass
    finally:
        os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    os.close(reader)
    os.close(writer)


def test_the_lock_of_a_link_is_that_of_the_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with locked(tmp_path / "run"), locked(tmp_path / "link") as first:
        assert not first


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot write"), locked(tmp_path / "nowhere"):
        pass
