"""Detectors around two backbones: standardisation, scoring, windows, refusals."""

from __future__ import annotations

import contextlib
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from naive.detectors_scores import mean_over_windows
from support import with_gaps

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.detectors import Detector


def wave(period, length=800):
    noise = 0.05 * np.random.default_rng(1).standard_normal(length)
    return ape.series.from_array(np.sin(2 * np.pi * np.arange(length) / period) + noise)


def test_detector_follows_the_protocol(detector, series):
    assert isinstance(detector, Detector)
    x = torch.from_numpy(series.values[:72].reshape(3, 1, 24).copy()).to(detector.shift_and_scale[0].device)
    assert detector.reconstruct(x).shape == x.shape
    assert detector.point_scores(x).shape == (3, 24)
    latent, loss = detector.encode(x), detector.loss(x)
    assert latent.ndim == 2 and len(latent) == 3
    assert loss.ndim == 0 and loss.requires_grad and latent.requires_grad


def test_reconstruction_is_in_data_units_and_close_to_normal_data(of_two, two_channels):
    values = two_channels.values[:240].reshape(10, 24, 2).transpose(0, 2, 1).copy()
    x = torch.from_numpy(values).to(of_two.shift_and_scale[0].device)
    error = (of_two.reconstruct(x).detach().cpu().numpy() - values).std(axis=(0, 2))
    assert (error < 0.5 * two_channels.train.std(axis=0)).all()


