"""Training into a folder: the checkpoint and the result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ape.detectors
from ape.detectors.registry import BACKBONES
from ape.detectors.train_into_folder import train_into_folder


class Killed(Exception):
    """Ends training early."""


def test_training_resumes_from_its_checkpoint_and_deletes_it(series, tmp_path, monkeypatch):
    def kill_at_second_report(step, done, total, note=""):
        reports.append(step)
        if len(reports) == 2:
            raise Killed

    monkeypatch.setitem(BACKBONES, "vae", replace(BACKBONES["vae"], budget=replace(BACKBONES["vae"].budget, steps=60)))
    whole = train_into_folder("vae", series, tmp_path / "whole" / "detector")
    target = tmp_path / "killed" / "detector"
    reports = []
    with pytest.raises(Killed):
        train_into_folder("vae", series, target, progress=kill_at_second_report)
    assert [path.name for path in target.parent.iterdir()] == ["training.safetensors"]
    steps = []
    train_into_folder("vae", series, target, progress=lambda step, done, total, note="": steps.append(done))
    assert steps[0] > 1
    assert [path.name for path in target.parent.iterdir()] == ["detector"]
    np.testing.assert_array_equal(ape.detectors.load(target).score(series), whole.score(series))
