"""The ``ape`` command in this process and in a separate one, and one finished run that tests share."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import made_once, short_training

from ape.cli.main import main

LENGTH, TRAIN_END = 1500, 1000


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Finished:
    """A finished run and its output."""

    folder: Path
    out: str


def run_here(*argv: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in argv])
    return Outcome(code, out.getvalue(), err.getvalue())


def run_separately(*argv: object) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "ape.cli.main", *map(str, argv)], capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def ape() -> Callable[..., Outcome]:
    """Run a command in this process."""
    return run_here


@pytest.fixture
def refused(ape) -> Callable[..., str]:
    """Run a command that must be refused with exit code 2, and return its one line."""

    def run(*argv: object) -> str:
        outcome = ape(*argv)
        assert outcome.code == 2
        assert outcome.err.startswith("ape: ") and outcome.err.count("\n") == 1 and outcome.err.endswith("\n")
        return outcome.err

    return run


@pytest.fixture(scope="session")
def spawn() -> Callable[..., Outcome]:
    """Run a command in a separate process."""
    return run_separately


@pytest.fixture
def quick_training() -> Iterator[None]:
    """Train for a few steps only."""
    with short_training():
        yield


@pytest.fixture(scope="session")
def wave() -> np.ndarray:
    steps = np.arange(LENGTH)
    noise = np.random.default_rng(0).normal(size=LENGTH)
    return np.sin(2 * np.pi * steps / 30) + 0.3 * np.sin(4 * np.pi * steps / 30 + 1) + 0.05 * noise


@pytest.fixture(scope="session")
def data(tmp_path_factory, wave) -> Path:
    """The wave as a file."""

    def make(folder: Path) -> None:
        np.savez(folder / "wave.npz", values=wave, train_end=TRAIN_END)

    return made_once(tmp_path_factory, "data", make) / "wave.npz"


@pytest.fixture(scope="session")
def finished(tmp_path_factory, data) -> Finished:
    """``ape run`` on the wave, never interrupted."""

    def make(folder: Path) -> None:
        with short_training():
            outcome = run_here("run", data, "--out", folder / "wave")
        assert (outcome.code, outcome.err) == (0, "")
        (folder / "out").write_text(outcome.out)

    folder = made_once(tmp_path_factory, "runs", make)
    return Finished(folder / "wave", (folder / "out").read_text())


@pytest.fixture
def csv(tmp_path) -> Callable[..., Path]:
    """Write a CSV file with one named column and a step count, so that an empty cell is not an empty line."""

    def write(values, name: str = "series.csv", header: str = "time,value") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *(f"{i},{value}" for i, value in enumerate(values))]) + "\n")
        return path

    return write


@pytest.fixture
def bad_bank(finished, tmp_path):
    """Write a changed bank of the finished run."""

    def write(change: Callable[[dict], Any]) -> Path:
        body = json.loads((finished.folder / "bank.json").read_text())
        change(body)
        path = tmp_path / "bank.json"
        path.write_text(json.dumps(body))
        return path

    return write