def test_point_scores_are_the_squared_standardised_residual(vae, series):
    x = torch.from_numpy(series.values[:24].T[None].copy()).to(vae.shift_and_scale[0].device)
    mean, deviation = series.train.mean(), series.train.std()
    expected = ((x - vae.reconstruct(x)) / deviation).square()[0, 0]
    torch.testing.assert_close(vae.point_scores(x)[0], expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose([part.item() for part in vae.shift_and_scale], [mean, deviation], rtol=1e-4)


@pytest.mark.parametrize("stride", [None, 7])
def test_score_equals_naive_mean_over_windows(detector, series, stride):
    part = ape.series.from_array(series.values[300:900])  # more windows than one batch
    score = detector.score(part, stride=stride)
    assert score.dtype == np.float32 and score.shape == (600,)
    np.testing.assert_allclose(score, mean_over_windows(detector, part.values, stride or 1), rtol=1e-3, atol=1e-6)


def test_memory_of_scoring_grows_only_with_the_result(vae):
    def peak(length):
        long = ape.series.Series(np.arange(length, dtype=np.float32)[:, None] % 7, channels=("a",))
        tracemalloc.start()
        vae.score(long, stride=1)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes - 4 * length  # without the result

    assert peak(80_000) < peak(20_000) + 100_000  # bytes


def test_stride_beyond_the_window_leaves_no_point_without_score(vae, series):
    with contextlib.suppress(InputError):
        assert vae.score(series, stride=100).min() > 0


def test_negative_stride_is_refused(vae, series):
    with pytest.raises(InputError):
        vae.score(series, stride=-1)


def test_planted_anomaly_scores_above_all_normal_data(detector, series, planted):
    score = detector.score(series)
    normal = np.delete(score, np.arange(planted.start - 24, planted.stop + 24))
    assert score[planted].mean() > 3 * normal.mean()
    assert planted.start <= score.argmax() < planted.stop


def test_anomaly_in_one_of_two_channels_is_found(of_two, two_channels, planted):
    score = of_two.score(two_channels)
    assert score.shape == (two_channels.length,)
    assert planted.start <= score.argmax() < planted.stop


def test_clone_is_independent(vae, series):
    before, twin = vae.score(series), vae.clone()
    np.testing.assert_array_equal(before, twin.score(series))
    with torch.no_grad():
        for parameter in twin.module.parameters():
            parameter.zero_()
    assert not np.array_equal(before, twin.score(series))
    np.testing.assert_array_equal(before, vae.score(series))


def test_training_a_clone_does_not_change_the_original(vae, series, shortened):
    before, twin = vae.score(series), shortened(vae.clone(), 10)
    twin.fit(series, seed=4)
    np.testing.assert_array_equal(before, vae.score(series))
    assert not np.array_equal(before, twin.score(series))


def test_automatic_window_is_one_period(make):
    assert make("vae", steps=1, window=None).fit(wave(48)).window == pytest.approx(48, abs=2)


def test_automatic_window_is_at_least_32_and_at_most_a_quarter_of_the_training_part(make):
    assert make("vae", steps=1, window=None).fit(wave(12)).window == 32
    assert make("vae", steps=1, window=None).fit(wave(60, length=200)).window <= 50


def test_automatic_window_is_chosen_for_each_training(make):
    detector = make("vae", steps=1, window=None).fit(wave(48))
    assert detector.fit(wave(96)).window == pytest.approx(96, abs=3)


@pytest.mark.parametrize("layout", ["F", "C"])
def test_standardisation_is_accurate_for_a_long_series_far_from_zero(make, layout):
    values = 1e4 + np.random.default_rng(0).standard_normal((100_000, 2))
    series = ape.series.Series(values.astype(np.float32, order=layout), channels=("a", "b"))
    shift, scale = make("vae", steps=1).fit(series).shift_and_scale
    np.testing.assert_allclose(shift.cpu(), 1e4, atol=0.1)
    np.testing.assert_allclose(scale.cpu(), 1, atol=0.1)


def test_channel_that_is_constant_in_training_gives_finite_scores(make, series):
    constant = np.ones(series.length)
    constant[-50:] = 2
    two = ape.series.from_array(np.column_stack([series.values[:, 0], constant]), train_end=series.train_end)
    score = make("vae", steps=5).fit(two).score(two)
    assert np.isfinite(score).all()
    assert score[-40:].min() > score[: series.train_end].max()


def test_training_part_needs_four_window_lengths(make, series):
    with pytest.raises(InputError, match="800 training points are too few") as caught:
        make("vae", window=201).fit(series)
    assert "804" in caught.value.hint
    assert make("vae", steps=1, window=200).fit(series).score(series).shape == (series.length,)


def test_other_number_of_channels_is_refused(vae, two_channels):
    with pytest.raises(InputError, match="2 channels"):
        vae.score(two_channels)


def test_series_shorter_than_a_window_is_refused(make, series):
    trained = make("vae", steps=1, window=200).fit(series)
    with pytest.raises(InputError, match="150 points"):
        trained.score(ape.series.from_array(series.values[:150]))


@pytest.mark.parametrize(
    "use",
    [
        lambda d, s: d.score(s),
        lambda d, s: d.encode(torch.zeros(1, 1, 24)),
        lambda d, s: d.reconstruct(torch.zeros(1, 1, 24)),
        lambda d, s: d.loss(torch.zeros(1, 1, 24)),
        lambda d, s: d.point_scores(torch.zeros(1, 1, 24)),
        lambda d, s: d.module,
        lambda d, s: d.shift_and_scale,
        lambda d, s: d.clone(),
    ],
)
def test_use_before_training_is_refused(series, use):
    with pytest.raises(InputError, match="not trained"):
        use(ape.detectors.create("vae", window=24), series)


def test_saving_before_training_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(InputError, match="not trained"):
        ape.detectors.create("vae", window=24).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stride", [None, 5])
def test_stretches_between_gaps_are_scored_as_series_of_their_own(detector, series, stride):
    scores = detector.score(with_gaps(series, 400, 410, 900), stride=stride)
    assert np.isnan(scores[400:410]).all()  # shorter than a window
    for begin, end in ((0, 400), (410, 900), (900, 1100)):
        alone = detector.score(ape.series.from_array(series.values[begin:end]), stride=stride)
        np.testing.assert_allclose(scores[begin:end], alone, rtol=1e-4, atol=1e-6)


def test_scores_after_a_gap_do_not_depend_on_values_before_it(detector, series):
    changed = series.values.copy()
    changed[380:400] += 9
    first, second = (
        detector.score(with_gaps(replace(series, values=values), 400)) for values in (series.values, changed)
    )
    np.testing.assert_array_equal(first[400:], second[400:])
    assert not np.array_equal(first[:400], second[:400])


def test_series_without_a_stretch_as_long_as_a_window_is_refused(detector, series):
    with pytest.raises(InputError, match="no stretch without a gap is as long as a window of 24: the longest has 20"):
        detector.score(with_gaps(series, *range(20, 1100, 20)))


def test_automatic_window_is_the_period_of_the_longest_training_stretch(make):
    first, second = wave(96, length=500), wave(48, length=900)
    joined = ape.series.from_array(np.concatenate([first.values, second.values]))
    assert make("vae", steps=1, window=None).fit(with_gaps(joined, 500)).window == pytest.approx(48, abs=2)


@pytest.mark.parametrize("units", [(2.0**-40, 2.0**-40), (2.0**60, 2.0**-90), (1e-28, 1e28)])
def test_every_channel_counts_the_same_in_any_unit(name, make, two_channels, units):
    scores = []
    for factor in ((1.0, 1.0), units):
        scaled = ape.series.from_array(two_channels.exact * np.array(factor), train_end=two_channels.train_end)
        scores.append(make(name, steps=30).fit(scaled, seed=0).score(scaled))
    exact = all(np.log2(factor) % 1 == 0 for factor in units)
    np.testing.assert_allclose(scores[1], scores[0], rtol=0 if exact else 1e-3)


@pytest.mark.parametrize("level", [2e7, 1e9, -3e11])
def test_a_level_beyond_float32_does_not_change_scores(name, make, two_channels, level):
    moved = ape.series.from_array(two_channels.exact + level, train_end=two_channels.train_end)
    scores = [make(name, steps=30).fit(each, seed=0).score(each) for each in (two_channels, moved)]
    rounding = 1e-3 if abs(level) < 1e10 else 1e-2  # of the float64 values themselves
    np.testing.assert_allclose(scores[1], scores[0], rtol=rounding)


def test_integers_beyond_float64_are_scored_like_small_ones(make, series):
    small = np.round(1000 * series.exact).astype(np.int64)
    scores = []
    for values in (small, 2**62 + small):
        read = ape.series.from_array(values, train_end=series.train_end)
        scores.append(make("vae", steps=30).fit(read, seed=0).score(read))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3)
