"""Parameters of the backbone that post-training changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ape.detectors
from ape.core.errors import InputError
from ape.detectors.schedule import Budget
from ape.posttrain.discriminator import branches
from ape.posttrain.discriminator.adaptation import adapt
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.freezing import encoder_parameters, require_gradients
from ape.posttrain.normal_part import NormalPart
from ape.posttrain.recipe import Recipe
from ape.rules import broad_bank, build_context
from ape.series import from_array

WINDOW, TRAINED = 32, 1200


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(TRAINED) / 25) + 0.05 * rng.standard_normal(TRAINED)
    return from_array(wave[:, None].astype(np.float32), ["a"], TRAINED)


@pytest.fixture(scope="module")
def detector(series):
    detector = ape.detectors.create("vae", window=WINDOW, device="cpu")
    detector.budget = Budget(steps=20, batch=32, check_every=20)
    return detector.fit(series)


@pytest.fixture
def changed(series, monkeypatch):
    """Return the names of the backbone's tensors that joint steps with a policy change."""
    monkeypatch.setattr(branches, "STRETCHES", 20)
    monkeypatch.setattr(branches, "NORMALS", 10)
    bank = broad_bank(build_context(series), ["level_shift"])

    def names(detector, freeze):
        recipe = Recipe(steps=0, joint_steps=2, backbone_rate=1e-3, weight=1.0, freeze=freeze)
        normal = NormalPart(series.train, [(0, TRAINED)], [(0, TRAINED)])
        adapted = adapt(load_pretrained(), normal, bank, detector, torch.Generator().manual_seed(0), recipe)
        before, after = detector.module.state_dict(), adapted.backbone.module.state_dict()
        return {name for name in before if not torch.equal(before[name], after[name])}

    return names


def test_projection_only_changes_no_parameter(detector, changed):
    assert changed(detector, "projection-only") == set()


def test_nothing_frozen_changes_all_parameters(detector, changed):
    assert changed(detector, "none") == {name for name, _ in detector.module.named_parameters()}


def test_a_frozen_decoder_leaves_the_encoder_free(detector, changed):
    assert changed(detector, "decoder") == encoder_parameters(detector, torch.zeros(2, 1, WINDOW))


def test_all_but_last_changes_the_last_layer_of_the_encoder(detector, changed):
    names = changed(detector, "all-but-last")
    assert len({name.rpartition(".")[0] for name in names}) == 1
    assert names < encoder_parameters(detector, torch.zeros(2, 1, WINDOW))


def test_running_statistics_of_batch_norm_are_frozen(changed):
    module = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(WINDOW, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU()),
        torch.nn.Linear(8, WINDOW),
    )
    wrapped = ape.detectors.wrap(
        module, encoder="0", reconstruct=lambda m, x: m(x).view_as(x), window=WINDOW, scale=(0.0, 0.7), device="cpu"
    )
    names = changed(wrapped, "none")
    assert "inner.0.2.running_mean" not in names
    assert "inner.0.1.weight" in names


def test_a_reconstruction_without_gradient_is_refused():
    module = torch.nn.Sequential(torch.nn.Linear(WINDOW, WINDOW))
    wrapped = ape.detectors.wrap(module, "0", lambda m, x: m(x).detach(), WINDOW, scale=(0.0, 1.0), device="cpu")
    with pytest.raises(InputError, match="no gradient"):
        require_gradients(wrapped, torch.zeros(2, 1, WINDOW))
