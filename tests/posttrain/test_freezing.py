"""Parameters of the backbone that post-training changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import ape.detectors
from ape.posttrain.engine import train
from ape.posttrain.freezing import encoder_parameters

from .conftest import quiet, weights


@pytest.fixture
def changed(detector, prepared):
    """Return the names of the backbone's parameters that training with a recipe changes."""

    def names(recipe):
        model, pool, generator = prepared(detector, recipe)
        before = weights(model.module)
        train(model, pool, recipe, generator, quiet)
        after = weights(model.module)
        return {name for name, _ in model.module.named_parameters() if not torch.equal(before[name], after[name])}

    return names


def test_projection_only_changes_no_backbone_parameter(quick, changed):
    assert changed(replace(quick, freeze="projection-only")) == set()


def test_frozen_decoder_leaves_the_encoder_free(detector, quick, changed):
    encoder = encoder_parameters(detector, torch.zeros(2, 1, detector.window))
    names = changed(replace(quick, freeze="decoder"))
    assert names and names <= encoder


def test_all_but_last_changes_one_layer(quick, changed):
    names = changed(replace(quick, freeze="all-but-last"))
    assert len({name.rpartition(".")[0] for name in names}) == 1
    assert names < changed(quick)


def test_running_statistics_of_batch_norm_are_frozen(quick, prepared):
    module = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU()),
        torch.nn.Linear(8, 32),
    )
    wrapped = ape.detectors.wrap(
        module, encoder="0", reconstruct=lambda m, x: m(x).view_as(x), window=32, scale=(0.0, 0.7), device="cpu"
    )
    model, pool, generator = prepared(wrapped, quick)
    before = weights(model.module)
    train(model, pool, quick, generator, quiet)
    after = weights(model.module)
    assert torch.equal(before["inner.0.2.running_mean"], after["inner.0.2.running_mean"])
    assert not torch.equal(before["inner.0.1.weight"], after["inner.0.1.weight"])
