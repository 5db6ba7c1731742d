"""Each measurement against answers that are known beforehand."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.series.matrix_profile import matrix_profile
from ape.tools.artefacts import Artefacts
from ape.tools.autocorrelation import clock_agreement, measure_cycles, periods_over_chunks
from ape.tools.change_points import find_changes
from ape.tools.coherence import measure_relation
from ape.tools.correlation import correlations
from ape.tools.matrix_profile import recurrence
from ape.tools.regimes import find_regimes
from ape.tools.robust_stats import describe, longest_run
from ape.tools.sampling import measure_sampling
from ape.tools.similar import find_similar
from ape.tools.spectral_residual import salience
from ape.tools.spectrum import measure_spectrum
from ape.tools.stationarity import measure_stationarity
from ape.tools.stl import decompose, strength

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=4000)


def sine(period: float, length: int = 4000) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(length) / period)


def test_robust_stats_by_hand():
    found = describe(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 10.0]))
    assert (found.minimum, found.maximum, found.median, found.points) == (0.0, 10.0, 1.5, 8)
    assert found.robust_scale == pytest.approx(1.4826 * 1.5)  # deviations 1.5 1.5 1.5 .5 .5 .5 2.5 8.5
    assert found.repeated_share == pytest.approx(3 / 7)
    assert (found.longest_flat_run, found.distinct_values) == (3, 5)
    assert found.zero_share == found.at_minimum_share == 3 / 8
    assert found.at_maximum_share == 1 / 8


def test_robust_stats_know_normal_smooth_discrete_and_saturated():
    normal, smooth = describe(NOISE), describe(sine(200))
    assert normal.tail_ratio == pytest.approx(4.58, rel=0.12)
    assert normal.residual_sd_share > 0.8
    assert smooth.residual_sd_share < 0.05
    assert describe(NOISE**3).tail_ratio > 2 * normal.tail_ratio
    assert describe(np.round(sine(400), 1)).distinct_values == 21
    assert describe(np.clip(sine(50), -2, 0.5)).at_maximum_share == pytest.approx(1 / 3, abs=0.03)
    spiky = 0.1 * NOISE
    spiky[1000] += 10
    assert describe(spiky).largest_jump_ratio > 20


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_longest_run_against_a_plain_count(values):
    best = here = 1
    for before, after in pairwise(values):
        here = here + 1 if before == after else 1
        best = max(best, here)
    assert longest_run(np.array(values)) == best


def test_correlations_match_numpy_and_leave_out_what_stands_still():
    values = np.column_stack([NOISE, -2 * NOISE, RNG.normal(size=4000), np.ones(4000)])
    found = correlations(values)
    np.testing.assert_allclose(found[:3, :3], np.corrcoef(values[:, :3], rowvar=False), atol=1e-12)
    assert np.isnan(found[3]).all()


def test_correlation_tool(ask):
    assert ask(NOISE, "correlation") == {"mean_absolute": None, "strongest": []}
    answer = ask(np.column_stack([NOISE, RNG.normal(size=4000), -NOISE]), "correlation")
    assert answer["strongest"][0] == {"channels": ["c0", "c2"], "correlation": -1.0}


def test_cycles_of_a_steady_sine():
    found = measure_cycles(sine(80) + 0.1 * NOISE)
    assert found.period == found.clock_period == 80
    assert found.phase_locked > 0.95
    assert found.acf_at_periods == pytest.approx([0.98] * 4, abs=0.03)
    assert found.period_spread < 0.03


def test_a_wandering_phase_is_not_locked():
    frequency = (1 + 0.15 * np.sin(2 * np.pi * np.arange(4000) / 1700)) / 40
    found = measure_cycles(np.sin(2 * np.pi * np.cumsum(frequency)))
    assert found.period == pytest.approx(40, abs=5)
    assert found.phase_locked < 0.4
    assert found.period_spread > 0.1
    assert found.acf_at_periods[0] > found.acf_at_periods[3]


def test_clock_agreement_of_its_own_and_of_a_wrong_period():
    assert clock_agreement(sine(50), 50) > 0.99
    assert abs(clock_agreement(sine(50), 51)) < 0.3
    assert abs(clock_agreement(NOISE, 50)) < 0.1  # 0.18 if a block were compared with itself too


def test_noise_has_no_period_and_periods_over_chunks_need_two_chunks():
    found = measure_cycles(NOISE)
    assert (found.period, found.phase_locked, found.acf_at_periods) == (None, None, [])
    assert periods_over_chunks(sine(400), 400) is None
    np.testing.assert_allclose(periods_over_chunks(sine(50.5), 50), 50.5, atol=0.3)


def test_spectrum_of_two_tones_and_of_noise():
    found = measure_spectrum(2 * sine(100) + sine(10) + 0.05 * NOISE)
    assert [peak["period"] for peak in found.peaks[:2]] == pytest.approx([100, 10], rel=0.03)
    assert [peak["share"] for peak in found.peaks[:2]] == pytest.approx([0.8, 0.2], abs=0.03)  # 4 to 1 in power
    assert found.steady_share == 1.0
    assert found.flatness < 0.05
    white = measure_spectrum(NOISE)
    assert white.flatness > 0.8
    assert white.top_peak_share < 0.05
    assert sum(white.band_share.values()) == pytest.approx(1)
    assert white.band_share["under_4"] == pytest.approx(0.5, abs=0.05)


def test_spectrum_sees_frequency_and_activity_change_over_time():
    chirp = np.concatenate([sine(80, 2000), sine(20, 2000)])
    assert measure_spectrum(chirp).steady_share < 0.7
    loud = NOISE * np.repeat([1.0, 4.0], 2000)
    assert measure_spectrum(loud).band_change["under_4"] > 8
    assert measure_spectrum(NOISE).band_change["under_4"] < 4


def test_stationarity_tells_walk_trend_and_activity():
    still, walk = measure_stationarity(NOISE), measure_stationarity(np.cumsum(NOISE))
    assert still.adf_p_value < 0.01 < 0.1 < walk.adf_p_value
    assert walk.level_range_in_sd > 1 > still.level_range_in_sd
    rising = measure_stationarity(np.linspace(0, 1, 4000) + 0.01 * NOISE)
    assert rising.trend_fit > 0.99
    assert rising.trend_over_length_in_sd == pytest.approx(0.9 * np.sqrt(12), rel=0.02)  # between middles of tenths
    assert measure_stationarity(NOISE * np.repeat([1.0, 5.0], 2000)).block_spread_ratio == pytest.approx(5, rel=0.15)
    assert still.block_spread_ratio < 1.3
    assert still.memory == pytest.approx(0.5, abs=0.06) and walk.memory == pytest.approx(1.5, abs=0.1)


def test_blocks_of_whole_cycles_do_not_take_a_cycle_for_drift():
    found = measure_stationarity(sine(230, 2500) + 0.3 * sine(115, 2500) + 0.01 * NOISE[:2500])
    assert found.level_range_in_sd < 0.1


def test_a_planted_step_is_found_where_it_is():
    values = NOISE + np.repeat([0.0, 3.0], [2600, 1400])
    found = find_changes(values)
    assert found.count == 1
    assert found.positions[0] == pytest.approx(2600, abs=2 * found.bin_width)
    assert found.sizes_in_sd[0] == pytest.approx(3 / values.std(), rel=0.15)
    assert found.level_explained > 0.9
    assert found.activity_count == 0


def test_a_planted_change_of_activity_is_found_where_it_is():
    found = find_changes(NOISE * np.repeat([1.0, 3.0], [1500, 2500]))
    assert (found.count, found.activity_count) == (0, 1)
    assert found.activity_positions[0] == pytest.approx(1500, abs=2 * found.bin_width)
    assert found.activity_ratios[0] == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize(
    "values", [NOISE, sine(300), sine(37) + 0.1 * NOISE], ids=["noise", "long cycle", "short cycle"]
)
def test_what_stays_the_same_has_no_change_points(values):
    found = find_changes(values)
    assert (found.count, found.activity_count, found.level_explained) == (0, 0, 0.0)


def test_parts_of_a_decomposition_add_up_and_are_strong_or_weak():
    values = 3 * sine(50) + np.linspace(0, 10, 4000) + 0.1 * NOISE
    parts = decompose(values, [50])
    np.testing.assert_allclose(parts.seasonal.sum(axis=0) + parts.trend + parts.residual, values, atol=1e-9)
    assert strength(parts.seasonal[0], parts.residual) > 0.99
    assert strength(parts.trend, parts.residual) > 0.99
    plain = decompose(NOISE, [50])
    assert strength(plain.seasonal[0], plain.residual) < 0.4


def test_several_periods_come_apart():
    parts = decompose(sine(24) + 2 * sine(168) + 0.1 * NOISE, [24, 168])
    assert parts.seasonal.shape == (2, 4000)
    middle = slice(500, 3500)
    assert np.corrcoef(parts.seasonal[0][middle], sine(24)[middle])[0, 1] > 0.95
    assert np.corrcoef(parts.seasonal[1][middle], sine(168)[middle])[0, 1] > 0.95


def test_the_middle_of_a_long_series_is_decomposed():
    parts = decompose(sine(50, 30_000), [50])
    assert (parts.begin, parts.end, len(parts.trend)) == (5000, 25_000, 20_000)


def test_strength_by_hand():
    part, residual = np.array([3.0, -3.0, 3.0, -3.0]), np.array([1.0, 1.0, -1.0, -1.0])
    assert strength(part, residual) == pytest.approx(1 - 1 / 10)
    assert strength(-residual, residual) == 0.0


def test_recurrence_by_hand():
    distance = np.array([4.0, 1.0, 4.0, 2.0, 8.0, 7.0, 4.0, 0.5])  # of windows of 4 samples: the largest is 4
    index = np.array([3, 7, 6, 0, 0, 0, 2, 1])
    found = recurrence(distance, index, window=4, listed=2)
    assert found.median_distance == 1.0
    assert found.discords[0] == {"position": 4, "distance": 2.0, "over_median": 2.0}
    assert found.discords[1]["position"] == 0  # 1 to 7 lie within a window of the first
    assert found.motifs[0] == {"position": 7, "twin": 1, "distance": 0.125}
    assert len(found.motifs) == 1  # nothing is left apart from both twins


def test_a_planted_discord_and_its_profile(ask, tmp_path):
    values = np.tile(sine(50, 50), 30) + 0.02 * NOISE[:1500]
    values[700:725] = values[700:725][::-1] + 0.5
    answer = ask(values, "matrix_profile", window=50)
    assert 650 <= answer["discords"][0]["position"] <= 725
    assert answer["discords"][0]["over_median"] > 3
    assert answer["median_distance"] < 0.1
    profile = np.load(io.BytesIO(Artefacts(tmp_path).get_bytes(answer["artefact"])))
    assert len(profile) == 1451
    assert 650 <= profile.argmax() <= 725


def test_stl_tool(ask, wave, tmp_path):
    answer = ask(wave, "stl", periods=[50])
    assert answer["seasonal_strength"] > 0.97
    assert answer["residual_scale"] == pytest.approx(0.05, rel=0.25)
    stored = np.load(io.BytesIO(Artefacts(tmp_path).get_bytes(answer["artefact"])))
    np.testing.assert_allclose(stored.sum(axis=0), wave, atol=1e-5)


def test_one_channel_that_follows_another_is_found_with_its_lag():
    first = np.convolve(NOISE, np.ones(5) / 5, mode="same")
    found = measure_relation(first[50:], first[:-50])  # the second does 50 samples later what the first did
    assert found.lag == 50 and found.correlation_at_lag == pytest.approx(1.0, abs=0.05)
    assert abs(found.correlation_without) < 0.2
    assert measure_relation(first[50:], -first[:-50]).correlation_at_lag == pytest.approx(-1.0, abs=0.05)


def test_channels_that_share_one_cycle_are_coherent_there_alone():
    found = measure_relation(sine(40) + 0.5 * NOISE, sine(40) + 0.5 * np.roll(NOISE[::-1], 7))
    assert found.coherent_periods[0]["period"] == pytest.approx(40, rel=0.05)
    assert found.coherent_periods[0]["coherence"] > 0.9 > 0.4 > found.mean_coherence


def test_a_change_of_shape_is_a_border_between_regimes():
    square = np.sign(sine(25, 1500)) + 0.05 * NOISE[:1500]
    both = np.concatenate([sine(25, 1500) + 0.05 * NOISE[1500:3000], square])
    found = find_regimes(matrix_profile(both, 25).index, 25)
    assert abs(found.borders[0]["position"] - 1500) < 50 and found.borders[0]["crossed_share"] < 0.1
    assert len(found.borders) == 1
    assert not find_regimes(matrix_profile(sine(25) + 0.05 * NOISE, 25).index, 25).borders


def test_a_shape_is_found_again_at_another_level_and_size():
    values = 0.3 * NOISE
    shape = np.hanning(60)
    for at, size, level in ((500, 4, 0), (1700, 9, 5), (3100, 2.5, -3)):
        values[at : at + 60] = 0.02 * NOISE[:60] + size * shape + level
    found, alike = find_similar(values, 500, 560)
    assert {round(each["position"], -1) for each in found[:2]} == {1700, 3100} and alike == 2


def test_salience_marks_what_breaks_the_rhythm_and_nothing_in_noise():
    values = sine(50) + 0.02 * NOISE
    values[2000] += 3
    strength = salience(values)
    assert abs(int(strength.argmax()) - 2000) <= 2 and strength.max() > 20
    assert np.mean(salience(NOISE) > 8) < 0.01


def test_sampling_knows_the_step_of_the_values_and_of_the_clock():
    clock = np.datetime64("2026-01-01T00:00:00", "ms") + np.arange(400) * np.timedelta64(60_000, "ms")
    clock[200:] += np.timedelta64(600_000, "ms")
    found = measure_sampling(np.round(sine(37, 400), 1), clock)
    assert found.quantisation_step == pytest.approx(0.1) and found.levels == pytest.approx(20)
    assert (found.step_seconds, found.gaps, found.longest_gap_seconds) == (60.0, 1, 660.0)
    assert found.jitter_share == pytest.approx(1 / 399)
    free = measure_sampling(NOISE[:400], None)
    assert free.quantisation_step is None and free.gaps is None
