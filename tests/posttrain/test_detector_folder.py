"""Saving and loading enhanced detectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support import unverified

import ape.detectors
from ape.core.errors import InputError
from ape.posttrain import EnhancedDetector, load
from ape.series import from_array

from .conftest import WINDOW


@pytest.fixture(scope="module")
def model(enhanced):
    return enhanced.candidate


@pytest.fixture
def folder(model, tmp_path):
    """A saved detector whose files may be changed."""
    model.save(tmp_path / "enhanced")
    return unverified(tmp_path / "enhanced")


def test_changed_files_are_refused(model, tmp_path):
    model.save(tmp_path / "enhanced")
    for path in [path for path in (tmp_path / "enhanced").rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
        with pytest.raises(InputError, match=r"checksums is damaged|changed or damaged"):
            load(tmp_path / "enhanced")
        path.write_bytes(whole)
    assert load(tmp_path / "enhanced").kept == model.kept


def test_loaded_detector_has_the_same_scores_and_explanations(model, folder, planted):
    series, _ = planted
    loaded = load(folder)
    assert isinstance(loaded, EnhancedDetector)
    np.testing.assert_array_equal(model.score(series), loaded.score(series))
    shown, again = (each.explain(series, 1500, 1700) for each in (model, loaded))
    np.testing.assert_array_equal(shown.posterior, again.posterior)
    assert shown.rules == again.rules and loaded.bank == model.bank


def test_voices_that_are_kept_are_saved(model, series, tmp_path):
    model.keeping("free").save(tmp_path / "free")
    loaded = load(tmp_path / "free")
    assert loaded.kept == "free"
    np.testing.assert_array_equal(loaded.score(series), model.voices(series)["free"])


def test_saving_twice_replaces_the_folder_and_leaves_no_other_files(model, folder):
    model.save(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["enhanced"]
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_plain_detectors_are_loaded(detector, series, tmp_path):
    detector.save(tmp_path / "plain")
    np.testing.assert_array_equal(detector.score(series), load(tmp_path / "plain").score(series))


def test_truncated_weights_are_refused(folder):
    path = folder / "posttrain.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"posttrain\.safetensors"):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "enhanced", "format": 6}', '{"kind": "nonsense"}'])
def test_malformed_description_is_refused(folder, text):
    (folder / "detector.json").write_text(text)
    with pytest.raises(InputError):
        load(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kept", "original"),
        ("kept", None),
        ("kept", ["both"]),
        ("latency", 0),
        ("latency", "512"),
        ("latency", 128),
        ("required", []),
    ],
)
def test_changed_description_is_refused(folder, field, value):
    path = folder / "detector.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(InputError, match=field):
        load(folder)


@pytest.mark.parametrize("name", ["detector.json", "posttrain.safetensors", "bank.json", "backbone"])
def test_missing_part_is_refused(folder, name):
    (folder / name).rename(folder.parent / "gone")
    with pytest.raises(InputError):
        load(folder)


def test_bank_of_other_rules_is_refused(folder):
    path = folder / "bank.json"
    bank = json.loads(path.read_text())
    del bank["rules"][0]
    path.write_text(json.dumps(bank))
    with pytest.raises(InputError, match="do not match"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("values", lambda t: t[:10]),
        ("values", lambda t: t.flatten()),
        ("values", lambda t: t.repeat(1, 2)),
        ("values", lambda t: t * float("nan")),
        ("values", lambda t: t.double()),
        ("segments", lambda t: t + 10),
        ("segments", lambda t: t[0]),
        ("segments", lambda t: t[:0]),
        ("clean", lambda t: t.flip(1)),
        ("clean", lambda t: t - 1),
        ("clean", lambda t: t.float()),
        ("calibration/quantiles", lambda t: t[:, :5]),
        ("calibration/quantiles", lambda t: t[:3]),
        ("calibration/quantiles", lambda t: t[1:]),
        ("calibration/quantiles", lambda t: -t),
        ("calibration/excess", lambda t: t * float("inf")),
        ("calibration/excess", lambda t: 0 * t),
        ("calibration/excess", lambda t: t[1:]),
        ("calibration/bank", lambda t: t[:1]),
        ("calibration/generic", lambda t: t.float()),
        ("calibration/generic", None),
        ("backbone/size", lambda t: 0 * t),
        ("backbone/size", lambda t: t[:, :5]),
        ("backbone/centre", None),
        ("model/moved", lambda t: t[:1]),
        ("model/moved", lambda t: t * float("nan")),
        ("model/moved", lambda t: t.double()),
        ("model/network.enter.weight", None),
        ("network/prototypes", lambda t: t.mT.contiguous()),
        ("network/nonsense", lambda _: torch.zeros(1)),
    ],
)
def test_tensors_that_do_not_match_are_refused(folder, name, change):
    path = folder / "posttrain.safetensors"
    tensors = load_file(path)
    tensor = tensors.pop(name, None)
    if change:
        tensors[name] = change(tensor).clone()
    save_file(tensors, path)
    with pytest.raises(InputError, match="do not match") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_training_part_of_another_length_is_refused(folder):
    path = folder / "posttrain.safetensors"
    tensors = load_file(path)
    for name in ("segments", "clean"):
        tensors[name] = torch.tensor([[0, 300]])
    save_file(tensors | {"values": tensors["values"][:300].clone()}, path)
    with pytest.raises(InputError, match="do not match"):
        load(folder)


def test_backbone_of_other_channels_is_refused(folder, wave):
    two = from_array(np.stack([wave(400), wave(400, seed=1)], axis=1))
    other = ape.detectors.create("vae", window=WINDOW, device="cpu").fit(two)
    other.save(folder / "backbone")
    with pytest.raises(InputError, match="different channels"):
        load(folder)


def test_description_contains_no_path_or_time(folder):
    description = json.loads((folder / "detector.json").read_text())
    lowest, highest, changes, errors = (
        description["required"].pop(name) for name in ("lowest", "highest", "changes", "errors")
    )
    assert lowest[0] < highest[0] and len(changes) == len(errors) == 1 and changes[0] > 0 and errors[0] > 0
    required = {
        "channels": ["value"], "offset": [], "step": None, "named": False, "counters": [], "standstills": [1],
        "zone": None,
    }  # fmt: skip
    expected = {"kind": "enhanced", "format": 9, "kept": "both", "latency": 256, "required": required}
    assert description == expected
    assert torch.is_tensor(load_file(folder / "posttrain.safetensors")["values"])
