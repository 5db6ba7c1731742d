"""Anyone else's module as a detector: another layout, a hook for the latent, and an original that never changes."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import ape.detectors
import ape.posttrain
import ape.series
from ape.detectors import Detector
from ape.rules import build_context, generic_bank
from ape.series import InputError

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
    assert detector.unwrap() is trained and type(trained) is Foreign
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
    assert not same(before, detector.unwrap().state_dict())
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
    assert "body.neck" in caught.value.mend


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
    assert "[B, C, L]" in caught.value.mend


def test_submodule_that_gives_no_tensor_is_refused(series):
    module = nn.ModuleDict({"memory": nn.LSTM(1, 4, batch_first=True), "out": nn.Linear(4, 1)})

    def through(module, x):
        return module["out"](module["memory"](x.transpose(1, 2))[0]).transpose(1, 2)

    with pytest.raises(InputError, match="submodule 'memory' gave tuple"):
        wrapped(module, encoder="memory", reconstruct=through).encode(windows_of(series))


def test_submodule_that_is_not_run_is_refused(trained, series):
    with pytest.raises(InputError, match=r"'body\.neck' gave NoneType"):
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
        twin.unwrap().head.bias.add_(1)
    np.testing.assert_array_equal(before, detector.score(series))
    assert not np.array_equal(before, twin.score(series))


def test_training_a_clone_leaves_the_original(series, shortened):
    detector = shortened(wrapped(Foreign(), scale="train"), 10).fit(series)
    before = state(detector.unwrap())
    detector.clone().fit(series, seed=3)
    assert same(before, detector.unwrap().state_dict())


def test_saved_wrapped_detector_comes_back_or_says_how(trained, series, tmp_path):
    try:
        wrapped(trained).save(tmp_path / "model")
        again = ape.detectors.load(tmp_path / "model")
    except InputError as error:
        assert "wrap" in error.mend and str(tmp_path / "model") in error.where
    else:
        np.testing.assert_array_equal(again.score(series), wrapped(trained).score(series))


def test_enhance_never_changes_the_given_module(trained, series):
    detector = wrapped(trained)
    weights, score = state(trained), detector.score(series)
    requires = [parameter.requires_grad for parameter in trained.parameters()]
    bank = generic_bank(build_context(series), ["time_reverse", "amplitude_scale"])
    quick = replace(ape.posttrain.DEFAULT, head_steps=40, joint_steps=10, pool=128)
    result = ape.posttrain.enhance(detector, bank, series, recipe=quick)
    assert result.candidate is not None, result.report["reason"]
    moved = result.candidate.module.inner.state_dict()
    assert list(moved) == NAMES and not same(weights, moved)
    assert same(weights, trained.state_dict()) and detector.unwrap() is trained
    assert requires == [parameter.requires_grad for parameter in trained.parameters()]
    assert not any(module._forward_hooks for module in trained.modules())
    np.testing.assert_array_equal(score, detector.score(series))
    assert result.candidate.score(series).shape == score.shape
