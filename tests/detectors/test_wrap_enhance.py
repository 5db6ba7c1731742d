"""Post-training of wrapped modules: the given module does not change; unsuitable modules are refused."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from foreign_network import NAMES, Foreign, reconstruct, same, state, windows_of, wrapped
from torch import nn

import ape.detectors
import ape.posttrain
from ape.core.errors import InputError
from ape.posttrain import acceptance
from ape.rules import broad_bank, build_context


@pytest.fixture(scope="session")
def quickly(series):
    """Function that enhances with few steps, and judges with few implants."""
    bank = broad_bank(build_context(series), ["time_reverse", "amplitude_scale"])
    recipe = replace(ape.posttrain.DEFAULT, steps=8, joint_steps=2)

    def enhance(detector, **change):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(acceptance, "MOST_COPIES", 2)
            return ape.posttrain.enhance(detector, bank, series, recipe=replace(recipe, **change))

    return enhance


def test_enhance_does_not_change_the_given_module(trained, series, quickly):
    detector = wrapped(trained)
    weights, score = state(trained), detector.score(series)
    requires_grad = [parameter.requires_grad for parameter in trained.parameters()]
    gradients = [parameter.grad.clone() for parameter in trained.parameters()]
    result = quickly(detector)
    assert result.candidate is not None, result.report["reason"]
    enhanced = ape.detectors.unwrap(result.candidate).state_dict()
    assert list(enhanced) == NAMES and not same(weights, enhanced)
    assert same(weights, trained.state_dict()) and ape.detectors.unwrap(detector) is trained
    assert requires_grad == [parameter.requires_grad for parameter in trained.parameters()]
    assert not any(module._forward_hooks for module in trained.modules())
    assert all(map(torch.equal, gradients, [parameter.grad for parameter in trained.parameters()]))
    assert all(parameter.grad is None for parameter in ape.detectors.unwrap(result.candidate).parameters())
    np.testing.assert_array_equal(score, detector.score(series))
    assert result.candidate.score(series).shape == score.shape


def test_enhanced_detector_is_loaded_into_a_new_module(trained, series, quickly, tmp_path):
    better = quickly(wrapped(trained)).candidate
    better.save(tmp_path / "better")
    loaded = ape.posttrain.load(tmp_path / "better", into=wrapped(Foreign()))
    assert same(ape.detectors.unwrap(loaded).state_dict(), ape.detectors.unwrap(better).state_dict())
    np.testing.assert_array_equal(loaded.score(series), better.score(series))
    with pytest.raises(InputError) as caught:
        ape.posttrain.load(tmp_path / "better")
    assert "into=" in caught.value.hint


class WithoutGradients(Foreign):
    """Runs in no_grad mode."""

    @torch.no_grad()
    def forward(self, windows):
        return super().forward(windows)


class IntegerOutput(Foreign):
    """Has a submodule that returns integers."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Module()
        self.tokens.forward = lambda x: x.argmax(1, keepdim=True)

    def forward(self, windows):
        self.tokens(windows)
        return super().forward(windows)


class DetachedLatent(Foreign):
    """Has a submodule that detaches its output from the graph."""

    def __init__(self):
        super().__init__()
        self.cut = nn.Module()
        self.cut.forward = torch.Tensor.detach

    def forward(self, windows):
        self.cut(windows.flatten(1))
        return super().forward(windows)


def frozen():
    return Foreign().requires_grad_(False)


def broken():
    module = Foreign()
    nn.init.constant_(module.head.bias, float("nan"))
    return module


OUTSIDE = Foreign()


@pytest.mark.parametrize(
    ("module", "options", "what", "hint"),
    [
        (frozen, {}, "no parameter of the module requires a gradient", "requires_grad_"),
        (WithoutGradients, {}, "the reconstruction has no gradient", "no_grad"),
        (
            Foreign,
            {"reconstruct": lambda module, x: reconstruct(module, x).detach()},
            "the reconstruction has no gradient",
            "detach",
        ),
        (
            Foreign,
            {"reconstruct": lambda module, x: reconstruct(OUTSIDE, x)},
            "did not run submodule",
            "that it receives",
        ),
        (DetachedLatent, {"encoder": "cut"}, "the latent has no gradient", "detach"),
        (
            IntegerOutput,
            {"encoder": "tokens"},
            r"submodule 'tokens' gave numbers of type torch\.int64",
            "floating-point",
        ),
        (broken, {}, "the reconstruction is not finite", "weights"),
    ],
    ids=["frozen", "no_grad", "detached", "another module", "latent", "integers", "not finite"],
)
def test_module_that_cannot_be_enhanced_is_refused_with_part_and_hint(quickly, module, options, what, hint):
    with pytest.raises(InputError, match=what) as caught:
        quickly(wrapped(module(), **options))
    assert hint in caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.extended
