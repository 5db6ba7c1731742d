"""Commands that are killed at random moments and resumed leave the same results, and nothing half-written.

The long form is ``make test-faults``; kills of a watch are in ``tests/watch/test_kills.py`` and `ape.evals.kills`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import of_session, start

from ape.core.temporaries import LEFT, remove_leftovers

TIMEOUT = 240  # seconds
RESULTS = ("bank.json", "scores.csv", "events.csv", "events.json", "posttrain.json")
WEIGHTS = ".safetensors"
TIMES = "seconds"  # in the post-training report
YES = {"chat": "mine\nyes\nquit\n"}  # what is typed


@dataclass(frozen=True)
class Case:
    """A command, how it is resumed, and how often it is killed."""

    name: str
    begin: tuple[str, ...]
    resume: tuple[str, ...]
    kills: int

    def again(self, out: Path) -> tuple[str, ...]:
        """Return the command after a kill; what came before the run folder appeared is begun again."""
        return self.resume if out.exists() else self.begin


CASES = [
    Case("run", ("run", "DATA/a.npz", "--out", "OUT"), ("run", "--resume", "OUT"), 12),
    Case("batch", ("batch", "DATA/*.npz", "--out", "OUT"), ("batch", "DATA/*.npz", "--out", "OUT"), 12),
    Case("chat", ("chat", "DATA/a.npz", "--out", "OUT"), ("chat", "--resume", "OUT"), 8),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three short series with one event each."""
    folder, steps = tmp_path_factory.mktemp("data"), np.arange(1200)
    for number, name in enumerate("abc"):
        values = np.sin(2 * np.pi * steps / (24 + 4 * number))
        values += 0.05 * np.random.default_rng(number).normal(size=len(steps))
        values[1000:1030] += 2
        np.savez(folder / name, values=values.astype(np.float32), train_end=900)
    return folder


def run_to(seconds: float, words: tuple[str, ...], data: Path, out: Path, everything: bool) -> bool:
    """Start a command, and kill it after some time, with all of its processes or alone; return whether it had ended."""
    given = [word.replace("DATA", str(data)).replace("OUT", str(out)) for word in words]
    log = out.with_suffix(".log")
    log.write_text("")
    process = start(given, log, typed=YES.get(words[0], ""))
    process.join(seconds)
    ended = process.exitcode is not None
    if ended:
        assert process.exitcode == 0, log.read_text()[-500:]
    else:
        (os.killpg if everything else os.kill)(process.pid, signal.SIGKILL)
        process.join()
    limit = time.monotonic() + 5
    while of_session(process.pid):
        assert time.monotonic() < limit, "workers outlive the command"
        time.sleep(0.02)
    return ended


def results(out: Path) -> dict[str, bytes]:
    """Return the results of a run folder, or of all items of a batch, without run times."""
    found = {
        str(path.relative_to(out)): path for path in out.rglob("*") if path.name in RESULTS or path.suffix == WEIGHTS
    }
    return {
        name: json.dumps(without_times(json.loads(path.read_bytes()))).encode()
        if path.name == "posttrain.json"
        else path.read_bytes()
        for name, path in found.items()
    }


def without_times(report: Any) -> Any:
    """Return a report without its run times."""
    if isinstance(report, dict):
        return {name: without_times(value) for name, value in report.items() if name != TIMES}
    return report


def left(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if LEFT.fullmatch(path.name)]


def kill_and_compare(case: Case, data: Path, folder: Path) -> None:
    quiet, killed, chance = folder / "quiet", folder / "killed", random.Random(case.name)
    run_to(TIMEOUT, ("--version",), data, folder / "version", True)  # starts the server that processes are forked from
    begin = time.monotonic()
    assert run_to(TIMEOUT, case.begin, data, quiet, True)
    usual, kills = time.monotonic() - begin, 0
    for number in range(case.kills):
        words = case.again(killed)
        kills += not run_to(chance.uniform(0.05, usual / 2), words, data, killed, number % 2 == 0)
    assert run_to(TIMEOUT, case.again(killed), data, killed, True)
    assert kills > case.kills // 3, f"{kills} kills"
    assert results(killed) == results(quiet) != {}
    assert not left(killed)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_random_kills_leave_the_same_results(case, data, tmp_path):
    kill_and_compare(case, data, tmp_path)


@pytest.mark.extended
def test_two_kills_of_a_mining_leave_the_same_bank(data, tmp_path):
    words = ("mine", "DATA/a.npz", "--out", "OUT")
    kill_and_compare(Case("mine", words, ("run", "--resume", "OUT"), 2), data, tmp_path)


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path):
    inside = tmp_path / "artefacts"
    inside.mkdir()
    (inside / ".bank.json.ab12cd_4").write_text("half")
    (tmp_path / ".detector.old").mkdir()
    kept = [tmp_path / name for name in (".talking.lock", "bank.json", ".lock", "a.b.ab12cd_4")]
    for path in kept:
        path.write_text("")
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == sorted([*kept, inside])
