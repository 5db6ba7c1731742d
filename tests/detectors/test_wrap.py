"""Anyone else's module as a detector: another layout, a hook for the latent, and an original that never changes."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import ape.detectors
import ape.posttrain
import ape.series
from ape.core.errors import InputError
from ape.detectors import Detector
from ape.rules import build_context, generic_bank

WINDOW = 24
NAMES = ["body.widen.weight", "body.widen.bias", "body.neck.weight", "body.neck.bias", "head.weight", "head.bias"]


class Foreign(nn.Module):
    """Windows [B, L, C]; its forward returns a pair, as many modules do."""

    def __init__(self, channels=1):
        super().__init__()
        widen, neck = nn.Linear(channels * WINDOW, 32), nn.Linear(32, 6)
        self.body = nn.ModuleDict({"widen": widen, "neck": neck})
        self.head = nn.Linear(6, channels * WINDOW)

    def forward(self, windows):
        latent = self.body["neck"](torch.relu(self.body["widen"](windows.flatten(1))))
        return self.head(latent).view_as(windows), {"latent": latent}


def rebuild(module, x):
    return module(x.transpose(1, 2))[0].transpose(1, 2)


def state(module):
    return copy.deepcopy(module.state_dict())


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def windows_of(series, count=5):
    values = series.values[: count * WINDOW]
    return torch.from_numpy(values.reshape(count, WINDOW, -1).transpose(0, 2, 1).copy())


def wrapped(module, **options):
    settings = {"encoder": "body.neck", "reconstruct": rebuild, "window": WINDOW, "scale": None, "device": "cpu"}
    return ape.detectors.wrap(module, **settings | options)


@pytest.fixture(scope="session")
def trained(series):
    """Trained on raw windows without any of our code. Shared: no test may change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Foreign()
        begins = torch.randint(0, len(series.train) - WINDOW, (200, 64))
    data = torch.from_numpy(series.train.copy())
    optimiser = torch.optim.Adam(module.parameters(), lr=5e-3)
    for begin in begins:
        windows = data[begin[:, None] + torch.arange(WINDOW)]
        loss = (module(windows)[0] - windows).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module.eval()


def test_trained_module_finds_the_anomaly_without_fit(trained, series, planted):
    detector = wrapped(trained)
    assert isinstance(detector, Detector)
    score = detector.score(series)
    assert score.shape == (series.length,) and score.dtype == np.float32
    assert planted.start <= score.argmax() < planted.stop


def test_module_keeps_its_code_names_and_weights(trained, series):
    before = state(trained)
    detector = wrapped(trained)
    detector.score(series)
    detector.encode(windows_of(series))
    assert ape.detectors.unwrap(detector) is trained and type(trained) is Foreign
    assert list(trained.state_dict()) == NAMES
    assert same(before, trained.state_dict())


def test_reconstruction_is_what_the_module_gives_in_its_own_layout(trained, series):
    x = windows_of(series)
    torch.testing.assert_close(wrapped(trained).reconstruct(x).transpose(1, 2), trained(x.transpose(1, 2))[0])


def test_latent_is_the_output_of_the_named_submodule(trained, series):
    x = windows_of(series)
    torch.testing.assert_close(wrapped(trained).encode(x), trained(x.transpose(1, 2))[1]["latent"])
    assert wrapped(trained, encoder="body.widen").encode(x).shape == (5, 32)


def test_encoding_leaves_no_hook_behind(trained, series):
    detector = wrapped(trained)
    detector.encode(windows_of(series))
    assert not any(module._forward_hooks for module in trained.modules())


def test_latent_and_loss_are_differentiable(series):
    module = Foreign()
    detector = wrapped(module)
    (detector.encode(windows_of(series)).sum() + detector.loss(windows_of(series))).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_scale_none_hands_the_module_raw_windows(trained, series):
    x = windows_of(series)
    expected = (x - rebuild(trained, x)).square().mean(dim=1)
    torch.testing.assert_close(wrapped(trained).point_scores(x), expected)


def test_given_scale_standardises_before_and_undoes_it_after(trained, series):
    x = windows_of(series)
    detector = wrapped(trained, scale=(7.0, 2.0))
    standard = (x - 7) / 2
    torch.testing.assert_close(detector.reconstruct(x), rebuild(trained, standard) * 2 + 7)
    torch.testing.assert_close(detector.point_scores(x), (standard - rebuild(trained, standard)).square().mean(dim=1))


