"""The candidate filter: what it leaves out, what it keeps, what it tells; and the split of what is left."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.posttrain.candidates import TooShortError, profile
from ape.posttrain.filtering import stretches
from ape.posttrain.reference_windows import ReferenceWindows
from ape.series import from_array

WINDOW, PERIOD, TRAIN_END = 32, 25, 1200
UNIT = torch.zeros(1), torch.ones(1)


def profiled(values, vouched=True, **options):
    return profile(from_array(values[:, None], train_end=len(values) if vouched else None), WINDOW, *UNIT, **options)


def touches(starts, begin, end):
    """Which windows share points with [begin, end)."""
    return (starts < end) & (starts + WINDOW > begin)


def test_an_odd_stretch_is_left_out_and_nothing_far_from_it(wave):
    values = wave(TRAIN_END)
    values[500:510] += 4
    found = profiled(values)
    assert set(range(480, 500)) <= set(found.suspicious.tolist())
    assert touches(found.suspicious, 500, 510).all()
    assert not np.isin(found.suspicious, [*found.fit, *found.reference_windows.starts.tolist()]).any()


@pytest.mark.parametrize("places", [(300, 800), (300, 550, 800)])
def test_an_anomaly_that_happens_again_is_left_out_each_time(wave, places):
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
def test_clean_data_lose_hardly_anything(seed):
    t = np.arange(900)
    values = np.sin(2 * np.pi * t / PERIOD) + 0.05 * np.random.default_rng(seed).standard_normal(900)
    assert len(profiled(values).suspicious) <= 0.01 * len(values)


def test_a_regime_that_comes_back_is_kept(wave):
    values = wave(3000)
    for begin in (400, 1000, 1600, 2200, 2800):  # a third of the swing, rarely but again and again
        values[begin : begin + 100] /= 3
    inside = np.concatenate([np.arange(begin, begin + 100 - WINDOW) for begin in (400, 1000, 1600, 2200, 2800)])
    assert np.isin(inside, profiled(values).suspicious).mean() < 0.02


def test_filter_is_stricter_without_train_end(wave):
    values = wave(2000)
    values[300:900] += 0.05 * np.random.default_rng(1).standard_normal(600) * np.linspace(0, 4, 600)
    guarded, trusted = profiled(values, vouched=False), profiled(values)
    assert len(guarded.suspicious) > len(trusted.suspicious)
    assert set(trusted.suspicious.tolist()) <= set(guarded.suspicious.tolist())


def test_report_says_how_many_and_where(wave):
    values = wave(TRAIN_END)
    values[500:560] += 4
    found = profiled(values)
    told = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert told["windows_left_out"] == len(found.suspicious)
    assert told["windows_profiled"] == told["windows_left_out"] + len(found.reference_windows.starts)
    ((begin, end),) = told["longest_stretches"]
    assert told["stretches"] == 1 and begin <= 480 and end >= 580
    shares = told["share_left_out"]
    assert {name: len(bins) for name, bins in shares.items()} == {"level": 4, "activity": 4, "phase": 4}
    assert max(shares["level"]) == shares["level"][3] > told["windows_left_out"] / told["windows_profiled"]


def test_phase_is_not_told_where_nothing_recurs():
    values = np.random.default_rng(0).standard_normal(1000)
    assert set(profiled(values).summary()["share_left_out"]) == {"level", "activity"}


def test_stretches_join_windows_that_touch():
    assert stretches(np.array([0, 3, 13, 40]), 10) == [[0, 23], [40, 50]]
    assert stretches(np.array([], dtype=np.int64), 10) == []


def test_held_out_windows_are_apart_from_those_to_learn_from(series):
    found = profile(series, WINDOW, *UNIT)
    assert found.fit.max() + 2 * WINDOW <= found.held_out[0]
    assert found.held_out_starts().min() >= found.held_out[0]
    assert found.held_out[1] == TRAIN_END


def test_another_judge_of_windows_is_obeyed(wave):
    chosen = np.arange(100, 140)
    found = profiled(wave(TRAIN_END), suspect=lambda windows, _: np.isin(windows.starts.numpy(), chosen))
    np.testing.assert_array_equal(found.suspicious, chosen)


def test_too_short_a_training_part_is_one_clear_line(wave):
    with pytest.raises(TooShortError, match="too few to post-train"):
        profile(from_array(wave()[:, None], train_end=200), 64, *UNIT)


@pytest.mark.parametrize("first", [True, False])
def test_an_end_that_is_suspicious_throughout_is_one_clear_line(wave, first):
    with pytest.raises(TooShortError, match="first or the last part"):
        profiled(wave(TRAIN_END), suspect=lambda windows, _: (windows.starts.numpy() < 850) == first)


@settings(max_examples=20)
@given(st.integers(0, 50), st.integers(1, 4), st.sampled_from([1, 3]))
def test_distinct_neighbours_as_looked_for_one_by_one(seed, count, channels):
    length, window = 50, 7
    values = np.random.default_rng(seed).standard_normal((length, channels)).astype(np.float32)
    starts = np.arange(0, length - window + 1, 2)
    reference_windows = ReferenceWindows.build(values, starts, window, torch.zeros(channels), torch.ones(channels))
    found = reference_windows.distinct_neighbours(count).numpy()
    assert found.shape == (count, len(starts))
    for i, start in enumerate(starts):
        taken = [start]
        order = np.argsort([np.sum((values[s : s + window] - values[start : start + window]) ** 2) for s in starts])
        for k in range(count):
            free = [j for j in order if all(abs(starts[j] - other) >= window for other in taken)]
            best = free[0] if free else found[k - 1, i]
            assert found[k, i] == best
            taken.append(starts[best])


def test_where_no_other_neighbour_is_left_the_last_one_is_repeated():
    values = np.arange(20, dtype=np.float32)[:, None] ** 2
    reference_windows = ReferenceWindows.build(values, np.array([0, 10]), 10, *UNIT)
    assert reference_windows.distinct_neighbours(3).tolist() == [[1, 0]] * 3
