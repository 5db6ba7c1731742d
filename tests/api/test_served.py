"""Which folders are served, and under which names."""

from __future__ import annotations

import shutil

import pytest

from ape.api.served import open_all
from ape.core.errors import InputError


@pytest.mark.parametrize("inside", ["", "enhanced", "detector"])
def test_run_folders_and_folders_of_detectors(pump, inside):
    ((name, served),) = open_all([pump / inside]).items()
    assert name == served.name == (inside or "pump") and served.required.channels == ("load",)
    assert served.latency >= 39


def test_the_last_part_of_the_path_is_the_name(pump, monkeypatch):
    monkeypatch.chdir(pump)
    assert list(open_all(["."])) == ["pump"]


def test_two_folders_with_one_name(pump, tmp_path):
    shutil.copytree(pump, tmp_path / "pump")
    with pytest.raises(InputError, match="two folders have the name 'pump'"):
        open_all([pump, tmp_path / "pump"])


@pytest.mark.parametrize("name", ["a b", "-x", "ü", "x" * 65])
def test_names_that_cannot_be_served(tmp_path, name):
    with pytest.raises(InputError, match="cannot be the name"):
        open_all([tmp_path / name])


def test_a_detector_without_threshold(pump, tmp_path):
    shutil.copytree(pump / "enhanced", tmp_path / "enhanced")
    (tmp_path / "enhanced" / "threshold.json").unlink()
    with pytest.raises(InputError, match=r"threshold\.json"):
        open_all([tmp_path])
