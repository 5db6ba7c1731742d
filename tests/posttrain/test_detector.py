"""Scores of enhanced detectors, at once and in pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support import with_gaps

from ape.core.errors import InputError
from ape.posttrain.following import MISSING
from ape.series import from_array
from ape.series.windows import clip

from .conftest import TRAIN_END


@pytest.fixture(scope="module")
def model(enhanced):
    return enhanced.candidate


@pytest.fixture(scope="module")
def score(model, planted):
    return model.score(planted[0])


def test_enhanced_detector_follows_the_protocol(model, series, score):
    assert score.shape == (series.length,) and score.dtype == np.float32 and np.isfinite(score).all()
    x = torch.from_numpy(series.values[: model.window].T[None].repeat(3, 0))
    assert model.point_scores(x).shape == (3, model.window)
    assert model.reconstruct(x).shape == x.shape and model.encode(x).shape[0] == 3
    twin = model.clone()
    with torch.no_grad():
        next(twin.module.parameters()).add_(1)
        next(twin.model.parameters()).add_(1)
    np.testing.assert_array_equal(model.score(series.until(1300))[:1000], score[:1000])


def test_score_means_a_share_of_normal_points(model, wave):
    normal = model.score(from_array(wave(6000, seed=5)[:, None]))
    for level, far in ((0.3, 0.2), (1, 0.06), (2, 0.01)):
        assert (normal >= level).mean() == pytest.approx(10.0**-level, abs=far)


def test_final_scores_do_not_change_as_more_data_arrive(model, planted, score):
    series, _ = planted
    part = model.score(series.until(1650))
    settled = 1650 - model.latency
    np.testing.assert_array_equal(part[:settled], score[:settled])
    assert not np.array_equal(part, score[:1650])


def test_progress_of_scoring_grows_to_the_length(model, series):
    reports = []
    model.assess(series, lambda step, done, total, note="": reports.append((step, done, total)))
    assert len(reports) > 1 and reports == sorted(reports)
    assert reports[-1] == ("scoring", series.length, series.length)


@pytest.mark.parametrize("sizes", [(1, 50, 700, 49), (800,), (400, 400)])
def test_pieces_give_the_scores_of_the_whole(model, planted, score, sizes):
    series, _ = planted
    follower, at, final = model.follow(), TRAIN_END, []
    for size in sizes:
        final.append(follower.add(series.values[at : at + size]))
        at += size
    newest = follower.newest()
    np.testing.assert_array_equal(np.concatenate([*final, newest.score]), score[TRAIN_END:])
    assert newest.age.tolist() == list(range(len(newest.score)))[::-1]
    np.testing.assert_array_equal(follower.newest().score, newest.score)


def test_series_and_arrays_may_be_followed(model, planted, score):
    series, _ = planted
    follower = model.follow()
    final = [follower.add(replace(series, values=series.values[1200:1500], train_end=None))]
    final.append(follower.add(series.values[1500:].astype(np.float64)))
    np.testing.assert_array_equal(np.concatenate([*final, follower.newest().score]), score[TRAIN_END:])


def test_gap_ends_a_stretch_in_pieces_as_well(model, planted):
    series = with_gaps(planted[0], 1500, 1520)
    follower = model.follow()
    final = [follower.add(series.values[a:b], gap=a > 1200) for a, b in ((1200, 1500), (1500, 1520), (1520, 2000))]
    pieces = np.concatenate([*final, follower.newest().score])
    np.testing.assert_array_equal(pieces, model.score(series)[TRAIN_END:])
    assert np.flatnonzero(np.isnan(pieces)).tolist() == list(range(300, 320))


def test_new_segment_is_compared_with_the_training_part(model, wave):
    new = from_array(wave(800, seed=7)[:, None])
    score = model.score(new)
    assert score.shape == (800,) and np.median(score) < 1
    follower = model.follow(continues=False)
    final = follower.add(new.values)
    np.testing.assert_array_equal(np.concatenate([final, follower.newest().score]), score)


def test_repeated_anomaly_scores_lower_once_it_is_long_ago(model, wave):
    values = wave(5000)
    values[:TRAIN_END] = model.normal.values[:, 0]
    for at in (1600, 4600):
        values[at : at + 40] += 1.5
    score = model.score(from_array(values[:, None]))
    assert score[4600:4640].max() < score[1600:1640].max()


def test_missing_values_get_the_highest_score_so_far(model, planted):
    series, where = planted
    missing = np.zeros((series.length, 1), dtype=bool)
    missing[[1300, 1800]] = True
    plain, score = model.score(series), model.score(replace(series, missing=missing))
    others = np.flatnonzero(~missing[:, 0])
    assert np.abs(score - plain)[others].max() < 3  # missing points are no references
    assert score[1300] >= MISSING and score[1800] >= score[where].max() > score[1300]
    follower = model.follow()
    points = series.values[TRAIN_END:].copy()
    points[missing[TRAIN_END:]] = np.nan
    pieces = np.concatenate([follower.add(points[:450]), follower.add(points[450:]), follower.newest().score])
    assert pieces[100] >= MISSING and pieces[600] >= pieces[where.start - TRAIN_END : where.stop - TRAIN_END].max()


def test_missing_values_at_the_end_of_training_begin_a_new_stretch_in_pieces_as_well(model, planted):
    series, normal = planted[0], model.normal
    known = replace(normal, segments=clip(normal.segments, 0, 1190), clean=clip(normal.clean, 0, 1190))
    interrupted = replace(model, normal=known)
    follower = interrupted.follow()
    pieces = [follower.add(series.values[1200:1500]), follower.add(series.values[1500:]), follower.newest().score]
    np.testing.assert_array_equal(np.concatenate(pieces), interrupted.score(series)[TRAIN_END:])


def test_what_was_high_in_the_training_part_does_not_count_for_missing_values(model, series):
    missing = np.zeros((series.length, 1), dtype=bool)
    missing[[900, 1300]] = True
    score = np.zeros(series.length, dtype=np.float32)
    score[100] = 20
    raised = model.raised(score, replace(series, missing=missing))
    assert raised[[900, 1300]].tolist() == [20, MISSING]


def test_voices_are_those_of_the_detectors_that_keep_them(model, planted):
    series, where = planted
    voices = model.voices(series)
    assert set(voices) == {"rules", "free", "both"}
    for voice, values in voices.items():
        np.testing.assert_array_equal(model.keeping(voice).score(series), values)
        assert np.median(values[where]) > 2 > np.median(values[1200:1500])


def test_explanation_names_the_rule(model, planted):
    series, where = planted
    shown = model.explain(series, where.start - 50, where.stop + 50)
    assert shown.rules == ("time_reverse", "amplitude_scale") and shown.channels == series.channels
    assert shown.posterior.shape == (140, 1, 3) and shown.ranking(where.start, where.stop)[0][0] == "time_reverse"
    np.testing.assert_allclose(shown.posterior.sum(2), 1, rtol=1e-5)
    assert np.median(shown.probability[50:90]) > 0.9
    whole = model.explain(series)
    np.testing.assert_array_equal(whole.posterior[where.start - 50 : where.stop + 50], shown.posterior)
    assert np.median(whole.probability[1200:1500]) < 0.1
    start = model.explain(series, -5, 100)
    assert start.begin == 0 and len(start.posterior) == 100


def test_stretch_shorter_than_a_window_is_refused_if_there_is_no_other(model, series):
    with pytest.raises(InputError, match="no stretch without a gap"):
        model.score(replace(series, values=series.values[1500:1600], train_end=None))


def test_other_channels_are_refused(model, wave):
    with pytest.raises(InputError, match="channel"):
        model.score(from_array(np.stack([wave(400), wave(400)], axis=1)))
    for bad in (np.zeros(5), np.full((5, 1), np.inf)):
        with pytest.raises(InputError, match="not rows of numbers"):
            model.follow().add(bad)
