"""Files that would take all memory are refused before they are read, in less than 500 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.bombs import BOMBS

MOST = 500_000_000  # bytes, of which the imports take 200
SHORT = ("shape.npz", "overflow.npz", "shape.npy", "zeros.npz", "plain.csv.zst", "rows.feather", "zeros within.csv")


def outcome(names, folder: Path) -> dict:
    for name in names:
        BOMBS[name](folder / name)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "faults.bombs", folder],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_bombs_are_refused_early(tmp_path):
    found = outcome(SHORT, tmp_path)
    assert found["wrong"] == {}
    assert found["memory"] < MOST


@pytest.mark.faults
def test_all_bombs_are_refused_early(tmp_path):
    found = outcome(BOMBS, tmp_path)
    assert found["wrong"] == {}
    assert found["memory"] < MOST
