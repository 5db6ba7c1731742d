"""The backbone contract: defaults, and `one_pass` of every backbone against two separate calls."""

from __future__ import annotations

import pytest
import torch

import ape.detectors
from ape.detectors import Backbone
from ape.detectors.training import seeded

WINDOW = 24
VARIANTS = {"anomaly transformer": ("transformer", {"association": True})}


class Doubling(Backbone):
    """Implements only the required methods."""

    def encode(self, x):
        return x.mean(dim=2)

    def reconstruct(self, x):
        return 2 * x

    def loss(self, x):
        return (x - self.reconstruct(x)).square().mean()


def test_default_own_scores_are_the_squared_error(batch):
    x = batch(4, WINDOW, 2)
    torch.testing.assert_close(Doubling().own_scores(x), x.square().mean(dim=1))


def test_default_one_pass_calls_both_methods(batch):
    x = batch(4, WINDOW, 2)
    rebuilt, latent = Doubling().one_pass(x)
    assert torch.equal(rebuilt, 2 * x) and torch.equal(latent, x.mean(dim=2))


def test_only_an_overridden_score_is_an_own_score():
    overridden = type("Scoring", (Doubling,), {"own_scores": lambda _, x: x.mean(dim=1)})
    assert not Doubling().has_own_score() and overridden().has_own_score()


@pytest.mark.parametrize("method", ["encode", "reconstruct", "loss"])
def test_required_methods_must_be_implemented(method):
    methods = {name: vars(Doubling)[name] for name in ("encode", "reconstruct", "loss") if name != method}
    with pytest.raises(TypeError, match=method):
        type("Incomplete", (Backbone,), methods)()


def wrapped():
    module = torch.nn.Sequential(torch.nn.Linear(WINDOW, 5), torch.nn.Tanh(), torch.nn.Linear(5, WINDOW))
    return ape.detectors.wrap(
        module, encoder="1", reconstruct=lambda m, x: m(x), window=WINDOW, scale=(0.5, 2.0), device="cpu"
    )


def create(name):
    with seeded(0):
        if name == "wrapped":
            return wrapped()
        backbone, options = VARIANTS.get(name, (name, {}))
        detector = ape.detectors.create(backbone, window=WINDOW, device="cpu", **options)
        detector.set_trained(
            detector.build_module(2, WINDOW), WINDOW, torch.tensor([0.5, 1.0]), torch.tensor([2.0, 1.0])
        )
        return detector


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", [*ape.detectors.names(), *VARIANTS, "wrapped"])
def test_one_pass_equals_two_separate_calls(batch, name, training):
    x = 3 * batch(8, WINDOW, 2) + 1
    one, two = create(name), create(name)
    for detector in (one, two):
        detector.module.train(training)
    with seeded(1):
        results = one.one_pass(x)
    with seeded(1):
        expected = two.reconstruct(x), two.encode(x)
    torch.testing.assert_close(results, expected, rtol=1e-4, atol=1e-5)
    for name_, buffer in two.module.state_dict().items():
        torch.testing.assert_close(one.module.state_dict()[name_], buffer)
