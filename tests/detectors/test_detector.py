"""Both backbones as detectors: training, scoring, refusals."""

from __future__ import annotations

import contextlib
import math
import tracemalloc

import numpy as np
import pytest
import torch

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.detectors import Detector


def naive_scores(detector, values, stride=1):
    """Mean of `point_scores` over all windows that cover a point, one window at a time."""
    window, device = detector.window, detector.scale_shift[0].device
    begins = list(range(0, len(values) - window + 1, stride))
    if begins[-1] != len(values) - window:
        begins.append(len(values) - window)
    covering = [[] for _ in values]
    with torch.no_grad():
        for begin in begins:
            x = torch.from_numpy(values[begin : begin + window].T.copy())[None].to(device)
            for offset, value in enumerate(detector.point_scores(x)[0].tolist()):
                covering[begin + offset].append(value)
    return np.array([math.fsum(values) / len(values) for values in covering])


def wave(period, length=800):
    noise = 0.05 * np.random.default_rng(1).standard_normal(length)
    return ape.series.from_array(np.sin(2 * np.pi * np.arange(length) / period) + noise)


def test_names_are_those_that_create_accepts():
    assert set(ape.detectors.names()) == {
        "crossad", "donut", "fcvae", "lstm-ae", "omni-anomaly", "timesnet", "tranad", "transformer", "vae",
    }  # fmt: skip
    for name in ape.detectors.names():
        assert ape.detectors.create(name, window=30).window == 30


def test_same_seed_same_scores_other_seed_others(make, name, series):
    scores = [make(name, steps=8, device="cpu").fit(series, seed=s).score(series, stride=6) for s in (0, 0, 1)]
    first, again, other = scores
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_training_does_not_hang_on_the_global_random_state(make, name, series):
    torch.manual_seed(1)
    first = make(name, steps=5, device="cpu").fit(series).score(series, stride=6)
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, make(name, steps=5, device="cpu").fit(series).score(series, stride=6))


def test_training_leaves_the_global_random_state(make, name, series):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make(name, steps=3).fit(series, seed=9)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_leaves_the_random_state_of_the_gpu(make, series):
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    make("vae", steps=5, device="cuda").fit(series, seed=9)
    assert torch.equal(before, torch.cuda.get_rng_state())


def test_follows_the_protocol(detector, series):
    assert isinstance(detector, Detector)
    x = torch.from_numpy(series.values[:72].reshape(3, 1, 24).copy()).to(detector.scale_shift[0].device)
    assert detector.reconstruct(x).shape == x.shape
    assert detector.point_scores(x).shape == (3, 24)
    latent, loss = detector.encode(x), detector.loss(x)
    assert latent.ndim == 2 and len(latent) == 3
    assert loss.ndim == 0 and loss.requires_grad and latent.requires_grad


def test_reconstruction_is_in_data_units_and_close_to_normal_data(of_two, two_channels):
    values = two_channels.values[:240].reshape(10, 24, 2).transpose(0, 2, 1).copy()
    x = torch.from_numpy(values).to(of_two.scale_shift[0].device)
    error = (of_two.reconstruct(x).detach().cpu().numpy() - values).std(axis=(0, 2))
    assert (error < 0.5 * two_channels.train.std(axis=0)).all()