def test_scale_of_training_needs_fit(series):
    with pytest.raises(InputError, match="not trained"):
        wrapped(Foreign(), scale="train").score(series)


def test_scale_of_training_is_learned_by_fit_which_trains(series, planted, shortened):
    torch.manual_seed(0)
    module = Foreign()
    before = state(module)
    detector = shortened(wrapped(module, scale="train"), 150).fit(series)
    shift, scale = detector.scale_shift
    assert shift.item() == pytest.approx(series.train.mean(), rel=1e-4)
    assert scale.item() == pytest.approx(series.train.std(), rel=1e-4)
    assert not same(before, ape.detectors.unwrap(detector).state_dict())
    assert planted.start <= detector.score(series).argmax() < planted.stop


@pytest.mark.parametrize("scale", [None, (7.0, 2.0)], ids=str)
def test_trained_module_of_two_channels_scores(two_channels, scale):
    score = wrapped(Foreign(channels=2), scale=scale).score(two_channels)
    assert score.shape == (two_channels.length,)


def test_two_channels_after_fit(two_channels, planted, shortened):
    torch.manual_seed(0)
    detector = shortened(wrapped(Foreign(channels=2), scale="train"), 150).fit(two_channels)
    assert planted.start <= detector.score(two_channels).argmax() < planted.stop


def test_wrong_submodule_names_those_there_are():
    with pytest.raises(InputError, match="no submodule 'neck'") as caught:
        wrapped(Foreign(), encoder="neck")
    assert "body.neck" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        lambda module, x: module(x.transpose(1, 2))[0],
        lambda module, x: module(x.transpose(1, 2)),
        lambda module, x: rebuild(module, x)[:, :, 1:],
        lambda module, x: rebuild(module, x)[:1],
    ],
    ids=["layout", "pair", "shorter", "one window"],
)
def test_reconstruction_of_another_shape_is_refused(trained, series, wrong):
    with pytest.raises(InputError, match="reconstruct gave") as caught:
        wrapped(trained, reconstruct=wrong).score(series)
    assert "[B, C, L]" in caught.value.hint


def test_submodule_that_gives_no_tensor_is_refused(series):
    module = nn.ModuleDict({"memory": nn.LSTM(1, 4, batch_first=True), "out": nn.Linear(4, 1)})

    def through(module, x):
        return module["out"](module["memory"](x.transpose(1, 2))[0]).transpose(1, 2)

    with pytest.raises(InputError, match="submodule 'memory' gave tuple"):
        wrapped(module, encoder="memory", reconstruct=through).encode(windows_of(series))


def test_submodule_that_is_not_run_is_refused(trained, series):
    with pytest.raises(InputError, match=r"did not run submodule 'body\.neck'"):
        wrapped(trained, reconstruct=lambda module, x: x + 0 * sum(p.sum() for p in module.parameters())).encode(
            windows_of(series)
        )


@pytest.mark.parametrize("options", [{"window": 0}, {"scale": (0.0, 0.0)}, {"scale": "none"}], ids=str)
def test_impossible_window_or_scale_is_refused(options):
    with pytest.raises(InputError):
        wrapped(Foreign(), **options)


def test_clone_is_independent(trained, series):
    detector = wrapped(trained)
    before, twin = detector.score(series), detector.clone()
    np.testing.assert_array_equal(before, twin.score(series))
    with torch.no_grad():
        ape.detectors.unwrap(twin).head.bias.add_(1)
    np.testing.assert_array_equal(before, detector.score(series))
    assert not np.array_equal(before, twin.score(series))


def test_training_a_clone_leaves_the_original(series, shortened):
    detector = shortened(wrapped(Foreign(), scale="train"), 10).fit(series)
    before = state(ape.detectors.unwrap(detector))
    detector.clone().fit(series, seed=3)
    assert same(before, ape.detectors.unwrap(detector).state_dict())


def test_saved_wrapped_detector_needs_a_module_to_load_into(trained, tmp_path):
    wrapped(trained).save(tmp_path / "model")
    with pytest.raises(InputError, match="foreign module") as caught:
        ape.detectors.load(tmp_path / "model")
    assert "into=" in caught.value.hint and str(tmp_path / "model") in caught.value.where


def test_round_trip_into_a_fresh_module(trained, series, tmp_path):
    wrapped(trained, scale=(7.0, 2.0)).save(tmp_path / "model")
    fresh = Foreign()
    again = ape.detectors.load(tmp_path / "model", into=wrapped(fresh, scale="train"))
    assert ape.detectors.unwrap(again) is fresh and same(fresh.state_dict(), trained.state_dict())
    np.testing.assert_array_equal(again.score(series), wrapped(trained, scale=(7.0, 2.0)).score(series))


