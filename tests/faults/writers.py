"""The commands that write, and how each is resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watched_run import WatchedRun

TRAINED = 1500
RESULTS = (".csv", ".json", ".jsonl", ".safetensors", ".html", ".onnx")
CHANGES = ("run.json", "posttrain.json", "checksums.json", "spans.jsonl", "ledger.jsonl", "checkpoints.sqlite")
Words = Callable[[WatchedRun, Path], list[object]]  # given the run, and the folder where everything is written


@dataclass(frozen=True)
class Writer:
    """A command that writes.

    Parameters
    ----------
    begin : callable
        Returns its words.
    again : callable, optional
        Returns the words to resume it, if ``made`` is there; by default they are the same.
    made : str
        What is there once ``again`` is to be used.
    typed : str
        Standard input.
    given : bool
        Whether it changes a run, of which a copy is in the folder.
    reports : bool
        Whether it reports what it does on the standard error, before the last line.
    """

    begin: Words
    again: Words | None = None
    made: str = "out"
    typed: str = ""
    given: bool = False
    reports: bool = False

    def words(self, run: WatchedRun, folder: Path) -> list[object]:
        """Return the words to begin it, or to resume it."""
        resumes = self.again is not None and (folder / self.made).exists()
        return self.again(run, folder) if resumes and self.again is not None else self.begin(run, folder)

    def prepare(self, run: WatchedRun, folder: Path) -> None:
        """Put what it needs into its folder."""
        if self.given:
            shutil.copytree(run.folder, folder / "run")


def _given(run: WatchedRun) -> list[object]:
    return [run.training, "--train-end", TRAINED]


def _manifest(run: WatchedRun) -> Path:
    """Return a manifest of two series."""
    path = run.folder.parent / "many.csv"
    rows = [f"{name},{run.training},{TRAINED}" for name in ("one", "two")]
    path.write_text("\n".join(["name,path,train_end", *rows, ""]))
    return path


def _bench(run: WatchedRun) -> Path:
    path = run.folder.parent / "bench.json"
    path.write_text(json.dumps({"scenarios": ["stirred_reactor"], "series_per_scenario": 1, "length": 3000}))
    return path


def _resume(run: WatchedRun, folder: Path) -> list[object]:
    return ["run", "--resume", folder / "out"]


WRITERS: dict[str, Writer] = {
    "mine": Writer(lambda run, folder: ["mine", *_given(run), "--out", folder / "out"], _resume),
    "train": Writer(lambda run, folder: ["train", *_given(run), "--out", folder / "out"]),
    "enhance": Writer(
        lambda run, folder: [
            *("enhance", *_given(run), "--out", folder / "out"),
            *("--detector", run.folder, "--bank", run.folder),
        ]
    ),
    "score": Writer(lambda run, folder: ["score", run.new, "--detector", run.folder, "--out", folder / "out"]),
    "score many": Writer(
        lambda run, folder: ["score", _manifest(run), "--detector", run.folder, "--out", folder / "out"]
    ),
    "batch": Writer(lambda run, folder: ["batch", _manifest(run), "--out", folder / "out"]),
    "chat": Writer(
        lambda run, folder: ["chat", *_given(run), "--out", folder / "out"],
        lambda run, folder: ["chat", "--resume", folder / "out"],
        typed="mine\nquit\n",
    ),
    "watch": Writer(
        lambda run, folder: ["watch", folder / "run", "--input", run.new, "--once", "--out", folder / "events.jsonl"],
        given=True,
        reports=True,
    ),
    "events": Writer(lambda run, folder: ["events", folder / "run", "--alerts-per", "day=3", "--save"], given=True),
    "trace page": Writer(lambda run, folder: ["trace", folder / "run", "--html"], given=True),
    "export": Writer(lambda run, folder: ["export", run.folder, "--out", folder / "out"]),
    "bench": Writer(lambda run, folder: ["bench", "make", "--config", _bench(run), "--out", folder / "out"]),
    "pretrain": Writer(lambda run, folder: ["pretrain", "--processes", 40, "--steps", 60, "--out", folder / "out"]),
    "run": Writer(lambda run, folder: ["run", *_given(run), "--out", folder / "out"], _resume),
    "batch enhance": Writer(lambda run, folder: ["batch", _manifest(run), "--enhance", "--out", folder / "out"]),
}


def results(folder: Path) -> dict[str, bytes]:
    """Return the results that a command has written, by name, without those that have run times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in RESULTS and path.name not in CHANGES and path.suffix != ".html"
    }
