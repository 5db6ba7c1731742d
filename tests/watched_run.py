"""A finished run of a small detector, and new data for it; the tests of several packages share it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import made_once, short_training

from ape.cli.main import main
from ape.monitor import Threshold
from ape.posttrain import EnhancedDetector, load
from ape.watch.rows import Rows

TRAINED, NEW = 1500, 600
ANOMALY = slice(300, 340)  # of the new rows: the level is 15 higher
BEGIN = pd.Timestamp("2026-03-02")


@dataclass(frozen=True)
class WatchedRun:
    """A run folder with an enhanced detector of one channel, ``load``, with a row each minute.

    Parameters
    ----------
    folder : Path
        Of the run: ``detector``, ``enhanced``, ``bank.json`` and so on.
    training, new : Path
        CSV files with the columns ``time`` and ``load``; the second continues the first.
    rows : Rows
        Those of ``new``.
    """

    folder: Path
    training: Path
    new: Path
    rows: Rows

    @property
    def detector(self) -> EnhancedDetector:
        """The enhanced detector."""
        return load(self.folder / "enhanced")

    @property
    def threshold(self) -> Threshold:
        """Threshold of the enhanced detector."""
        return Threshold.load(self.folder / "enhanced")


def made_values(length: int, seed: int = 0) -> np.ndarray:
    """Return a periodic level between 42 and 56 with noise, [length]; two decimals."""
    at = np.arange(length)
    noise = np.random.default_rng(seed).standard_normal(length)
    return (50 + 5 * np.sin(2 * np.pi * at / 40) + 2 * np.sin(4 * np.pi * at / 40 + 1) + 0.3 * noise).round(2)


def made_rows(values: np.ndarray, first: int = TRAINED) -> Rows:
    """Return rows of values [m], without gaps, ``first`` minutes after the begin of the training data."""
    time = pd.date_range(BEGIN + pd.Timedelta(minutes=first), periods=len(values), freq="1min").to_numpy()
    nothing = np.zeros(len(values), dtype=bool)
    return Rows(values[:, None], time, nothing, nothing)


@pytest.fixture(scope="session")
def watched_run(tmp_path_factory, one_thread) -> WatchedRun:
    """``ape run``, and 600 new rows with one clear anomaly. Tests must not change the folder: copy it."""
    values = made_values(TRAINED + NEW)
    values[TRAINED:][ANOMALY] += 15

    def make(folder: Path) -> None:
        time = pd.date_range(BEGIN, periods=TRAINED + NEW, freq="1min")
        frame = pd.DataFrame({"time": time, "load": values})
        frame[:TRAINED].to_csv(folder / "load.csv", index=False)
        frame[TRAINED:].to_csv(folder / "new.csv", index=False)
        words = ["run", str(folder / "load.csv"), "--train-end", str(TRAINED), "--out", str(folder / "run"), "--quiet"]
        with short_training(), contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(words) == 0, out.getvalue()

    folder = made_once(tmp_path_factory, "watched", make)
    return WatchedRun(folder / "run", folder / "load.csv", folder / "new.csv", made_rows(values[TRAINED:]))


@pytest.fixture(scope="session")
def values_of():
    """Return `made_values`."""
    return made_values


@pytest.fixture(scope="session")
def rows_of():
    """Return `made_rows`."""
    return made_rows


@pytest.fixture(scope="session")
def short_run(one_thread):
    """Return `main` with short training."""

    def run(words: list[str]) -> int:
        with short_training():
            return main(words)

    return run