def test_round_trip_of_an_enhanced_detector(trained, series, quickly, tmp_path):
    better = quickly(wrapped(trained)).candidate
    better.save(tmp_path / "better")
    again = ape.posttrain.load(tmp_path / "better", into=wrapped(Foreign()))
    assert same(ape.detectors.unwrap(again).state_dict(), ape.detectors.unwrap(better).state_dict())
    np.testing.assert_array_equal(again.score(series), better.score(series))
    with pytest.raises(InputError) as caught:
        ape.posttrain.load(tmp_path / "better")
    assert "into=" in caught.value.hint


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
def test_loading_into_another_module_is_refused_and_changes_nothing(trained, tmp_path, into, what):
    wrapped(trained).save(tmp_path / "model")
    other = into()
    module = other if isinstance(other, nn.Module) else ape.detectors.unwrap(other)
    before = state(module)
    with pytest.raises(InputError, match=what):
        ape.detectors.load(tmp_path / "model", into=other)
    assert same(before, module.state_dict())


def test_loading_one_of_our_backbones_into_a_module_is_refused(vae, tmp_path):
    vae.save(tmp_path / "model")
    with pytest.raises(InputError, match="holds a 'vae'"):
        ape.detectors.load(tmp_path / "model", into=wrapped(Foreign()))


def test_tied_weights_are_saved(tmp_path):
    module = Foreign()
    module.body["mirror"] = module.body["neck"]
    wrapped(module).save(tmp_path / "model")
    other = Foreign()
    other.body["mirror"] = other.body["neck"]
    ape.detectors.load(tmp_path / "model", into=wrapped(other))
    assert same(module.state_dict(), other.state_dict())


@pytest.fixture(scope="session")
def quickly(series):
    """Enhance with a recipe of few steps."""
    bank = generic_bank(build_context(series), ["time_reverse", "amplitude_scale"])
    recipe = replace(ape.posttrain.DEFAULT, head_steps=40, joint_steps=10, pool=128)
    return lambda detector, **change: ape.posttrain.enhance(detector, bank, series, recipe=replace(recipe, **change))


def test_enhance_never_changes_the_given_module(trained, series, quickly):
    detector = wrapped(trained)
    weights, score = state(trained), detector.score(series)
    requires = [parameter.requires_grad for parameter in trained.parameters()]
    gradients = [parameter.grad.clone() for parameter in trained.parameters()]
    result = quickly(detector)
    assert result.candidate is not None, result.report["reason"]
    moved = ape.detectors.unwrap(result.candidate).state_dict()
    assert list(moved) == NAMES and not same(weights, moved)
    assert same(weights, trained.state_dict()) and ape.detectors.unwrap(detector) is trained
    assert requires == [parameter.requires_grad for parameter in trained.parameters()]
    assert not any(module._forward_hooks for module in trained.modules())
    assert all(map(torch.equal, gradients, [parameter.grad for parameter in trained.parameters()]))
    assert all(parameter.grad is None for parameter in ape.detectors.unwrap(result.candidate).parameters())
    np.testing.assert_array_equal(score, detector.score(series))
    assert result.candidate.score(series).shape == score.shape


def test_unwrapping_a_detector_that_is_not_wrapped(vae):
    with pytest.raises(InputError, match="no wrapped module"):
        ape.detectors.unwrap(vae)


def test_what_is_no_module_is_refused():
    with pytest.raises(InputError, match="is no nn"):
        wrapped(object())


def test_module_on_two_devices_is_refused_before_it_moves():
    module = Foreign()
    module.head.to("meta")
    with pytest.raises(InputError, match="on cpu and meta") as caught:
        wrapped(module)
    assert "module.to('cpu')" in caught.value.hint
    assert module.head.weight.is_meta and not module.body["neck"].weight.is_meta


class Deaf(Foreign):
    """Runs without gradients."""

    @torch.no_grad()
    def forward(self, windows):
        return super().forward(windows)


