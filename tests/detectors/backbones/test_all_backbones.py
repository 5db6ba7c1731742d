"""Properties of every backbone: shapes, determinism, gradients, learning, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from ape.detectors.backbones.crossad import CrossAD
from ape.detectors.backbones.donut import Donut
from ape.detectors.backbones.fcvae import FCVAE
from ape.detectors.backbones.omni_anomaly import OmniAnomaly
from ape.detectors.backbones.timesnet import TimesNet
from ape.detectors.backbones.tranad import TranAD
from ape.detectors.backbones.transformer import TransformerAE
from ape.detectors.schedule import Budget
from ape.detectors.training import train


@dataclass(frozen=True)
class Case:
    """A backbone, and how it overfits one batch.

    Parameters
    ----------
    build : callable
        The module's class.
    latent : callable
        Dimensions of the latent from channels and window.
    steps, error : int, float
        The squared error is below ``error`` after ``steps`` steps.
    options, small : dict
        Options of the backbone, and options of a smaller one for the overfitting.
    waves : str
        Fixture that makes the batch.
    window : int
    rate : float
        Learning rate.
    power : float
        Lower bound of the mean square of the batch, so that ``error`` is a small part of it.
    draws : bool
        Loss and own scores are random.
    scores : bool
        The paper's score is not the reconstruction error.
    """

    build: Callable[..., nn.Module]
    latent: Callable[[int, int], int]
    steps: int
    error: float
    options: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    waves: str = "batch"
    window: int = 24
    rate: float = 1e-2
    power: float = 0.4
    draws: bool = False
    scores: bool = True

    def make(self, channels: int, window: int, **more: Any) -> nn.Module:
        return self.build(channels, window, **self.options, **more)

    def make_small(self, window: int) -> nn.Module:
        return self.build(1, window, **{**self.options, **self.small})


ATTENTION = {"width": 16, "heads": 2}
TRANSFORMER = {**ATTENTION, "layers": 1, "hidden": 16}
TIMES = {"width": 8, "hidden": 8, "layers": 1, "periods": 2, "kernels": 2}
STILL = {"points": 0.0, "segments": 0.0, "missing": 0.0, "dropout": 0.0}
SHAPES = {"waves": "shapes", "rate": 5e-3, "power": 0.5, "draws": True}
CASES = {
    "crossad": Case(
        CrossAD, lambda c, w: 32 * c, 120, 0.03, small={**ATTENTION, "patch": 2, "kernels": (4, 2), "prototypes": 8}
    ),
    "tranad": Case(TranAD, lambda c, w: 32, 160, 0.03, small={**ATTENTION, "hidden": 16}),
    "timesnet": Case(TimesNet, lambda c, w: 16 + 2 * c, 80, 0.02, options={"periods": 5}, small=TIMES, scores=False),
    "timesnet, not normalised": Case(
        TimesNet, lambda c, w: 16 + 2 * c, 80, 0.02, {"periods": 5, "normalise": False}, TIMES, scores=False
    ),
    "transformer": Case(TransformerAE, lambda c, w: 32, 120, 0.02, small=TRANSFORMER),
    "anomaly transformer": Case(TransformerAE, lambda c, w: 32, 120, 0.02, {"association": True}, TRANSFORMER),
    "donut": Case(Donut, lambda c, w: 5, 250, 0.03, **SHAPES),
    "fcvae": Case(FCVAE, lambda c, w: 8 * c, 150, 0.03, small=STILL, **SHAPES),
    "omni-anomaly": Case(
        OmniAnomaly, lambda c, w: 3 * w, 360, 0.05, small={"hidden": 32, "flows": 4}, window=12, **SHAPES
    ),
}
SLOW_TO_OVERFIT = {"crossad", "fcvae", "omni-anomaly", "tranad", "anomaly transformer"}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("window", [8, 9, 13, 24, 33, 40])
def test_shapes(case, channels, window):
    module, x = case.make(channels, window, **({"draws": 2} if case.draws else {})), torch.randn(4, channels, window)
    assert module.encode(x).shape == (4, case.latent(channels, window))
    assert module.reconstruct(x).shape == x.shape
    assert module.loss(x).shape == ()
    if case.scores:
        assert module.own_scores(x).shape == (4, window)
    if case.scores and not case.draws:  # the score of a window does not depend on the other windows
        torch.testing.assert_close(module.own_scores(x[:2]), module.own_scores(x)[:2])


def test_encoding_and_reconstruction_are_deterministic_in_both_modes_and_differentiable(case):
    module, x = case.make(2, 13).train(), torch.randn(2, 2, 13, requires_grad=True)
    torch.testing.assert_close(module.encode(x), module.encode(x), rtol=0, atol=0)
    rebuilt = module.reconstruct(x)
    torch.testing.assert_close(rebuilt, module.reconstruct(x), rtol=0, atol=0)
    with torch.no_grad():  # without gradients, some layers use fused kernels
        torch.testing.assert_close(module.eval().reconstruct(x), rebuilt, rtol=1e-4, atol=1e-5)
    (module.train().encode(x).sum() + module.reconstruct(x).sum()).backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("window", [12, 13, 32])
def test_gradient_reaches_every_parameter_from_the_first_step(case, window):
    torch.manual_seed(0)
    module = case.make(2, window)
    module.loss(torch.randn(8, 2, window)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.extended if name in SLOW_TO_OVERFIT else ()) for name in CASES],
)
def test_overfits_one_batch(name, request):
    torch.manual_seed(0)
    case = CASES[name]
    module, x = case.make_small(case.window), request.getfixturevalue(case.waves)(window=case.window)
    optimiser = torch.optim.Adam(module.parameters(), lr=case.rate)
    for _ in range(case.steps):
        optimiser.zero_grad()
        module.loss(x).backward()
        optimiser.step()
    assert (x - module.reconstruct(x)).square().mean() < case.error
    assert x.square().mean() > case.power


def test_same_seed_gives_same_model_and_loss(case, batch):
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        losses.append(case.make(1, 24).loss(batch()).item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.draws])
def test_draws_depend_only_on_the_seed(name, shapes):
    module, x, results = CASES[name].make(1, 13, draws=3), shapes(window=13), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append((module.loss(x).item(), module.own_scores(x).sum().item()))
    assert results[0] == results[1]
    assert results[0][0] != results[2][0] and results[0][1] != results[2][1]


def test_saved_weights_are_the_whole_model(case, shapes):
    first, second, x = case.make(1, 13), case.make(1, 13), shapes(window=13)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(first.reconstruct(x), second.reconstruct(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "budget", "tolerance"),
    [
        pytest.param("crossad", Budget(steps=150, batch=16, rate=5e-3, check_every=50), 1, marks=pytest.mark.extended),
        pytest.param("tranad", Budget(steps=200, batch=16, rate=5e-3, check_every=50), 0, marks=pytest.mark.extended),
        ("timesnet", Budget(steps=60, batch=16, rate=5e-3, check_every=20), 0),
        ("transformer", Budget(steps=120, batch=16, rate=5e-3, check_every=30), 0),
        pytest.param(
            "anomaly transformer",
            Budget(steps=120, batch=16, rate=5e-3, check_every=30),
            0,
            marks=pytest.mark.extended,
        ),
    ],
)
def test_planted_anomaly_has_the_highest_score_of_its_window_and_of_normal_windows(name, budget, tolerance):
    case = CASES[name]
    values = torch.sin(2 * math.pi * torch.arange(600) / 12)[:, None]
    values = values + 0.05 * torch.randn(600, 1, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    module = case.make_small(24)
    train(module, values, [(0, len(values))], 24, budget, seed=0)
    x = torch.sin(2 * math.pi * torch.arange(24) / 12).repeat(2, 1, 1)
    x[1, 0, 10] += 3
    with torch.no_grad():
        all_scores = [(x - module.reconstruct(x)).square().mean(dim=1), module.own_scores(x)]
    for scores in all_scores:
        assert abs(int(scores[1].argmax()) - 10) <= tolerance
        assert scores[1].max() > 3 * scores[0].max()


@pytest.mark.parametrize(
    ("build", "options", "window", "at", "budget"),
    [
        (Donut, {}, 24, 10, Budget(steps=200, batch=32, rate=3e-3)),
        pytest.param(FCVAE, {}, 24, 10, Budget(steps=100, batch=32, rate=5e-3), marks=pytest.mark.extended),
        pytest.param(
            OmniAnomaly,
            {"hidden": 32, "flows": 4},
            12,
            7,
            Budget(steps=120, batch=32, rate=1e-2),
            marks=pytest.mark.extended,
        ),
    ],
)
def test_planted_anomaly_has_the_highest_score_of_its_window(build, options, window, at, budget):
    torch.manual_seed(0)
    module = build(1, window, **options)
    values = torch.sin(2 * math.pi * torch.arange(600) / window) + 0.05 * torch.randn(600)
    train(module, values[:, None], [(0, len(values))], window, budget, seed=0)
    x = values[:window].view(1, 1, window).clone()
    x[0, 0, at] += 3
    assert (x - module.reconstruct(x)).square()[0, 0].argmax() == module.own_scores(x)[0].argmax() == at
