"""Reconstruction, latent and loss of one pass are those of three."""

from __future__ import annotations

import pytest
import torch

import ape.detectors
from ape.detectors.training import seeded

FIRST, WINDOW = 3, 24
OPTIONS = {"anomaly transformer": ("transformer", {"association": True})}


def wrapped():
    module = torch.nn.Sequential(torch.nn.Linear(WINDOW, 5), torch.nn.Tanh(), torch.nn.Linear(5, WINDOW))
    return ape.detectors.wrap(
        module, encoder="1", reconstruct=lambda m, x: m(x), window=WINDOW, scale=(0.5, 2.0), device="cpu"
    )


def made(name):
    with seeded(0):
        if name == "wrapped":
            return wrapped()
        backbone, options = OPTIONS.get(name, (name, {}))
        detector = ape.detectors.create(backbone, window=WINDOW, device="cpu", **options)
        detector.set_trained(
            detector.build_module(2, WINDOW), WINDOW, torch.tensor([0.5, 1.0]), torch.tensor([2.0, 1.0])
        )
        return detector


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", [*ape.detectors.names(), *OPTIONS, "wrapped"])
def test_one_pass_gives_what_three_give(batch, name, training):
    x = 3 * batch(8, WINDOW, 2) + 1
    one, three = made(name), made(name)
    for detector in (one, three):
        detector.module.train(training)
    with seeded(1):
        found = one.one_pass(x, FIRST)
    with seeded(1):
        expected = three.reconstruct(x), three.encode(x), three.loss(x[:FIRST])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for name_, buffer in three.module.state_dict().items():
        torch.testing.assert_close(one.module.state_dict()[name_], buffer)
