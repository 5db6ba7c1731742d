"""Saving and loading enhanced detectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ape.core.errors import InputError
from ape.posttrain import EnhancedDetector, load


@pytest.fixture
def model(enhanced):
    return enhanced.detector


@pytest.fixture
def folder(model, tmp_path):
    model.save(tmp_path / "enhanced")
    return tmp_path / "enhanced"


def test_loaded_detector_has_the_same_scores(model, folder, series):
    loaded = load(folder)
    assert isinstance(loaded, EnhancedDetector)
    np.testing.assert_array_equal(model.score(series), loaded.score(series))


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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "enhanced", "format": 99}', '{"kind": "nonsense"}'])
def test_malformed_description_is_refused(folder, text):
    (folder / "detector.json").write_text(text)
    with pytest.raises(InputError):
        load(folder)


@pytest.mark.parametrize("inputs", [[], {}, None, 3, ["nonsense"], ["nearest"]])
def test_other_inputs_of_the_heads_are_refused(folder, inputs):
    path = folder / "detector.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": inputs}))
    with pytest.raises(InputError, match="do not match"):
        load(folder)


@pytest.mark.parametrize("name", ["detector.json", "posttrain.safetensors", "backbone"])
def test_missing_part_is_refused(folder, name):
    (folder / name).rename(folder.parent / "gone")
    with pytest.raises(InputError):
        load(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("values", lambda t: t[:10]),
        ("values", lambda t: t.flatten()),
        ("values", lambda t: t * float("nan")),
        ("memory_starts", lambda t: t + 10**6),
        ("memory_starts", lambda t: t.float()),
        ("memory_starts", lambda t: 0 * t),
        ("segments", lambda t: t + 10),
        ("segments", lambda t: t[0]),
        ("calibration.knots", lambda t: t[:2]),
        ("calibration.excess", lambda t: t * float("inf")),
        ("calibration.excess", lambda t: 0 * t),
        ("calibration.weights", lambda t: t.int()),
        ("calibration.knots", lambda t: -t),
        ("calibration.window_bounds", lambda t: -t),
        ("representation.centres", lambda t: t[:, :5]),
        ("representation.centres", lambda t: t * float("nan")),
        ("representation.latent_mean", lambda t: t.int()),
        ("representation.error_scales", lambda t: 0 * t),
        ("representation.heads.0.weight", lambda t: t.mT.contiguous()),
        ("representation.error_scales", None),
    ],
)
def test_tensors_that_do_not_match_are_refused(folder, name, change):
    path = folder / "posttrain.safetensors"
    tensors = load_file(path)
    tensor = tensors.pop(name)
    if change:
        tensors[name] = change(tensor).clone()
    save_file(tensors, path)
    with pytest.raises(InputError, match="do not match"):
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
    expected = {"kind": "enhanced", "format": 6, "window": 32, "inputs": ["residual", "nearest"], "required": required}
    assert description == expected
    assert torch.is_tensor(load_file(folder / "posttrain.safetensors")["values"])
