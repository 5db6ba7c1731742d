"""Third-party modules as detectors: layout, latent, scale, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foreign_network import NAMES, Foreign, reconstruct, same, state, windows_of, wrapped
from torch import nn

import ape.detectors
from ape.core.errors import InputError
from ape.detectors import Detector


def test_trained_module_detects_the_anomaly_without_fit(trained, series, planted):
    detector = wrapped(trained)
    assert isinstance(detector, Detector)
    score = detector.score(series)
    assert score.shape == (series.length,) and score.dtype == np.float32
    assert planted.start <= score.argmax() < planted.stop


def test_module_keeps_its_class_names_and_weights(trained, series):
    before = state(trained)
    detector = wrapped(trained)
    detector.score(series)
    detector.encode(windows_of(series))
    assert ape.detectors.unwrap(detector) is trained and type(trained) is Foreign
    assert list(trained.state_dict()) == NAMES
    assert same(before, trained.state_dict())


def test_reconstruction_equals_the_output_of_the_module(trained, series):
    x = windows_of(series)
    torch.testing.assert_close(wrapped(trained).reconstruct(x).transpose(1, 2), trained(x.transpose(1, 2))[0])


def test_latent_is_the_output_of_the_named_submodule(trained, series):
    x = windows_of(series)
    torch.testing.assert_close(wrapped(trained).encode(x), trained(x.transpose(1, 2))[1]["latent"])
    assert wrapped(trained, encoder="body.widen").encode(x).shape == (5, 32)


def test_encoding_leaves_no_hook(trained, series):
    detector = wrapped(trained)
    detector.encode(windows_of(series))
    assert not any(module._forward_hooks for module in trained.modules())


def test_latent_and_loss_are_differentiable(series):
    module = Foreign()
    detector = wrapped(module)
    (detector.encode(windows_of(series)).sum() + detector.loss(windows_of(series))).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_scale_none_passes_raw_windows(trained, series):
    x = windows_of(series)
    expected = (x - reconstruct(trained, x)).square().mean(dim=1)
    torch.testing.assert_close(wrapped(trained).point_scores(x), expected)


def test_given_scale_is_applied_and_undone(trained, series):
    x = windows_of(series)
    detector = wrapped(trained, scale=(7.0, 2.0))
    standard = (x - 7) / 2
    torch.testing.assert_close(detector.reconstruct(x), reconstruct(trained, standard) * 2 + 7)
    torch.testing.assert_close(
        detector.point_scores(x), (standard - reconstruct(trained, standard)).square().mean(dim=1)
    )


def test_scale_train_needs_fit(series):
    with pytest.raises(InputError, match="not trained"):
        wrapped(Foreign(), scale="train").score(series)


def test_scale_train_is_learned_by_fit_which_also_trains(series, planted, shortened):
    torch.manual_seed(0)
    module = Foreign()
    before = state(module)
    detector = shortened(wrapped(module, scale="train"), 150).fit(series)
    shift, scale = detector.shift_and_scale
    assert shift.item() == pytest.approx(series.train.mean(), rel=1e-4)
    assert scale.item() == pytest.approx(series.train.std(), rel=1e-4)
    assert not same(before, ape.detectors.unwrap(detector).state_dict())
    assert planted.start <= detector.score(series).argmax() < planted.stop


@pytest.mark.parametrize("scale", [None, (7.0, 2.0)], ids=str)
def test_trained_module_of_two_channels_scores(two_channels, scale):
    score = wrapped(Foreign(channels=2), scale=scale).score(two_channels)
    assert score.shape == (two_channels.length,)


def test_anomaly_is_detected_in_two_channels_after_fit(two_channels, planted, shortened):
    torch.manual_seed(0)
    detector = shortened(wrapped(Foreign(channels=2), scale="train"), 150).fit(two_channels)
    assert planted.start <= detector.score(two_channels).argmax() < planted.stop


def test_unknown_submodule_is_refused_with_the_known_names():
    with pytest.raises(InputError, match="no submodule 'neck'") as caught:
        wrapped(Foreign(), encoder="neck")
    assert "body.neck" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        lambda module, x: module(x.transpose(1, 2))[0],
        lambda module, x: module(x.transpose(1, 2)),
        lambda module, x: reconstruct(module, x)[:, :, 1:],
        lambda module, x: reconstruct(module, x)[:1],
    ],
    ids=["layout", "pair", "shorter", "one window"],
)
def test_reconstruction_of_wrong_shape_is_refused(trained, series, wrong):
    with pytest.raises(InputError, match="reconstruct gave") as caught:
        wrapped(trained, reconstruct=wrong).score(series)
    assert "[B, C, L]" in caught.value.hint


def test_submodule_that_returns_no_tensor_is_refused(series):
    module = nn.ModuleDict({"memory": nn.LSTM(1, 4, batch_first=True), "out": nn.Linear(4, 1)})

    def through(module, x):
        return module["out"](module["memory"](x.transpose(1, 2))[0]).transpose(1, 2)

    with pytest.raises(InputError, match="submodule 'memory' gave tuple"):
        wrapped(module, encoder="memory", reconstruct=through).encode(windows_of(series))


def test_submodule_that_does_not_run_is_refused(trained, series):
    with pytest.raises(InputError, match=r"did not run submodule 'body\.neck'"):
        wrapped(trained, reconstruct=lambda module, x: x + 0 * sum(p.sum() for p in module.parameters())).encode(
            windows_of(series)
        )


@pytest.mark.parametrize("options", [{"window": 0}, {"scale": (0.0, 0.0)}, {"scale": "none"}], ids=str)
def test_invalid_window_or_scale_is_refused(options):
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


def test_training_a_clone_does_not_change_the_original(series, shortened):
    detector = shortened(wrapped(Foreign(), scale="train"), 10).fit(series)
    before = state(ape.detectors.unwrap(detector))
    detector.clone().fit(series, seed=3)
    assert same(before, ape.detectors.unwrap(detector).state_dict())


def test_unwrapping_a_detector_without_wrapped_module_is_refused(vae):
    with pytest.raises(InputError, match="no wrapped module"):
        ape.detectors.unwrap(vae)


def test_object_that_is_not_a_module_is_refused():
    with pytest.raises(InputError, match="is not an nn"):
        wrapped(object())


def test_module_on_two_devices_is_refused_without_moving_it():
    module = Foreign()
    module.head.to("meta")
    with pytest.raises(InputError, match="on cpu and meta") as caught:
        wrapped(module)
    assert "module.to('cpu')" in caught.value.hint
    assert module.head.weight.is_meta and not module.body["neck"].weight.is_meta