class Tokens(Foreign):
    """Names its windows by whole numbers on the way."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Module()
        self.tokens.forward = lambda x: x.argmax(1, keepdim=True)

    def forward(self, windows):
        self.tokens(windows)
        return super().forward(windows)


class Cut(Foreign):
    """Its latent is cut from the graph."""

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
        (Deaf, {}, "the reconstruction has no gradient", "no_grad"),
        (
            Foreign,
            {"reconstruct": lambda module, x: rebuild(module, x).detach()},
            "the reconstruction has no gr",
            "detach",
        ),
        (Foreign, {"reconstruct": lambda module, x: rebuild(OUTSIDE, x)}, "did not run submodule", "that it is given"),
        (Cut, {"encoder": "cut"}, "the latent has no gradient", "detach"),
        (Tokens, {"encoder": "tokens"}, r"submodule 'tokens' gave numbers of type torch\.int64", "floating-point"),
        (broken, {}, "the reconstruction is not finite", "weights"),
    ],
    ids=["frozen", "no_grad", "detached", "another module", "latent", "whole numbers", "not finite"],
)
def test_module_that_cannot_be_enhanced_is_refused_with_the_part_and_a_mend(quickly, module, options, what, hint):
    with pytest.raises(InputError, match=what) as caught:
        quickly(wrapped(module(), **options))
    assert hint in caught.value.hint and "\n" not in str(caught.value)


def test_head_alone_needs_no_gradient(quickly):
    assert quickly(wrapped(Deaf()), freeze="projection-only").candidate is not None


@pytest.mark.parametrize("freeze", ["none", "decoder"])
def test_parameters_that_were_frozen_stay(quickly, freeze):
    module = Foreign()
    module.body["widen"].requires_grad_(False)
    twin = ape.detectors.unwrap(quickly(wrapped(module), freeze=freeze).candidate)
    assert torch.equal(twin.body["widen"].weight, module.body["widen"].weight)
    assert not torch.equal(twin.body["neck"].weight, module.body["neck"].weight)


class Normed(Foreign):
    """With running statistics, dropout and normed weights, and it writes into what it is given."""

    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the older form, which keeps a tensor with its graph
            nn.utils.weight_norm(self.head)
        self.norm, self.drop = nn.BatchNorm1d(6), nn.Dropout(0.5)

    def forward(self, windows):
        windows -= 7
        latent = self.body["neck"](torch.relu(self.body["widen"](windows.flatten(1))))
        return self.head(self.drop(self.norm(latent))).view_as(windows) + 7, {}


def test_modes_and_running_statistics_stay(series, quickly):
    torch.manual_seed(0)
    module = Normed()
    module(windows_of(series, 30).transpose(1, 2))
    module.train()
    module.drop.eval()
    before, modes = state(module), [part.training for part in module.modules()]
    detector = wrapped(module)
    np.testing.assert_array_equal(detector.score(series), detector.score(series))
    detector.loss(windows_of(series))  # the module keeps a tensor of this pass
    twin = ape.detectors.unwrap(quickly(detector).candidate)
    assert same(before, module.state_dict())
    assert modes == [part.training for part in module.modules()] == [part.training for part in twin.modules()]
    torch.testing.assert_close(dict(twin.norm.named_buffers()), dict(module.norm.named_buffers()), rtol=0, atol=0)


def test_module_that_writes_into_its_input_gets_a_copy(series):
    x = windows_of(series)
    before = x.clone()
    detector = wrapped(Normed())
    expected = (x - detector.reconstruct(x)).square().mean(1)
    torch.testing.assert_close(detector.point_scores(x), expected)
    assert torch.equal(x, before)


@pytest.mark.parametrize("inside", [True, False], ids=["module.compile()", "torch.compile(module)"])
def test_compiled_module(trained, series, quickly, inside):
    module = copy.deepcopy(trained)
    compiled = module if inside else torch.compile(module, backend="eager")
    if inside:
        module.compile(backend="eager")
    x = windows_of(series)
    rebuild(compiled, x)  # compiled before there is a hook
    detector = wrapped(compiled, encoder="body.neck" if inside else "_orig_mod.body.neck")
    torch.testing.assert_close(detector.encode(x), wrapped(trained).encode(x))
    moved = ape.detectors.unwrap(quickly(detector).candidate).state_dict()
    assert list(moved) == list(compiled.state_dict())
    compiled.load_state_dict(moved)
    assert not same(trained.state_dict(), module.state_dict())


def test_frozen_encoder_has_nothing_to_move_where_the_decoder_is_frozen_too(quickly):
    module = Foreign()
    module.body.requires_grad_(False)
    assert same(ape.detectors.unwrap(quickly(wrapped(module), freeze="decoder").candidate).state_dict(), state(module))
    assert not same(ape.detectors.unwrap(quickly(wrapped(module)).candidate).state_dict(), state(module))
