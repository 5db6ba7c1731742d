"""Scores of enhanced detectors."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import torch

import ape.series


def test_enhanced_detector_follows_the_protocol(enhanced, series):
    model, window = enhanced.detector, enhanced.detector.backbone.window
    for stride in (None, 7):
        score = model.score(series, stride=stride)
        assert score.shape == (series.length,) and score.dtype == np.float32 and np.isfinite(score).all()
    x = torch.from_numpy(series.values[:window].T[None].repeat(3, 0))
    assert model.window == window
    assert model.point_scores(x).shape == (3, window)
    assert model.reconstruct(x).shape == x.shape
    torch.testing.assert_close(model.encode(x).norm(dim=1), torch.ones(3))


def test_score_does_not_change_as_more_data_arrive(enhanced, series):
    so_far = series.length - 150
    whole = enhanced.detector.curves(series)
    part = enhanced.detector.curves(series.until(so_far))
    settled = so_far - enhanced.detector.window
    np.testing.assert_allclose(part[:settled], whole[:settled], atol=1e-6)


def test_repeated_anomaly_scores_lower(enhanced, series):
    values, window = series.values.copy(), enhanced.detector.window
    twice = series.train_end + 2 * window
    values[twice : twice + window // 2] += 2
    again = twice + 5 * window
    values[again : again + window] = values[twice : twice + window]
    score = enhanced.detector.score(replace(series, values=values))
    assert score[again : again + window // 2].max() < score[twice : twice + window // 2].max()


def test_scoring_needs_memory_for_the_result_and_one_batch(enhanced):
    def peak(length):
        long = ape.series.from_array(np.resize(enhanced.detector.values, (length, 1)))
        tracemalloc.start()
        enhanced.detector.score(long, stride=8)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken - 8 * length  # the result and its pieces

    assert peak(60_000) < peak(20_000) + 200_000  # bytes
