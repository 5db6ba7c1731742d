"""What tests of several packages need."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from ape.core.checksums import CHECKSUMS
from ape.detectors.registry import BACKBONES
from ape.posttrain import DEFAULT, acceptance, enhance
from ape.rules import RuleBank
from ape.runs import Callbacks, Request, Run, execute
from ape.runs.execution import SILENT
from ape.series import Series
from ape.series.series import Gap


def mine_into(
    folder: Path, series: Series, callbacks: Callbacks = SILENT, log: Path | None = None, **options: Any
) -> RuleBank:
    """Mine a series of the test into a run folder, or resume the run there."""
    request = Request("mine", "series of the test", log=None if log is None else str(log))
    run = Run(folder, request, series) if folder.exists() else Run.create(folder, request, series)
    return execute(run, callbacks, **options).bank


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a copy of a folder that ``make`` fills once for all worker processes of this run of the tests.

    Parameters
    ----------
    factory : pytest.TempPathFactory
    name : str
        Name of the folder.
    make : callable
        Gets the path of the folder, which exists.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the workers have folders of their own in it
    folder, finished = root / name, root / f"{name}.finished"
    with FileLock(root / f"{name}.lock"):
        if not finished.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            finished.touch()
    return Path(shutil.copytree(folder, factory.mktemp(name) / name))


def unverified(folder: Path) -> Path:
    """Remove all checksums in a folder, so that it is like one of an earlier version; return it."""
    for path in [*folder.rglob(CHECKSUMS)]:
        path.unlink()
    return folder


@contextlib.contextmanager
def short_training(steps: int = 60) -> Iterator[None]:
    """Train backbones and discriminators for a few steps only, and decide on few implants."""
    recipe = replace(DEFAULT, steps=40, joint_steps=5)
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in BACKBONES.items():
            patch.setitem(BACKBONES, name, replace(entry, budget=replace(entry.budget, steps=steps, check_every=20)))
        patch.setattr(acceptance, "MOST_COPIES", 4)
        given = enhance.__defaults__ or ()
        patch.setattr(enhance, "__defaults__", tuple(recipe if each is DEFAULT else each for each in given))
        yield


def with_gaps(series: Series, *positions: int, missing: int = 1000) -> Series:
    """Return the series with long gaps before these positions."""
    return replace(series, gaps=tuple(Gap(position, missing, float(missing)) for position in positions))


def wait_for(page: Any, condition: str, seconds: float = 180) -> None:
    """Wait for a condition in a browser; Playwright's own function needs ``eval``, which our pages refuse."""
    ends = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < ends, condition
        page.wait_for_timeout(100)
