"""The score of each backbone's paper, beside the reconstruction error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

import ape.detectors
from ape.detectors.backbones.lstm_ae import LSTMAE, SHRINKAGE
from ape.detectors.registry import BACKBONES, ERROR

STEPS = {"vae": 150, "lstm-ae": 120, "donut": 200, "fcvae": 200, "omni-anomaly": 120, "timesnet": 60}


@pytest.fixture(scope="module", params=ape.detectors.names())
def trained(request, make, series):
    return make(request.param, steps=STEPS.get(request.param, 90), device="cpu").fit(series)


def test_ranks_the_planted_anomaly_first(trained, series, planted):
    score = trained.score(series, own=True)
    assert score.dtype == np.float32 and score.shape == (series.length,) and np.isfinite(score).all()
    assert planted.start <= score.argmax() < planted.stop


def test_is_the_same_each_time_and_leaves_the_global_random_state(trained, series):
    torch.manual_seed(5)
    before, first = torch.get_rng_state(), trained.score(series, stride=8, own=True)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    np.testing.assert_array_equal(first, trained.score(series, stride=8, own=True))


def test_is_the_error_exactly_where_the_list_of_backbones_says_so(trained, series):
    same = np.array_equal(trained.score(series, own=True), trained.score(series))
    said = BACKBONES[trained.name].own_score
    assert same == said.startswith(ERROR)


def test_of_the_association_is_not_the_error(make, series):
    detector = make("transformer", steps=30, device="cpu", association=True).fit(series)
    assert not np.allclose(detector.score(series, own=True), detector.score(series))


@pytest.mark.parametrize("channels", [1, 3])
def test_of_the_lstm_is_the_mahalanobis_distance_of_the_errors(channels):
    torch.manual_seed(0)
    module = LSTMAE(channels, 10, hidden=4)
    normal, x = torch.randn(20, channels, 10), torch.randn(2, channels, 10)
    with torch.no_grad():
        module.fit_scores(normal)
        found = module.own_scores(x).numpy()
        errors = (normal - module.reconstruct(normal)).abs().numpy().transpose(0, 2, 1).reshape(-1, channels)
        of_x = (x - module.reconstruct(x)).abs().numpy()
    deviation = errors.std(axis=0, ddof=1)
    correlation = (1 - SHRINKAGE) * np.corrcoef(errors.T).reshape(channels, channels) + SHRINKAGE * np.eye(channels)
    inverse = np.linalg.inv(correlation * np.outer(deviation, deviation))
    for b in range(2):
        for t in range(10):
            expected = mahalanobis(of_x[b, :, t], errors.mean(axis=0), inverse) ** 2
            assert found[b, t] == pytest.approx(expected, rel=1e-3)


def test_of_the_lstm_is_saved(make, series, tmp_path):
    detector = make("lstm-ae", steps=20, device="cpu").fit(series)
    detector.save(tmp_path / "model")
    again = ape.detectors.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(detector.score(series, own=True), again.score(series, own=True))


def test_channel_that_is_rebuilt_without_error_does_no_harm():
    module = LSTMAE(2, 8, hidden=4)
    with torch.no_grad():
        module.output.weight[1], module.output.bias[1] = 0.0, 0.0
        normal = torch.randn(10, 2, 8)
        normal[:, 1] = 0
        module.fit_scores(normal)
        assert torch.isfinite(module.own_scores(torch.randn(3, 2, 8))).all()
