"""LSTM autoencoder: the Mahalanobis score."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

import ape.detectors
from ape.detectors.backbones.lstm_ae import LSTMAE, SHRINKAGE


@pytest.mark.parametrize("channels", [1, 3])
def test_own_score_is_the_mahalanobis_distance_of_the_errors(channels):
    torch.manual_seed(0)
    module = LSTMAE(channels, 10, hidden=4)
    normal, x = torch.randn(20, channels, 10), torch.randn(2, channels, 10)
    with torch.no_grad():
        module.fit_scores(normal)
        scores = module.own_scores(x).numpy()
        errors = (normal - module.reconstruct(normal)).abs().numpy().transpose(0, 2, 1).reshape(-1, channels)
        errors_of_x = (x - module.reconstruct(x)).abs().numpy()
    deviation = errors.std(axis=0, ddof=1)
    correlation = (1 - SHRINKAGE) * np.corrcoef(errors.T).reshape(channels, channels) + SHRINKAGE * np.eye(channels)
    inverse = np.linalg.inv(correlation * np.outer(deviation, deviation))
    for b in range(2):
        for t in range(10):
            expected = mahalanobis(errors_of_x[b, :, t], errors.mean(axis=0), inverse) ** 2
            assert scores[b, t] == pytest.approx(expected, rel=1e-3)


def test_own_score_is_the_same_after_saving_and_loading(make, series, tmp_path):
    detector = make("lstm-ae", steps=20, device="cpu").fit(series)
    detector.save(tmp_path / "model")
    loaded = ape.detectors.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(detector.score(series, own=True), loaded.score(series, own=True))


def test_channel_without_error_gives_finite_scores():
    module = LSTMAE(2, 8, hidden=4)
    with torch.no_grad():
        module.output.weight[1], module.output.bias[1] = 0.0, 0.0
        normal = torch.randn(10, 2, 8)
        normal[:, 1] = 0
        module.fit_scores(normal)
        assert torch.isfinite(module.own_scores(torch.randn(3, 2, 8))).all()