def test_point_scores_are_the_squared_standardised_residual(vae, series):
    x = torch.from_numpy(series.values[:24].T[None].copy()).to(vae.scale_shift[0].device)
    mean, deviation = series.train.mean(), series.train.std()
    expected = ((x - vae.reconstruct(x)) / deviation).square()[0, 0]
    torch.testing.assert_close(vae.point_scores(x)[0], expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose([part.item() for part in vae.scale_shift], [mean, deviation], rtol=1e-4)


@pytest.mark.parametrize("stride", [None, 7])
def test_score_is_the_mean_over_all_windows_that_cover_a_point(detector, series, stride):
    part = ape.series.from_array(series.values[300:900])  # more windows than go into one batch
    score = detector.score(part, stride=stride)
    assert score.dtype == np.float32 and score.shape == (600,)
    np.testing.assert_allclose(score, naive_scores(detector, part.values, stride or 1), rtol=1e-3, atol=1e-6)


def test_memory_of_scoring_is_that_of_the_result_and_a_batch(vae):
    def peak(length):
        long = ape.series.Series(np.zeros((length, 1), np.float32), channels=("a",))
        tracemalloc.start()
        vae.score(long, stride=1)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken - 4 * length  # the result

    assert peak(80_000) < peak(20_000) + 100_000  # bytes


def test_stride_beyond_the_window_makes_no_point_perfectly_normal(vae, series):
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


def test_only_the_training_part_is_learned_from(make, series):
    values = series.values.copy()
    values[series.train_end :] *= 50
    changed = ape.series.from_array(values, train_end=series.train_end)
    first, second = (make("vae", steps=10, device="cpu").fit(s).score(series) for s in (series, changed))
    np.testing.assert_array_equal(first, second)


def test_training_again_starts_afresh(make, series):
    detector = make("vae", steps=20, device="cpu").fit(series)
    first = detector.score(series)
    np.testing.assert_array_equal(first, detector.fit(series).score(series))


def test_progress_ends_at_its_total(make, series):
    told = []
    make("vae", steps=120).fit(series, progress=lambda step, done, total, note="": told.append((step, done, total)))
    assert [step for step, _, _ in told] == ["training"] * len(told)
    assert [done for _, done, _ in told] == [50, 100, 120]
    assert told[-1][1] == told[-1][2]


def test_clone_is_independent(vae, series):
    before, twin = vae.score(series), vae.clone()
    np.testing.assert_array_equal(before, twin.score(series))
    with torch.no_grad():
        for parameter in twin.module.parameters():
            parameter.zero_()
    assert not np.array_equal(before, twin.score(series))
    np.testing.assert_array_equal(before, vae.score(series))


def test_training_a_clone_leaves_the_original(vae, series, shortened):
    before, twin = vae.score(series), shortened(vae.clone(), 10)
    twin.fit(series, seed=4)
    np.testing.assert_array_equal(before, vae.score(series))
    assert not np.array_equal(before, twin.score(series))


def test_automatic_window_is_one_period(make):
    assert make("vae", steps=1, window=None).fit(wave(48)).window == pytest.approx(48, abs=2)


def test_automatic_window_is_at_least_32_and_at_most_a_quarter_of_the_training_part(make):
    assert make("vae", steps=1, window=None).fit(wave(12)).window == 32
    assert make("vae", steps=1, window=None).fit(wave(60, length=200)).window <= 50


def test_automatic_window_follows_the_series_of_the_latest_training(make):
    detector = make("vae", steps=1, window=None).fit(wave(48))
    assert detector.fit(wave(96)).window == pytest.approx(96, abs=3)


@pytest.mark.parametrize("layout", ["F", "C"])
def test_standardisation_is_right_for_a_long_series_far_from_zero(make, layout):
    values = 1e4 + np.random.default_rng(0).standard_normal((100_000, 2))
    series = ape.series.Series(values.astype(np.float32, order=layout), channels=("a", "b"))
    shift, scale = make("vae", steps=1).fit(series).scale_shift
    np.testing.assert_allclose(shift.cpu(), 1e4, atol=0.1)
    np.testing.assert_allclose(scale.cpu(), 1, atol=0.1)


def test_channel_that_stands_still_in_training_gives_finite_scores(make, series):
    still = np.ones(series.length)
    still[-50:] = 2
    two = ape.series.from_array(np.column_stack([series.values[:, 0], still]), train_end=series.train_end)
    score = make("vae", steps=5).fit(two).score(two)
    assert np.isfinite(score).all()
    assert score[-40:].min() > score[: series.train_end].max()


def test_unknown_backbone_names_those_there_are():
    with pytest.raises(InputError, match="hourglass") as caught:
        ape.detectors.create("hourglass")
    assert "lstm-ae" in caught.value.hint and "vae" in caught.value.hint


def test_unknown_option_names_those_there_are():
    with pytest.raises(InputError, match="depth") as caught:
        ape.detectors.create("lstm-ae", depth=3)
    assert "hidden" in caught.value.hint and "window" not in caught.value.hint


def test_options_reach_the_backbone(make, series):
    trained = make("vae", steps=1, latent=3).fit(series)
    x = torch.from_numpy(series.values[:24].T[None].copy()).to(trained.scale_shift[0].device)
    assert trained.encode(x).shape == (1, 3)


@pytest.mark.parametrize("window", [3, 0, -5])
def test_too_short_a_window_is_refused(window):
    with pytest.raises(InputError, match="too short"):
        ape.detectors.create("vae", window=window)


def test_training_part_must_hold_four_windows(make, series):
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
        lambda d, s: d.scale_shift,
        lambda d, s: d.clone(),
    ],
)
def test_use_before_training_says_so(series, use):
    with pytest.raises(InputError, match="not trained"):
        use(ape.detectors.create("vae", window=24), series)


def test_window_is_unknown_before_training_unless_it_was_given():
    with pytest.raises(InputError, match="not trained"):
        _ = ape.detectors.create("vae").window


def test_saving_before_training_says_so_and_writes_nothing(tmp_path):
    with pytest.raises(InputError, match="not trained"):
        ape.detectors.create("vae", window=24).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
