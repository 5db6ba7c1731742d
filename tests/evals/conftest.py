"""Labelled development data for the tests of experiments."""

from __future__ import annotations

import numpy as np
import pytest

from ape.evals.reuse import forget


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Forget detectors of other tests."""
    forget()


@pytest.fixture
def ucr_names(tmp_path, monkeypatch):
    """Names of three UCR series in APE_DEV_DATA, the first two of one recording, with an event at [700, 720)."""
    folder = tmp_path / "data" / "ucr"
    folder.mkdir(parents=True)
    names = ["001_DISTORTEDECG1", "002_ECG2", "003_insectEPG7"]
    for k, name in enumerate(names):
        values = np.sin(np.arange(900) / (4 + k)) + 0.05 * np.random.default_rng(k).normal(size=900)
        values[700:720] += 1
        np.savez(folder / f"{name}.npz", values=values, train_end=500)
    (folder / "index.csv").write_text("series,family,length,text\n" + "".join(f"{n},f,900,A wave.\n" for n in names))
    (folder / "labels.csv").write_text("series,begin,end\n" + "".join(f"{n},700,720\n" for n in names))
    monkeypatch.setenv("APE_DEV_DATA", str(folder.parent))
    return names
