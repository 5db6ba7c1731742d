"""What is usual at an event: normal stretches with similar surroundings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ape.monitor import expected
from ape.monitor.expected import _distances, nearest

from .conftest import EVENT, PERIOD, TRAIN_END

WHERE = slice(*EVENT)


def test_the_nearest_stretches_have_the_phase_of_the_event(context_of, event_of, wave):
    wave[WHERE] += 3
    context = context_of(wave)
    starts = nearest(event_of(context), context)
    assert len(starts) == 5
    phases = (starts - EVENT[0]) % PERIOD
    assert np.minimum(phases, PERIOD - phases).max() <= 1
    assert (starts >= 0).all() and (starts + EVENT[1] - EVENT[0] <= TRAIN_END).all()


def test_the_band_is_what_the_event_replaced(context_of, event_of, wave):
    usual = wave[WHERE].copy()
    wave[WHERE] += 3
    band = expected(event_of(context := context_of(wave)), context)
    assert np.abs(band.middle[:, 0] - usual).max() < 0.3
    assert ((band.low[:, 0] <= usual) & (usual <= band.high[:, 0])).mean() > 0.9
    assert (band.high[:, 0] < wave[WHERE]).all()


def test_the_band_reaches_beyond_the_event_for_pictures(context_of, event_of, wave):
    context = context_of(wave)
    band = expected(event_of(context), context, EVENT[0] - 100, EVENT[1] + 50)
    assert band.middle.shape == (EVENT[1] - EVENT[0] + 150, 1)
    inside = expected(event_of(context), context)
    np.testing.assert_array_equal(band.middle[100:-50], inside.middle)
    normal = wave[EVENT[0] - 100 : EVENT[0]]
    assert ((band.low[:100, 0] <= normal) & (normal <= band.high[:100, 0])).mean() > 0.9


def test_values_are_in_data_units(context_of, event_of, wave):
    context = context_of(wave + 1e7)
    assert context.series.offset is not None
    band = expected(event_of(context), context)
    assert np.abs(band.middle[:, 0] - 1e7 - wave[WHERE]).max() < 0.3


def test_too_little_normal_data_gives_its_quantiles(context_of, event_of, wave):
    context = context_of(wave)
    long = event_of(context, TRAIN_END, len(wave) - 20)
    band = expected(long, replace(context, segments=[(0, 900)]))
    assert len(band.starts) == 0
    assert np.ptp(band.middle) == 0
    assert 8.5 < band.low[0, 0] < 9.2 and 10.8 < band.high[0, 0] < 11.5


def test_surroundings_unlike_all_normal_ones_give_quantiles(context_of, event_of, wave):
    wave[EVENT[0] - 200 : EVENT[1] + 200] += 8
    context = context_of(wave)
    assert len(expected(event_of(context), context).starts) == 0


def test_other_events_are_left_out_of_the_surroundings(context_of, event_of, wave):
    wave[WHERE] += 3
    context = context_of(wave)
    usual = nearest(event_of(context), context)
    wave[EVENT[1] + 5 : EVENT[1] + 35] -= 40
    context = context_of(wave)
    context.abnormal[EVENT[1] + 5 : EVENT[1] + 35] = True
    phases = (nearest(event_of(context), context) - usual[0]) % PERIOD
    assert np.minimum(phases, PERIOD - phases).max() <= 1


def test_an_event_at_the_end_of_the_data_has_one_side(context_of, event_of, wave):
    end = len(wave)
    context = context_of(wave, end - 30, end)
    band = expected(event_of(context, end - 30, end), context)
    assert len(band.starts) and np.abs(band.middle[:, 0] - wave[-30:]).max() < 0.4


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_distances_equal_their_definition(length, channels, more, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((length + more, channels))
    query, weight = rng.standard_normal((length, channels)), rng.integers(0, 2, length).astype(float)
    naive = [(weight[:, None] * (values[start : start + length] - query) ** 2).sum() for start in range(more + 1)]
    np.testing.assert_allclose(_distances(query, weight, values), naive, atol=1e-9)
