"""Where windows of the training part may be references, and how long windows are."""

import numpy as np
import pytest
import torch

from ape.core.errors import InputError
from ape.posttrain.discriminator.normal import Normal

ONE = torch.ones(1)


def normal_of(length, segments=None, suspicious=()):
    marks = np.zeros(length, dtype=bool)
    marks[list(suspicious)] = True
    values = np.arange(length, dtype=np.float32)[:, None]
    return Normal(values, 0 * ONE, ONE, segments or [(0, length)], marks)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1536, (128, [1, 2, 4])),
        (1535, (128, [1, 2])),
        (384, (128, [1])),
        (383, (64, [1])),
        (191, (32, [1])),
        (96, (32, [1])),
    ],
)
def test_short_training_parts_take_shorter_windows(length, expected):
    assert normal_of(length).scales() == expected


def test_a_training_part_shorter_than_three_windows_is_refused():
    with pytest.raises(InputError, match="95 training points are too few"):
        normal_of(95).scales()


def test_places_by_hand():
    # Cells of 2 samples: 0-4 of the first segment, 5-9 of the second; sample 13 is in cell 6.
    normal = normal_of(20, [(0, 10), (10, 20)], [13])
    assert normal.suspect(2).tolist() == [False] * 6 + [True] + [False] * 3
    assert normal.places(2, 3).tolist() == [True, True, True, False, False, False, False, True]


def test_segments_need_not_touch_and_may_be_shorter_than_a_window():
    normal = normal_of(30, [(0, 3), (5, 12), (20, 30)])
    assert normal.cells(2).shape == (1, 1 + 3 + 5)
    assert normal.places(2, 4).tolist() == [False] * 4 + [True, True]
    assert normal.cells(2)[0, :2].tolist() == [0.5, 5.5]


def test_windows_need_references_that_do_not_overlap():
    assert normal_of(384).usable_factors(128) == [1]
    assert normal_of(384, suspicious=[300]).usable_factors(128) == []  # only places 0 to 172: none for the window at 64
    assert normal_of(384, suspicious=range(190, 200)).usable_factors(64) == [1, 2]  # places 0 and 128 are left


def test_suspicious_samples_are_not_typical():
    kept = normal_of(12, [(0, 4), (6, 12)], [7, 8]).typical()
    assert kept.tolist() == [[0, 1, 2, 3, 6, 9, 10, 11]]
