"""Figures of alarms against hand-worked values and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.evals.metrics import alerts


def marked(length, *spans):
    labels = np.zeros(length, int)
    for begin, end in spans:
        labels[begin:end] = 1
    return labels


def test_figures_match_hand_worked_values():
    labels = marked(1000, (200, 240), (500, 600), (900, 920))
    # The first event is met by two alarms that share 5 and 30 of its 40 points, the second by one that is too long, the
    # third by none. One alarm lies in the padding of 10 points after the third, two lie outside.
    alarms = [(195, 205), (210, 250), (460, 700), (920, 929), (20, 21), (930, 931)]
    figures = alerts(labels, alarms, every=100)
    assert figures.caught == pytest.approx(2 / 3)
    assert figures.fitting == pytest.approx(1 / 3)  # 30 of 50; 5 of 45; 100 of 240
    assert figures.f1 == pytest.approx(2 * 2 / 3 * 2 / 3 / (2 / 3 + 2 / 3))  # four of six alarms are near an event
    assert figures.pieces == 1.5
    normal = 1000 - (40 + 20) - (100 + 20) - (20 + 20)
    assert figures.false == pytest.approx(2 / (normal / 100))
    assert figures.covered == pytest.approx((30 + 90 + 1 + 1) / normal)


@pytest.mark.parametrize(
    ("alarm", "fits"), [((100, 150), 1.0), ((100, 149), 0.0), ((100, 300), 1.0), ((100, 301), 0.0)]
)
def test_an_alarm_fits_from_half_the_union_on(alarm, fits):
    assert alerts(marked(400, (100, 200)), [alarm], every=50).fitting == fits


def test_alarms_on_either_side_of_a_gap_in_an_event_are_pieces_of_one():
    labels = marked(300, (100, 110), (125, 135))  # their padding touches
    assert alerts(labels, [(100, 110), (125, 135)], every=50)[:4] == (1.0, 0.0, 1.0, 2.0)
    assert alerts(labels, [(112, 120)], every=50)[:4] == (1.0, 0.0, 1.0, 1.0)


def test_without_alarms_nothing_is_caught_and_none_is_false():
    figures = alerts(marked(300, (100, 110)), [], every=50)
    assert (figures.caught, figures.fitting, figures.f1, figures.false) == (0, 0, 0, 0) and np.isnan(figures.pieces)


def test_normal_data_have_false_alarms_only():
    figures = alerts(np.zeros(1000, bool), [(10, 20), (30, 40), (990, 1000)], every=500)
    assert figures.false == pytest.approx(3 / 2) and np.isnan(figures[:3]).all()
    assert figures.covered == 30 / 1000


def test_a_long_alarm_from_an_event_on_covers_normal_points_although_it_is_not_false():
    figures = alerts(marked(1000, (100, 200)), [(150, 1000)], every=100)
    assert (figures.caught, figures.fitting, figures.false, figures.covered) == (1, 0, 0, 790 / 880)


def test_an_event_everywhere_leaves_no_normal_point():
    assert np.isnan(alerts(np.ones(50, bool), [(0, 50)], every=500).false)


masks = st.lists(st.booleans(), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(masks, masks, st.floats(20, 1000))
def test_properties(labels, alarmed, every):
    labels = np.array(labels)
    alarmed = np.resize(alarmed, len(labels))
    spans = np.flatnonzero(np.diff(alarmed.astype(int), prepend=0, append=0)).reshape(-1, 2)
    figures = alerts(labels, spans, every)
    if labels.any():
        assert 0 <= figures.fitting <= figures.caught <= 1
        assert figures.caught == 0 or figures.pieces >= 1
    assert np.isnan(figures.covered) == np.isnan(figures.false)
    if not np.isnan(figures.false):
        assert 0 <= figures.covered <= 1
        assert 0 <= figures.false <= len(spans) * every
        assert figures.false == pytest.approx(2 * alerts(labels, spans, every / 2).false)  # twice as many are promised


@pytest.mark.parametrize(
    ("labels", "alarms", "every", "what"),
    [
        ([0, 2], [], 50, "labels other than 0 and 1"),
        ([[0, 1]], [], 50, "shape"),
        ([0, 1], [(0, 3)], 50, "outside the series"),
        ([0, 1], [(1, 1)], 50, "without points"),
        ([0, 1], [], 0, "between false alarms"),
    ],
)
def test_bad_input_is_refused(labels, alarms, every, what):
    with pytest.raises(InputError, match=what):
        alerts(labels, alarms, every)
