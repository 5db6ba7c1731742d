"""Detector folders: round trips, failing disks, damaged files."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support import unverified

import ape.detectors
from ape.core.errors import InputError


@pytest.fixture
def folder(vae, tmp_path):
    vae.save(tmp_path / "model")
    return unverified(tmp_path / "model")


def refused(folder, file):
    """Return the error of loading, which must name ``file`` and give a hint."""
    with pytest.raises(InputError) as caught:
        ape.detectors.load(folder)
    assert str(folder / file) in caught.value.where
    assert caught.value.hint
    return caught.value


def no_space(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def failing(call, real):
    """Return ``real`` with a failure at its ``call``-th call."""
    calls = iter(range(1, 100))
    return lambda *args: no_space() if next(calls) == call else real(*args)


def tampered(folder, **fields):
    path = folder / "detector.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_loaded_detector_gives_identical_scores(detector, series, tmp_path):
    detector.save(tmp_path / "model")
    loaded = ape.detectors.load(tmp_path / "model")
    np.testing.assert_array_equal(detector.score(series), loaded.score(series))
    assert loaded.window == detector.window


def test_options_and_channels_are_restored(make, two_channels, tmp_path):
    trained = make("vae", steps=3, latent=2, hidden=(16, 12)).fit(two_channels)
    trained.save(str(tmp_path / "model"))
    loaded = ape.detectors.load(str(tmp_path / "model"))
    np.testing.assert_array_equal(trained.score(two_channels), loaded.score(two_channels))
    loaded.save(tmp_path / "again")
    for name in ("detector.json", "weights.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_folder_has_three_files_without_paths(vae, tmp_path):
    vae.save(tmp_path / "model")
    names = ["checksums.json", "detector.json", "weights.safetensors"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == names
    assert not any(str(tmp_path) in (tmp_path / "model" / name).read_text() for name in names[:2])


@pytest.mark.parametrize("name", ["detector.json", "weights.safetensors"])
def test_a_flipped_bit_is_refused(vae, tmp_path, name):
    vae.save(tmp_path / "model")
    path = tmp_path / "model" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:])
    assert "changed or damaged" in refused(tmp_path / "model", name).what


def test_saving_creates_parent_folders(vae, series, tmp_path):
    vae.save(tmp_path / "a" / "b")
    np.testing.assert_array_equal(ape.detectors.load(tmp_path / "a" / "b").score(series), vae.score(series))


def test_saving_again_replaces_the_folder(vae, folder, series, make):
    other = make("vae", steps=3).fit(series, seed=1)
    other.save(folder)
    np.testing.assert_array_equal(ape.detectors.load(folder).score(series), other.score(series))
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("call", [1, 2], ids=["weights", "configuration"])
def test_full_disk_leaves_nothing(vae, tmp_path, monkeypatch, call):
    monkeypatch.setattr(os, "fsync", failing(call, os.fsync))
    with pytest.raises(InputError, match="No space left"):
        vae.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", [1, 2], ids=["weights", "configuration"])
def test_full_disk_keeps_the_earlier_detector(vae, folder, make, series, monkeypatch, call):
    other = make("vae", steps=3).fit(series, seed=1)
    monkeypatch.setattr(os, "fsync", failing(call, os.fsync))
    with pytest.raises(InputError, match="No space left"):
        other.save(folder)
    np.testing.assert_array_equal(ape.detectors.load(folder).score(series), vae.score(series))
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_full_disk_without_temporary_folder(vae, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "mkdtemp", no_space)
    with pytest.raises(InputError, match="No space left") as caught:
        vae.save(tmp_path / "model")
    assert str(tmp_path / "model") in caught.value.where
    assert list(tmp_path.iterdir()) == []


def test_failing_rename_leaves_nothing_and_names_the_folder(vae, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "rename", no_space)
    with pytest.raises(InputError, match="model"):
        vae.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_failing_rename_keeps_the_earlier_detector(vae, folder, monkeypatch):
    monkeypatch.setattr(Path, "rename", failing(2, Path.rename))
    with contextlib.suppress(OSError, InputError):
        vae.save(folder)
    assert (folder / "detector.json").is_file()


def test_parent_that_is_a_file_is_refused(vae, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="cannot write"):
        vae.save(tmp_path / "taken" / "model")
    assert (tmp_path / "taken").read_text() == "mine"


def test_saving_never_deletes_other_files(vae, tmp_path):
    notes = tmp_path / "results" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    with contextlib.suppress(InputError):
        vae.save(tmp_path / "results")
    assert notes.is_file()


@pytest.mark.parametrize("size", [0, 5, 100, -1, -400])
def test_truncated_weights_are_refused(folder, size):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    refused(folder, path.name)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.popitem(),
        lambda tensors: tensors.update(extra=torch.zeros(2)),
        lambda tensors: tensors.update({"mean.weight": tensors["mean.weight"][:1].clone()}),
        lambda tensors: tensors.update({"mean.weight": tensors["mean.weight"].int()}),
    ],
    ids=["missing", "additional", "other shape", "other type"],
)
def test_weights_that_do_not_fit_are_refused(folder, change):
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    assert "do not fit" in refused(folder, path.name).what


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, value):
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    tensors["mean.weight"][0, 0] = value
    save_file(tensors, path)
    assert "'mean.weight' is not finite" in refused(folder, path.name).what


@pytest.mark.parametrize("file", ["detector.json", "weights.safetensors"])
def test_missing_file_is_refused(folder, file):
    (folder / file).unlink()
    refused(folder, file)


def test_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "detector.json")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"format": 1}'])
def test_invalid_json_is_refused(folder, data):
    (folder / "detector.json").write_bytes(data)
    refused(folder, "detector.json")


@pytest.mark.parametrize("fields", [{"format": 2}, {"format": "1"}, {"window": "24"}, {"options": []}, {"shift": 0.0}])
def test_fields_of_other_types_are_refused(folder, fields):
    tampered(folder, **fields)
    refused(folder, "detector.json")


def test_window_that_does_not_fit_the_weights_is_refused(folder):
    tampered(folder, window=48)
    assert "do not fit" in refused(folder, "weights.safetensors").what


@pytest.mark.parametrize(
    "fields",
    [
        {"backbone": "hourglass"},
        {"options": {"depth": 3}},
        {"options": {"latent": "many"}},
        {"options": {"latent": -2}},
        {"options": {"hidden": []}},
        {"window": 2},
        {"window": True},
        {"shift": ["zero"]},
        {"shift": [[0.0]]},
        {"scale": [None]},
        {"scale": [0.0]},
        {"scale": [float("nan")]},
        {"scale": [1.0, 2.0]},
        {"scale": [1e-50]},
        {"shift": [1e300]},
    ],
    ids=str,
)
def test_invalid_values_are_refused(folder, fields):
    tampered(folder, **fields)
    refused(folder, "detector.json")