def test_post_training_only_the_heads_needs_no_gradient(quickly):
    assert quickly(wrapped(WithoutGradients()), freeze="projection-only").candidate is not None


@pytest.mark.extended
@pytest.mark.parametrize("freeze", ["none", "decoder"])
def test_frozen_parameters_do_not_change(quickly, freeze):
    module = Foreign()
    module.body["widen"].requires_grad_(False)
    twin = ape.detectors.unwrap(quickly(wrapped(module), freeze=freeze).candidate)
    assert torch.equal(twin.body["widen"].weight, module.body["widen"].weight)
    assert not torch.equal(twin.body["neck"].weight, module.body["neck"].weight)


@pytest.mark.extended
def test_frozen_encoder_and_decoder_leave_nothing_to_train(quickly):
    module = Foreign()
    module.body.requires_grad_(False)
    assert same(ape.detectors.unwrap(quickly(wrapped(module), freeze="decoder").candidate).state_dict(), state(module))
    assert not same(ape.detectors.unwrap(quickly(wrapped(module)).candidate).state_dict(), state(module))


class Stateful(Foreign):
    """Has running statistics, dropout and normed weights, and writes into its input."""

    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the older form keeps a tensor with its graph
            nn.utils.weight_norm(self.head)
        self.norm, self.drop = nn.BatchNorm1d(6), nn.Dropout(0.5)

    def forward(self, windows):
        windows -= 7
        latent = self.body["neck"](torch.relu(self.body["widen"](windows.flatten(1))))
        return self.head(self.drop(self.norm(latent))).view_as(windows) + 7, {}


def test_modes_and_running_statistics_do_not_change(series, quickly):
    torch.manual_seed(0)
    module = Stateful()
    module(windows_of(series, 30).transpose(1, 2))
    module.train()
    module.drop.eval()
    before, modes = state(module), [part.training for part in module.modules()]
    detector = wrapped(module)
    np.testing.assert_array_equal(detector.score(series), detector.score(series))
    detector.loss(windows_of(series))  # weight_norm keeps a tensor of this pass
    twin = ape.detectors.unwrap(quickly(detector).candidate)
    assert same(before, module.state_dict())
    assert modes == [part.training for part in module.modules()] == [part.training for part in twin.modules()]
    torch.testing.assert_close(dict(twin.norm.named_buffers()), dict(module.norm.named_buffers()), rtol=0, atol=0)


def test_module_that_writes_into_its_input_gets_a_copy(series):
    x = windows_of(series)
    before = x.clone()
    detector = wrapped(Stateful())
    expected = (x - detector.reconstruct(x)).square().mean(1)
    torch.testing.assert_close(detector.point_scores(x), expected)
    assert torch.equal(x, before)


@pytest.mark.extended
@pytest.mark.parametrize(
    "inside",
    [
        pytest.param(True, id="module.compile()", marks=pytest.mark.extended),
        pytest.param(False, id="torch.compile(module)"),
    ],
)
def test_compiled_module_is_wrapped_and_enhanced(trained, series, quickly, inside):
    module = copy.deepcopy(trained)
    compiled = module if inside else torch.compile(module, backend="eager")
    if inside:
        module.compile(backend="eager")
    x = windows_of(series)
    reconstruct(compiled, x)  # compiles the module before there is a hook
    detector = wrapped(compiled, encoder="body.neck" if inside else "_orig_mod.body.neck")
    torch.testing.assert_close(detector.encode(x), wrapped(trained).encode(x))
    enhanced = ape.detectors.unwrap(quickly(detector).candidate).state_dict()
    assert list(enhanced) == list(compiled.state_dict())
    compiled.load_state_dict(enhanced)
    assert not same(trained.state_dict(), module.state_dict())
