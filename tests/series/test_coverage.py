"""The sample of a long training part."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ape.series.coverage import covering
from ape.series.windows import count_points, points

LENGTH, NEWEST = 200_000, 12_500
RARE = 100_000


def wave(length):
    return np.sin(np.arange(length) / 9)[:, None].astype(np.float32)


def test_a_short_training_part_is_used_as_it_is():
    segments = ((0, 20_000), (20_100, 50_100))
    assert covering(wave(50_100), segments) is segments


def test_the_newest_points_and_what_happens_once_are_used():
    values = wave(LENGTH)
    values[RARE : RARE + 300] += 3
    kept = points(covering(values, ((0, LENGTH),), NEWEST))
    assert 45_000 < len(kept) <= 50_000
    assert np.array_equal(kept[-NEWEST:], np.arange(LENGTH - NEWEST, LENGTH))
    assert np.isin(np.arange(RARE, RARE + 300), kept).all()
    quarters = np.histogram(kept[:-NEWEST], 4, (0, LENGTH - NEWEST))[0]
    assert quarters.min() > 4000


@given(st.lists(st.integers(1, 40_000), min_size=2, max_size=12), st.integers(0, 500))
@example([40] * 2000, 1)
@example([500] * 200, 1)
def test_a_sample_lies_in_the_segments(lengths, apart):
    ends = np.cumsum(np.array(lengths) + apart)
    segments = [(int(end - length), int(end)) for end, length in zip(ends, lengths, strict=True)]
    values = np.random.default_rng(0).normal(size=(ends[-1], 2)).astype(np.float32)
    sample = covering(values, segments, NEWEST)
    assert count_points(sample) <= 50_000
    assert all(begin < end for begin, end in sample) and (np.diff(np.array(sample).ravel()) >= 0).all()
    for begin, end in sample:
        assert any(first <= begin and end <= last for first, last in segments)
