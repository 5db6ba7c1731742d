"""Folders of wrapped detectors: saving, loading into a module, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_network import Foreign, same, state, wrapped
from torch import nn

import ape.detectors
from ape.core.errors import InputError


def test_loading_needs_a_wrapped_module(trained, tmp_path):
    wrapped(trained).save(tmp_path / "model")
    with pytest.raises(InputError, match="foreign module") as caught:
        ape.detectors.load(tmp_path / "model")
    assert "into=" in caught.value.hint and str(tmp_path / "model") in caught.value.where


def test_detector_is_loaded_into_a_new_module(trained, series, tmp_path):
    wrapped(trained, scale=(7.0, 2.0)).save(tmp_path / "model")
    new = Foreign()
    loaded = ape.detectors.load(tmp_path / "model", into=wrapped(new, scale="train"))
    assert ape.detectors.unwrap(loaded) is new and same(new.state_dict(), trained.state_dict())
    np.testing.assert_array_equal(loaded.score(series), wrapped(trained, scale=(7.0, 2.0)).score(series))


@pytest.mark.parametrize(
    ("into", "what"),
    [
        (lambda: wrapped(Foreign(channels=2)), "do not fit"),
        (lambda: wrapped(Foreign(), window=12), "window=24"),
        (lambda: wrapped(Foreign(), encoder="body.widen"), r"encoder='body\.neck'"),
        (lambda: Foreign(), "cannot load into a Foreign"),
    ],
    ids=["module", "window", "encoder", "not wrapped"],
)
def test_loading_into_another_module_is_refused_without_changes(trained, tmp_path, into, what):
    wrapped(trained).save(tmp_path / "model")
    other = into()
    module = other if isinstance(other, nn.Module) else ape.detectors.unwrap(other)
    before = state(module)
    with pytest.raises(InputError, match=what):
        ape.detectors.load(tmp_path / "model", into=other)
    assert same(before, module.state_dict())


def test_loading_a_backbone_into_a_wrapped_module_is_refused(vae, tmp_path):
    vae.save(tmp_path / "model")
    with pytest.raises(InputError, match="the folder has a 'vae'"):
        ape.detectors.load(tmp_path / "model", into=wrapped(Foreign()))


def test_tied_weights_are_saved_and_loaded(tmp_path):
    module = Foreign()
    module.body["mirror"] = module.body["neck"]
    wrapped(module).save(tmp_path / "model")
    other = Foreign()
    other.body["mirror"] = other.body["neck"]
    ape.detectors.load(tmp_path / "model", into=wrapped(other))
    assert same(module.state_dict(), other.state_dict())
