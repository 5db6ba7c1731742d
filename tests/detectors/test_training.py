"""Training of one backbone: seeds, random states, training part, progress."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support import with_gaps

import ape.detectors
import ape.series
from ape.core.errors import InputError

from .conftest import WINDOW


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


@pytest.mark.parametrize("gaps", [(300,), (40, 300, 310, 790)])
def test_no_window_of_training_crosses_a_gap(gaps):
    seen = []

    def reconstruct(module, x):
        seen.append(x[:, 0].detach())
        return module(x)

    stretch = np.searchsorted(gaps, np.arange(1000), side="right")
    noise = np.random.default_rng(0).standard_normal(1000)
    series = ape.series.from_array(100.0 * stretch + noise, train_end=800)  # the level tells the stretches apart
    module = torch.nn.Sequential(torch.nn.Linear(WINDOW, WINDOW))
    detector = ape.detectors.wrap(module, "0", reconstruct, WINDOW, device="cpu").fit(with_gaps(series, *gaps))
    scale = float(detector.shift_and_scale[1])
    windows = torch.cat(seen)
    assert len(windows) > 1000 and float(np.ptp(windows.numpy(), axis=1).max()) * scale < 50


def test_missing_values_are_not_trained_on(make, series):
    values, missing = series.values.copy(), np.zeros_like(series.values, dtype=bool)
    missing[200:260] = True
    scores = []
    for held in (values[199], 1e3):
        values[200:260] = held
        scores.append(make("vae", steps=5).fit(replace(series, values=values.copy(), missing=missing)).score(series))
    np.testing.assert_array_equal(*scores)


def test_gaps_change_which_windows_are_trained_on(make, series):
    whole, cut = (make("vae", steps=5).fit(each).score(series) for each in (series, with_gaps(series, 300)))
    assert not np.array_equal(whole, cut)


def test_four_windows_must_fit_between_gaps(make, series):
    too_many = with_gaps(series, *range(20, 800, 20))
    with pytest.raises(InputError, match="0 training points in stretches of 24 or more are too few for windows of 24"):
        make("vae").fit(too_many)
    assert make("vae", window=None, steps=1).fit(with_gaps(series, *range(40, 800, 40))).window <= 40
