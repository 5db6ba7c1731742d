"""VUS against hand-computed values, a naive reference, and the authors' package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive.evals_metrics import vus as naive_vus

from ape.core.errors import InputError
from ape.evals.metrics import average_precision, roc_auc, vus_pr, vus_roc

HALF = np.sqrt(1 / 2)  # the soft label at distance 1 for a buffer of length 2
points = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1]), st.integers(-20, 20)), min_size=2, max_size=40)


def random_case(seed):
    """Return labels with short, long, neighbouring and outermost events, scores with or without ties, and a buffer."""
    random = np.random.default_rng(seed)
    labels = np.zeros(int(random.integers(30, 200)), int)
    for _ in range(random.integers(1, 6)):
        begin = random.integers(-5, len(labels) - 1)
        labels[max(begin, 0) : max(begin, 0) + random.integers(1, 15)] = 1
    scores = random.integers(0, 40, len(labels)) if seed % 2 else 40 * random.random(len(labels))
    return labels, scores + 15.0 * labels * (seed % 3), int(random.integers(0, 40))


def fixed_case():
    labels, t = np.zeros(500, int), np.arange(500)
    for begin, end in ((0, 3), (90, 110), (118, 119), (300, 340), (497, 500)):
        labels[begin:end] = 1
    return labels, (t * 7919 % 509) % 97 + 40.0 * labels


def test_vus_of_one_event_matches_hand_computed_values():
    labels, scores = [0, 0, 1, 0, 0], [3, 5, 4, 2, 1]
    # l = 0, 1: the event has rank 2, so 1 * 1/2. l = 2: its neighbour is flagged first, TP = s of P_2 = 1 + s/2, with
    # precision s; then the event, TP = 1 + s, so recall 1 with precision (1 + s)/2.
    recall = HALF / (1 + HALF / 2)
    area = recall * HALF + (1 - recall) * (1 + HALF) / 2
    assert vus_pr(labels, scores, 2) == pytest.approx((1 / 2 + 1 / 2 + area) / 3)
    # l = 0, 1: one of four normal points is flagged first. l = 2: 1 - s of 5 - P_2 is, and recall rises meanwhile.
    rate = (1 - HALF) / (4 - HALF / 2)
    assert vus_roc(labels, scores, 2) == pytest.approx((3 / 4 + 3 / 4 + rate * recall / 2 + 1 - rate) / 3)


def test_vus_pr_merges_regions_that_share_a_point():
    scores = [0, 0, 1, 0, 0, 0, 0, 0]
    # l = 0, 1: half of P in one of two regions at precision 1, then everything at 2/8.
    narrow = 1 / 4 + 3 / 4 * 2 / 8
    # l = 2, points 1 to 3 and 4 to 6: they touch but are still two regions, with four soft labels in the end.
    apart = 1 / 4 + 3 / 4 * (2 + 4 * HALF) / 8
    assert vus_pr([0, 0, 1, 0, 0, 1, 0, 0], scores, 2) == pytest.approx((2 * narrow + apart) / 3)
    # l = 2, points 1 to 3 and 3 to 5: one region, hit at once. The labels at 3 add up to 2 s, capped at 1.
    shared = 1 / 2 + 1 / 2 * (2 + 2 * HALF + 1) / 8
    assert vus_pr([0, 0, 1, 0, 1, 0, 0, 0], scores, 2) == pytest.approx((2 * narrow + shared) / 3)


@settings(max_examples=60, deadline=None)
@given(points, st.integers(0, 9))
def test_vus_matches_naive_reference(pairs, buffer):
    labels, scores = zip(*pairs, strict=True)
    assume(any(labels))
    pr, roc = naive_vus(labels, scores, buffer)
    assert vus_pr(labels, scores, buffer) == pytest.approx(pr, abs=1e-9)
    if not all(labels):
        assert vus_roc(labels, scores, buffer) == pytest.approx(roc, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(points, st.integers(0, 9), st.integers(2, 12))
def test_vus_on_a_grid_of_ranks_matches_naive_reference(pairs, buffer, thresholds):
    labels, scores = zip(*pairs, strict=True)
    assume(0 < sum(labels) < len(labels))
    pr, roc = naive_vus(labels, scores, buffer, thresholds)
    assert vus_pr(labels, scores, buffer, thresholds) == pytest.approx(pr, abs=1e-9)
    assert vus_roc(labels, scores, buffer, thresholds) == pytest.approx(roc, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_vus_matches_the_authors_package(seed):
    reference = pytest.importorskip("vus.utils.metrics", reason="pip install --no-deps vus==0.0.6 tqdm").metricor()
    labels, scores, buffer = random_case(seed)
    *_, roc, pr = reference.RangeAUC_volume_opt(labels, scores, buffer, 40)
    assert vus_pr(labels, scores, buffer, 40) == pytest.approx(pr, abs=1e-9)
    assert vus_roc(labels, scores, buffer, 40) == pytest.approx(roc, abs=1e-9)
    # With a threshold at every rank the package is exact.
    *_, roc, pr = reference.RangeAUC_volume_opt(labels, scores, buffer, len(scores))
    assert vus_pr(labels, scores, buffer) == pytest.approx(pr, abs=1e-9)
    assert vus_roc(labels, scores, buffer) == pytest.approx(roc, abs=1e-9)


@pytest.mark.parametrize(
    ("buffer", "thresholds", "pr", "roc"),
    [
        (20, 250, 0.6267620243459184, 0.8589663816537703),
        (100, 250, 0.7678627349377986, 0.9317425491139442),
        (7, 40, 0.54811258463593, 0.8218135818284059),
    ],
)
def test_vus_matches_recorded_figures_of_the_authors_package(buffer, thresholds, pr, roc):
    # vus 0.0.6, get_metrics(..., metric="vus", slidingWindow=buffer, thre=thresholds).
    assert vus_pr(*fixed_case(), buffer, thresholds) == pytest.approx(pr, abs=1e-9)
    assert vus_roc(*fixed_case(), buffer, thresholds) == pytest.approx(roc, abs=1e-9)


def test_a_perfect_ranking_gets_one_unless_thresholds_are_a_grid():
    labels = np.zeros(50_000, int)
    labels[20_000:20_100] = 1
    scores = np.random.default_rng(0).random(50_000) + labels
    assert vus_pr(labels, scores) == pytest.approx(1) and vus_roc(labels, scores) == pytest.approx(1)
    assert 0.45 < vus_pr(labels, scores, thresholds=250) < 0.55


@settings(max_examples=40, deadline=None)
@given(points, st.integers(0, 30), st.integers(1, 10))
def test_one_event_without_buffer_gives_the_plain_areas(pairs, begin, length):
    scores = np.array([score for _, score in pairs])
    labels = np.zeros(len(scores), int)
    labels[begin % len(labels) :][: min(length, len(labels) - 1)] = 1
    for buffer in (0, 1):
        assert vus_pr(labels, scores, buffer) == pytest.approx(average_precision(labels, scores))
        assert vus_roc(labels, scores, buffer) == pytest.approx(roc_auc(labels, scores))


def test_buffers_may_extend_beyond_the_series():
    labels, scores = [0, 1, 0, 0], [1, 2, 4, 3]
    assert vus_pr(labels, scores, 40) == pytest.approx(naive_vus(labels, scores, 40)[0])
    assert vus_pr([1, 1], [0, 3], 5) == 1


def test_a_peak_next_to_the_event_scores_higher_than_a_distant_one():
    labels = np.zeros(1000, int)
    labels[500:510] = 1
    near, far = np.zeros(1000), np.zeros(1000)
    near[512], far[700] = 1, 1
    assert vus_pr(labels, near) > 2 * vus_pr(labels, far) and vus_roc(labels, near) > vus_roc(labels, far)


@pytest.mark.parametrize("metric", [vus_pr, vus_roc])
@pytest.mark.parametrize(
    ("options", "message"), [({"buffer": -1}, "buffer of -1"), ({"thresholds": 1}, "1 thresholds")]
)
def test_invalid_options_are_refused(metric, options, message):
    with pytest.raises(InputError, match=message):
        metric([0, 1], [0, 1], **options)
