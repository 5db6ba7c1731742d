"""A finished run with a conversation and a watch, which the tests damage."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from faults.calls import call
from faults.damage import copied
from support import short_training

TRAINED, NEW, ANOMALY = 1200, 160, slice(1260, 1300)


@dataclass(frozen=True)
class MadeRun:
    """A run folder and its data.

    Parameters
    ----------
    folder : Path
        Of the run.
    data, new : Path
        CSV files: of the run, and rows that follow.
    rule : str
        Name of a rule of its bank.
    """

    folder: Path
    data: Path
    new: Path
    rule: str = ""

    @classmethod
    def of(cls, folder: Path, data: Path, new: Path) -> MadeRun:
        """Return a run that is there."""
        return cls(folder, data, new, json.loads((folder / "bank.json").read_text())["rules"][0]["id"])

    def copy_into(self, folder: Path) -> MadeRun:
        """Return a copy of the run."""
        return replace(self, folder=copied(self.folder, folder))


def make_run(folder: Path) -> MadeRun:
    """Run, converse, watch and label an event, with short training; return what was made before if it is there."""
    made = MadeRun(folder / "run", folder / "load.csv", folder / "new.csv")
    if made.folder.exists():
        return MadeRun.of(made.folder, made.data, made.new)
    folder.mkdir(exist_ok=True)
    at = np.arange(TRAINED + NEW)
    noise = np.random.default_rng(0).standard_normal(len(at))
    values = (50 + 5 * np.sin(2 * np.pi * at / 40) + 2 * np.sin(4 * np.pi * at / 40 + 1) + 0.3 * noise).round(2)
    values[ANOMALY] += 15
    frame = pd.DataFrame({"time": pd.date_range("2026-03-02", periods=len(at), freq="1min"), "load": values})
    frame.to_csv(made.data, index=False)
    frame[TRAINED:].to_csv(made.new, index=False)
    (folder / "notes.txt").write_text("Sometimes the pump sticks and the load stays level for ten minutes.\n")
    run = ["run", made.data, "--train-end", TRAINED, "--text", folder / "notes.txt", "--out", made.folder]
    with short_training():
        for words in (
            run,
            ["chat", "--resume", made.folder],
            ["watch", made.folder, "--input", made.new, "--once", "--out", folder / "events.jsonl"],
        ):
            done = call(words, "show me the events\nquit\n")
            assert (done.code, done.crash) == (0, ""), (done.crash, done.err)
    event = json.loads((folder / "events.jsonl").read_text().splitlines()[0])["id"]
    assert call(["alerts", made.folder, event, "--false"]).code == 0
    return MadeRun.of(made.folder, made.data, made.new)
