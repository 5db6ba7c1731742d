"""Folders that cannot be written, and limits of files, processes, memory and streams: one true line, or it works."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults.shortages import LIMIT, Ended, Fault, change, disk, run
from faults.writers import WRITERS

OBEYS = Fault(obeys=True)
FREE = Fault()
SHORT = ("mine", "train", "score", "score many", "batch enhance", "chat", "watch", "events")
GROUPS = Path("/sys/fs/cgroup/pids")
FILES = (16, 24, 32)
PROCESSES = (1, 2, 4, 8, 16, 32)


def set_rights(folder: Path, rights: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(rights)


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_cannot_be_written(name, watched_run, tmp_path):
    writer, place = WRITERS[name], tmp_path / "place"
    place.mkdir()
    writer.prepare(watched_run, place)
    before = sorted(place.rglob("*"))
    set_rights(place, 0o555)
    try:
        ended = run(writer, watched_run, place, tmp_path, OBEYS)
    finally:
        set_rights(place, 0o755)
    assert ended.wrong("Permission denied", "readonly database") == ""
    assert sorted(place.rglob("*")) == before
    with disk(tmp_path / "disk", 2**26) as folder:
        writer.prepare(watched_run, folder)
        change(folder, "ro")
        assert run(writer, watched_run, folder, tmp_path, FREE).wrong("Read-only", "readonly") == ""


def works_or_says(ended: Ended, *words: str) -> str:
    silent = not [line for line in ended.errors if not line.startswith("ape: new: ")]  # a watch reports what it does
    return "" if ended.code == 0 and silent else ended.wrong(*words)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SHORT)
def test_few_open_files(name, watched_run, tmp_path):
    wrong = {}
    for most in FILES:
        place = tmp_path / str(most)
        place.mkdir()
        WRITERS[name].prepare(watched_run, place)
        fault = Fault({resource.RLIMIT_NOFILE: most})
        ended = run(WRITERS[name], watched_run, place, tmp_path, fault)
        if why := works_or_says(ended, "ulimit -n"):
            wrong[most] = why
    assert wrong == {}


@pytest.fixture
def group():
    """A control group for processes and threads."""
    folder = GROUPS / f"ape-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups here: {error}")
    yield folder
    folder.rmdir()


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SHORT)
def test_few_processes(name, watched_run, tmp_path, group):
    wrong = {}
    for most in PROCESSES:
        place = tmp_path / str(most)
        place.mkdir()
        WRITERS[name].prepare(watched_run, place)
        (group / "pids.max").write_text(str(most))
        fault = Fault(group=str(group))
        ended = run(WRITERS[name], watched_run, place, tmp_path, fault)
        if why := works_or_says(ended, "ulimit -u"):
            wrong[most] = why
    assert wrong == {}


def separately(shell: str, *words: object) -> Ended:
    """Run a command in a new process, which a line of the shell starts as ``"$@"``."""
    command = ["bash", "-c", shell, "bash", sys.executable, "-m", "ape.cli.main", *map(str, words)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired as error:
        return Ended(None, (str(error.stderr or ""),), "")
    return Ended(done.returncode, tuple(filter(None, done.stderr.splitlines())), done.stdout)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("gigabytes", [0.5, 1.5, 2.0])
def test_little_memory(gigabytes, watched_run, tmp_path):
    shell, folder = f'ulimit -v {int(gigabytes * 1e6)}; exec "$@"', watched_run.folder
    score = ("score", watched_run.new, "--detector", folder, "--out", tmp_path / "out")
    for words in (("events", folder), ("check", watched_run.new), ("completion", "bash"), score):
        ended = separately(shell, *words)
        assert works_or_says(ended, "too little memory") == "", words
        assert ended.code == 0 or gigabytes < 1.5 or words == score, words


STREAMS = {
    "output closed": '"$@" >&-',
    "errors closed": '"$@" 2>&-',
    "all closed": '"$@" <&- >&- 2>&-',
}


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shell", STREAMS.values(), ids=STREAMS)
def test_closed_streams(shell, watched_run, tmp_path):
    assert separately(shell, "bank", "schema").code == 0
    assert separately(shell, "events", watched_run.folder, "--json").code == 0
    assert separately(shell, "events", tmp_path).code == 2
    scored = separately(shell, "score", watched_run.new, "--detector", watched_run.folder, "--out", tmp_path / "out")
    assert scored.code == 0 and (tmp_path / "out" / "events.csv").is_file()


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_streams_that_are_full(watched_run, tmp_path):
    folder = watched_run.folder
    for words in (("bank", "schema"), ("events", folder), ("events", folder, "--json", "--quiet")):
        assert separately('"$@" > /dev/full', *words).wrong("No space left on device (standard output)") == ""
    assert separately('"$@" 2> /dev/full', "events", tmp_path).code == 2


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_folders_of_caches_that_cannot_be_used(watched_run, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    obeys = "" if os.geteuid() else "setpriv --bounding-set=-dac_override,-dac_read_search"
    if obeys and not shutil.which("setpriv"):
        pytest.skip("no setpriv")
    cases = {
        "no home": f'env -u HOME {obeys} "$@"',
        "a home that cannot be written": f'HOME={closed} XDG_CACHE_HOME={closed} exec {obeys} "$@"',
        "no folder for temporary files": 'TMPDIR=/nowhere exec "$@"',
        "caches that cannot be written": f'NUMBA_CACHE_DIR={closed} MPLCONFIGDIR={closed} exec {obeys} "$@"',
    }
    for number, (case, shell) in enumerate(cases.items()):
        out = tmp_path / str(number)
        ended = separately(shell, "mine", watched_run.training, "--train-end", 1500, "--out", out)
        assert works_or_says(ended) == "" and (out / "bank.json").is_file(), case


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_no_shared_memory(watched_run, tmp_path):
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    if probe.returncode:
        pytest.skip("no file system can be mounted here")
    shell = 'unshare -m bash -c \'mount -t tmpfs -o size=4k,ro tmpfs /dev/shm; exec "$@"\' bash "$@"'
    words = WRITERS["batch"].words(watched_run, tmp_path)
    assert works_or_says(separately(shell, *words), "(/dev/shm)") == ""
