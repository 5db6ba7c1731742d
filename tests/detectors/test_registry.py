"""Backbones by name: names, options, refusals."""

from __future__ import annotations

import pytest
import torch

import ape.detectors
from ape.core.errors import InputError


def test_create_accepts_all_names():
    assert set(ape.detectors.names()) == {
        "crossad", "donut", "fcvae", "lstm-ae", "omni-anomaly", "timesnet", "tranad", "transformer", "vae",
    }  # fmt: skip
    for name in ape.detectors.names():
        assert ape.detectors.create(name, window=30).window == 30


def test_unknown_backbone_is_refused_with_the_known_names():
    with pytest.raises(InputError, match="hourglass") as caught:
        ape.detectors.create("hourglass")
    assert "lstm-ae" in caught.value.hint and "vae" in caught.value.hint


def test_unknown_option_is_refused_with_the_known_options():
    with pytest.raises(InputError, match="depth") as caught:
        ape.detectors.create("lstm-ae", depth=3)
    assert "hidden" in caught.value.hint and "window" not in caught.value.hint


def test_options_reach_the_backbone(make, series):
    trained = make("vae", steps=1, latent=3).fit(series)
    x = torch.from_numpy(series.values[:24].T[None].copy()).to(trained.shift_and_scale[0].device)
    assert trained.encode(x).shape == (1, 3)


@pytest.mark.parametrize("window", [3, 0, -5])
def test_short_window_is_refused(window):
    with pytest.raises(InputError, match="too short"):
        ape.detectors.create("vae", window=window)


def test_automatic_window_is_unknown_before_training():
    with pytest.raises(InputError, match="not trained"):
        _ = ape.detectors.create("vae").window
