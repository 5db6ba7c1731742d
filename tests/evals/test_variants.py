"""Changed series: what changes, and where the anomaly is afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from ape.detectors.detector import automatic_window
from ape.evals.cases import Case
from ape.evals.variants import VARIANTS, drifting, finer, noisy, shortened
from ape.series import from_array

LENGTH, TRAIN_END, PERIOD = 3000, 2000, 50


@pytest.fixture
def case():
    values = np.sin(2 * np.pi * np.arange(LENGTH) / PERIOD) + 0.05 * np.random.default_rng(0).normal(size=LENGTH)
    labels = np.zeros(LENGTH, bool)
    labels[2500:2550] = True
    values[labels] += 3
    return Case("wave", "synthetic", from_array(values, train_end=TRAIN_END, name="wave", text="A wave."), labels)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_anomaly_stays_where_its_label_is(case, name):
    changed = VARIANTS[name](case)
    series = changed.series
    assert len(changed.labels) == series.length and not changed.labels[: series.train_end].any()
    values = series.values[:, 0] - np.linspace(0, 1, series.length)
    assert values[changed.labels].mean() > values[~changed.labels].mean() + 1
    assert (series.name, series.text) == ("wave", "A wave.")


def test_a_short_training_part_is_the_end_of_the_long_one(case):
    short = shortened(case, 5)
    assert short.series.train_end == 5 * automatic_window(case.series)
    np.testing.assert_array_equal(short.series.values, case.series.values[-short.series.length :])
    assert shortened(case, 1000).series.length == LENGTH


def test_drift_begins_after_the_training_part(case):
    moved = drifting(case).series.values - case.series.values
    assert not moved[: TRAIN_END + 1].any()
    assert moved[-1] == pytest.approx(case.series.train.std(), rel=0.01)


def test_noise_is_a_fifth_of_the_spread(case):
    noise = noisy(case).series.values - case.series.values
    assert noise.std() == pytest.approx(0.2 * case.series.train.std(), rel=0.1)


def test_every_second_point_of_a_finer_series_is_a_point_of_the_series(case):
    fine = finer(case)
    np.testing.assert_allclose(fine.series.values[::2], case.series.values, rtol=1e-6)
    np.testing.assert_array_equal(fine.labels[::2], case.labels)
    assert (fine.series.length, fine.series.train_end) == (2 * LENGTH - 1, 2 * TRAIN_END)
