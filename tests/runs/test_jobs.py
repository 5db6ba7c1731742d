"""The map over many jobs: nothing is lost and nothing repeated when a process dies, locally and on Ray."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.runs.jobs import FAILURES, map_jobs

NAMES = [f"job {k}" for k in range(6)]


def square(log: Path, name: str) -> dict:
    with (log / "done").open("a") as out:
        out.write(f"{name}\n")
    return {"square": int(name.split()[1]) ** 2}


def done(log: Path) -> list[str]:
    return sorted((log / "done").read_text().splitlines())


def test_results_are_in_the_order_of_names_and_stored(tmp_path):
    results = map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")
    assert list(results) == NAMES and [each["square"] for each in results.values()] == [0, 1, 4, 9, 16, 25]
    again = map_jobs([*NAMES, "job 6"], partial(square, tmp_path), tmp_path / "out")
    assert again["job 6"] == {"square": 36} and done(tmp_path) == [*NAMES, "job 6"]


def refused(name: str) -> dict:
    raise OSError(errno.ENOSPC, "No space left on device", "scores.csv")


def test_reasons_of_the_system_say_what_where_and_what_to_do(tmp_path):
    map_jobs(NAMES[:1], refused, tmp_path)
    failures = json.loads((tmp_path / FAILURES).read_text())
    assert failures == {"job 0": "No space left on device (scores.csv): free space or choose another folder"}


def test_a_damaged_result_is_computed_again(tmp_path):
    map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")
    (tmp_path / "out" / "job 3.json").write_text('{"square"')
    assert map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")["job 3"] == {"square": 9}
    assert done(tmp_path).count("job 3") == 2 and len(done(tmp_path)) == 7


def failing(log: Path, name: str) -> dict:
    if name == "job 2" and not (log / "fixed").exists():
        raise InputError("a gap of 30 missing values", "job 2", "fill it")
    return square(log, name)


def test_a_failure_is_reported_and_retried_and_stops_no_other(tmp_path):
    ended: list = []
    work, out = partial(failing, tmp_path), tmp_path / "out"
    results = map_jobs(NAMES, work, out, on_done=lambda name, error: ended.append((name, error)))
    assert list(results) == [name for name in NAMES if name != "job 2"] and len(ended) == 6
    failures = json.loads((out / FAILURES).read_text())
    assert list(failures) == ["job 2"] and "gap of 30" in failures["job 2"]
    (tmp_path / "fixed").touch()
    assert map_jobs(NAMES, work, out)["job 2"] == {"square": 4}
    assert json.loads((out / FAILURES).read_text()) == {}


def dying(log: Path, once: bool, name: str) -> dict:
    if name == "job 1" and not (once and (log / "died").exists()):
        (log / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(log, name)


def test_a_killed_worker_loses_no_result(tmp_path):
    results = map_jobs(NAMES, partial(dying, tmp_path, True), tmp_path / "out")
    assert list(results) == NAMES


@pytest.mark.extended
def test_a_job_that_kills_every_worker_fails_alone(tmp_path):
    results = map_jobs(NAMES, partial(dying, tmp_path, False), tmp_path / "out")
    assert list(results) == [name for name in NAMES if name != "job 1"]
    assert "its worker died" in json.loads((tmp_path / "out" / FAILURES).read_text())["job 1"]


DRIVER = """
import sys, time
from functools import partial
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_jobs import slow
from ape.runs.jobs import map_jobs
map_jobs([f"job {{k}}" for k in range(6)], partial(slow, Path({log!r})), Path({log!r}) / "out", workers=1)
"""


def slow(log: Path, name: str) -> dict:
    time.sleep(0.3)
    return square(log, name)


@pytest.mark.extended
def test_a_killed_driver_resumes(tmp_path):
    script = DRIVER.format(tests=str(Path(__file__).parent), log=str(tmp_path))
    driver = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("job*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    finished = {path.stem for path in (tmp_path / "out").glob("job*.json")}
    before = done(tmp_path)
    results = map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")
    assert 2 <= len(finished) < 6 and list(results) == NAMES
    after = done(tmp_path)
    assert all(after.count(name) == before.count(name) for name in finished)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be the name"):
        map_jobs(["../job"], partial(square, tmp_path), tmp_path / "out")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-host:x"])
def test_a_cluster_that_is_not_there_leaves_nothing(tmp_path, address):
    pytest.importorskip("ray")
    with pytest.raises(InputError, match="no Ray cluster"):
        map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out", ray=address)
    assert not (tmp_path / "out").exists()


def profiled(name: str) -> dict:
    from ape.series.matrix_profile import matrix_profile

    return {"points": len(matrix_profile(np.sin(np.arange(200) / 5), 16).distance)}


@pytest.mark.extended
def test_workers_start_safely_after_numba_threads_run_here(tmp_path):
    assert profiled("job 0") == {"points": 185}  # starts numba threads in this process
    assert map_jobs(NAMES[:2], profiled, tmp_path / "out") == {name: {"points": 185} for name in NAMES[:2]}
