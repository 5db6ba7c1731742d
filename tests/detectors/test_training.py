"""Training of one backbone: seeds, random states, training part, progress."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ape.detectors
import ape.series


def test_scores_depend_on_the_seed(make, name, series):
    scores = [make(name, steps=8, device="cpu").fit(series, seed=s).score(series, stride=6) for s in (0, 0, 1)]
    first, again, other = scores
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_training_does_not_depend_on_the_global_random_state(make, name, series):
    torch.manual_seed(1)
    first = make(name, steps=5, device="cpu").fit(series).score(series, stride=6)
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, make(name, steps=5, device="cpu").fit(series).score(series, stride=6))


def test_training_keeps_the_global_random_state(make, name, series):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make(name, steps=3).fit(series, seed=9)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_keeps_the_random_state_of_the_gpu(make, series):
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    make("vae", steps=5, device="cuda").fit(series, seed=9)
    assert torch.equal(before, torch.cuda.get_rng_state())


def test_training_uses_only_the_training_part(make, series):
    values = series.values.copy()
    values[series.train_end :] *= 50
    changed = ape.series.from_array(values, train_end=series.train_end)
    first, second = (make("vae", steps=10, device="cpu").fit(s).score(series) for s in (series, changed))
    np.testing.assert_array_equal(first, second)


def test_second_training_starts_from_new_weights(make, series):
    detector = make("vae", steps=20, device="cpu").fit(series)
    first = detector.score(series)
    np.testing.assert_array_equal(first, detector.fit(series).score(series))


def test_progress_ends_at_its_total(make, series):
    calls = []
    make("vae", steps=120).fit(series, progress=lambda step, done, total, note="": calls.append((step, done, total)))
    assert [step for step, _, _ in calls] == ["training"] * len(calls)
    assert [done for _, done, _ in calls] == [50, 100, 120]
    assert calls[-1][1] == calls[-1][2]
