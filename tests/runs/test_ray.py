"""Jobs and batches on a Ray cluster; the tests share one, because its start takes long."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ape.runs.batch import mine_items
from ape.runs.folder import Request
from ape.runs.jobs import map_jobs
from ape.runs.manifest import read_manifest

pytest.importorskip("ray")
pytestmark = pytest.mark.extended
NAMES = [f"job {k}" for k in range(6)]


@pytest.fixture(scope="module")
def address():
    """Address of a cluster of two nodes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def square(log: Path, name: str) -> dict:
    if log.name == "ray" and name == "job 1" and not (log / "died").exists():
        (log / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": int(name.split()[1]) ** 2}


def test_jobs_give_the_same_results_although_a_worker_is_killed(address, tmp_path):
    (tmp_path / "ray").mkdir()
    results = map_jobs(NAMES, partial(square, tmp_path / "ray"), tmp_path / "out", ray=address)
    assert results == {name: {"square": k**2} for k, name in enumerate(NAMES)} and (tmp_path / "ray" / "died").exists()
    assert map_jobs(NAMES, partial(square, tmp_path / "local"), tmp_path / "local") == results
    for name in NAMES:
        assert (tmp_path / "out" / f"{name}.json").read_bytes() == (tmp_path / "local" / f"{name}.json").read_bytes()


def test_a_batch_gives_the_same_banks(address, tmp_path):
    steps = np.arange(900)
    (tmp_path / "data").mkdir()
    for k in range(2):
        values = np.sin(2 * np.pi * steps / (20 + 5 * k)) + 0.05 * np.random.default_rng(k).normal(size=900)
        np.savez(tmp_path / "data" / f"wave {k}.npz", values=values, train_end=600)
    (tmp_path / "data" / "bad.csv").write_text("value\nnot a number\n")
    requests = read_manifest(str(tmp_path / "data"), Request(command="mine", data=""))
    failed = mine_items(requests, tmp_path / "ray", ray=address)
    assert list(failed) == ["bad"] and mine_items(requests, tmp_path / "local") == failed
    for name in ("wave_0", "wave_1"):
        banks = [tmp_path / out / "items" / name / "bank.json" for out in ("ray", "local")]
        assert banks[0].read_bytes() == banks[1].read_bytes()
