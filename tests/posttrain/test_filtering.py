"""The filter of normal candidates: which training windows it removes and what it reports."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.posttrain.filtering import stretches
from ape.posttrain.normal_part import profile
from ape.series import from_array

WINDOW, PERIOD, TRAIN_END = 32, 25, 1200
UNIT = torch.zeros(1), torch.ones(1)


def profiled(values, vouched=True, **options):
    return profile(from_array(values[:, None], train_end=len(values) if vouched else None), WINDOW, *UNIT, **options)


def touches(starts, begin, end):
    """Return which windows share points with [begin, end)."""
    return (starts < end) & (starts + WINDOW > begin)


def test_odd_stretch_is_removed_and_nothing_else(wave):
    values = wave(TRAIN_END)
    values[500:510] += 4
    found = profiled(values)
    assert set(range(480, 500)) <= set(found.suspicious.tolist())
    assert touches(found.suspicious, 500, 510).all()
    assert not found.normal.is_clean[500:510].any()
    assert found.normal.is_clean[: 500 - WINDOW].all() and found.normal.is_clean[510 + WINDOW :].all()


@pytest.mark.parametrize("places", [(300, 800), (300, 550, 800)])
def test_repeated_anomaly_is_removed_each_time(wave, places):
    values = wave(TRAIN_END)
    for at in places:  # at the same phase, so that each is the others' nearest neighbour
        values[at : at + 12] += 1.5 * np.hanning(12)
    found = profiled(values)
    for at in places:
        assert np.isin(np.arange(at - 15, at - 5), found.suspicious).all()
    assert np.any([touches(found.suspicious, at, at + 12) for at in places], axis=0).all()


def test_many_different_anomalies_do_not_hide_each_other(wave):
    values, generator = wave(3000), np.random.default_rng(3)
    places = np.arange(40, 2800, 200)
    for at in places:
        values[at : at + 10] += generator.choice([-1, 1]) * generator.uniform(2, 4) * np.hanning(10)
    found = profiled(values, vouched=False)
    hit = np.stack([touches(found.suspicious, at, at + 10) for at in places])
    assert hit.any(axis=0).mean() > 0.95
    assert hit.any(axis=1).mean() > 0.5


@settings(max_examples=20)
@given(st.integers(0, 20))
def test_clean_data_lose_at_most_one_percent(seed):
    t = np.arange(900)
    values = np.sin(2 * np.pi * t / PERIOD) + 0.05 * np.random.default_rng(seed).standard_normal(900)
    assert len(profiled(values).suspicious) <= 0.01 * len(values)


def test_recurring_regime_is_not_removed(wave):
    values = wave(3000)
    for begin in (400, 1000, 1600, 2200, 2800):  # a third of the amplitude, several times
        values[begin : begin + 100] /= 3
    inside = np.concatenate([np.arange(begin, begin + 100 - WINDOW) for begin in (400, 1000, 1600, 2200, 2800)])
    assert np.isin(inside, profiled(values).suspicious).mean() < 0.02


def test_filter_is_stricter_without_train_end(wave):
    values = wave(2000)
    values[300:900] += 0.05 * np.random.default_rng(1).standard_normal(600) * np.linspace(0, 4, 600)
    guarded, trusted = profiled(values, vouched=False), profiled(values)
    assert len(guarded.suspicious) > len(trusted.suspicious)
    assert set(trusted.suspicious.tolist()) <= set(guarded.suspicious.tolist())


def test_touching_windows_form_one_stretch():
    assert stretches(np.array([0, 3, 13, 40]), 10) == [[0, 23], [40, 50]]
    assert stretches(np.array([], dtype=np.int64), 10) == []
