"""The map over many jobs: nothing lost and nothing done twice, whatever dies, on processes and on Ray alike."""

from __future__ import annotations

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

from ape.runs.jobs import FAILURES, map_jobs
from ape.core.errors import InputError

NAMES = [f"job {k}" for k in range(6)]


def square(log: Path, name: str) -> dict:
    with (log / "done").open("a") as out:
        out.write(f"{name}\n")
    return {"square": int(name.split()[1]) ** 2}


def done(log: Path) -> list[str]:
    return sorted((log / "done").read_text().splitlines())


def test_results_come_in_the_order_of_names_and_are_kept(tmp_path):
    found = map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")
    assert list(found) == NAMES and [each["square"] for each in found.values()] == [0, 1, 4, 9, 16, 25]
    again = map_jobs([*NAMES, "job 6"], partial(square, tmp_path), tmp_path / "out")
    assert again["job 6"] == {"square": 36} and done(tmp_path) == [*NAMES, "job 6"]


def test_a_damaged_result_is_done_again(tmp_path):
    map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")
    (tmp_path / "out" / "job 3.json").write_text('{"square"')
    assert map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")["job 3"] == {"square": 9}
    assert done(tmp_path).count("job 3") == 2 and len(done(tmp_path)) == 7


def failing(log: Path, name: str) -> dict:
    if name == "job 2" and not (log / "mended").exists():
        raise InputError("a gap of 30 missing values", "job 2", "fill it")
    return square(log, name)


def test_a_failure_is_told_and_tried_again_and_stops_no_other(tmp_path):
    told: list = []
    work, out = partial(failing, tmp_path), tmp_path / "out"
    found = map_jobs(NAMES, work, out, told=lambda name, error: told.append((name, error)))
    assert list(found) == [name for name in NAMES if name != "job 2"] and len(told) == 6
    failures = json.loads((out / FAILURES).read_text())
    assert list(failures) == ["job 2"] and "gap of 30" in failures["job 2"]
    (tmp_path / "mended").touch()
    assert map_jobs(NAMES, work, out)["job 2"] == {"square": 4}
    assert json.loads((out / FAILURES).read_text()) == {}


def dying(log: Path, once: bool, name: str) -> dict:
    if name == "job 1" and not (once and (log / "died").exists()):
        (log / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(log, name)


def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path):
    found = map_jobs(NAMES, partial(dying, tmp_path, True), tmp_path / "out")
    assert list(found) == NAMES


def test_a_job_that_kills_every_worker_is_a_failure_and_the_rest_is_done(tmp_path):
    found = map_jobs(NAMES, partial(dying, tmp_path, False), tmp_path / "out")
    assert list(found) == [name for name in NAMES if name != "job 1"]
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


def test_a_driver_that_is_killed_goes_on_where_it_was(tmp_path):
    script = DRIVER.format(tests=str(Path(__file__).parent), log=str(tmp_path))
    driver = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    ends = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("job*.json"))) < 2 and time.monotonic() < ends:
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    kept = {path.stem for path in (tmp_path / "out").glob("job*.json")}
    before = done(tmp_path)
    found = map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out")
    assert 2 <= len(kept) < 6 and list(found) == NAMES
    after = done(tmp_path)
    assert all(after.count(name) == before.count(name) for name in kept)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be called"):
        map_jobs(["../job"], partial(square, tmp_path), tmp_path / "out")


@pytest.mark.slow
def test_ray_gives_the_same(tmp_path):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        found = map_jobs(NAMES, partial(dying, tmp_path, True), tmp_path / "out", ray=cluster.address)
        assert found == {name: {"square": k**2} for k, name in enumerate(NAMES)}
        local = map_jobs(NAMES, partial(square, tmp_path), tmp_path / "local")
        for name in NAMES:
            assert (tmp_path / "out" / f"{name}.json").read_bytes() == (
                tmp_path / "local" / f"{name}.json"
            ).read_bytes()
        assert local == found
    finally:
        cluster.shutdown()


def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(InputError, match="no Ray cluster"):
        map_jobs(NAMES, partial(square, tmp_path), tmp_path / "out", ray="127.0.0.1:1")


def profiled(name: str) -> dict:
    from ape.series.matrix_profile import matrix_profile

    return {"points": len(matrix_profile(np.sin(np.arange(200) / 5), 16).distance)}


def test_workers_can_measure_after_this_process_has(tmp_path):
    assert profiled("job 0") == {"points": 185}  # numba's threads are up in this process now
    assert map_jobs(NAMES[:2], profiled, tmp_path / "out") == {name: {"points": 185} for name in NAMES[:2]}
