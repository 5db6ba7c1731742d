"""Disks that are full, or become full at a random moment: one true line, nothing half-written, and a rerun resumes.

``python -m pytest -m faults -rP tests/faults/test_shortages.py`` prints counts.
"""

from __future__ import annotations

import random
import sys

import pytest
from faults.shortages import Fault, change, disk, run, used
from faults.writers import WRITERS, results
from watched_run import WatchedRun

from ape.core.temporaries import LEFT

ROOM = 2**30
POINTS = 3
FULL = ("No space left", "disk is full")


def left(folder) -> list:
    return [path for path in folder.rglob("*") if LEFT.fullmatch(path.name)]


def full_disks(name: str, points: int, watched_run: WatchedRun, tmp_path) -> dict[str, str]:
    """Return what went wrong, by the free bytes of a disk."""
    writer, chance, wrong = WRITERS[name], random.Random(name), {}
    with disk(tmp_path / "roomy", ROOM) as folder:
        writer.prepare(watched_run, folder)
        before = used(folder)
        ended = run(writer, watched_run, folder, tmp_path, Fault())
        assert ended.code == 0, (ended.errors, ended.out[-500:])
        quiet, written = results(folder), used(folder) - before
    for number in range(points):
        free = chance.randrange(max(written, 1)) // 4096 * 4096 if number else 0
        with disk(tmp_path / f"disk{number}", ROOM) as folder:
            writer.prepare(watched_run, folder)
            change(folder, f"size={max(used(folder) + free, 4096)}")
            ended = run(writer, watched_run, folder, tmp_path, Fault(), TMPDIR=str(folder))
            enough = number > 0 and ended.code == 0 and results(folder) == quiet
            why = "" if enough else ended.wrong(*FULL)
            if found := left(folder):
                why = f"{why}; left: {[path.name for path in found]}"
            change(folder, f"size={ROOM}")
            again = run(writer, watched_run, folder, tmp_path, Fault())
            if again.code != 0:
                why = f"{why}; again: {again.code} {again.errors[-1:]}"
            elif (now := results(folder)) != quiet:
                why = f"{why}; again: other results: {[k for k in {*now, *quiet} if now.get(k) != quiet.get(k)][:5]}"
        if why:
            wrong[f"{free} of {written}"] = why
    sys.stdout.write(f"{name}: {points} disks that became full, {points - len(wrong)} held\n")
    return wrong


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_becomes_full(name, watched_run, tmp_path):
    assert full_disks(name, POINTS, watched_run, tmp_path) == {}
