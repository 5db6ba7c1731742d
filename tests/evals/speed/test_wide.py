"""The generated wide series: groups of channels, constant ones, and faults in the last part alone."""

from __future__ import annotations

import numpy as np
import pytest

from ape.evals.speed.wide import FEWEST_POINTS, generate


@pytest.mark.parametrize("channels", [12, 60])
def test_faults_are_later_than_the_training_part_and_change_what_they_say(channels):
    made, again = generate(channels, 4000), generate(channels, 4000)
    assert made.values.shape == (4000, channels) == (4000, len(set(made.channels)))
    np.testing.assert_array_equal(made.values, again.values)
    assert sum(len(group) for group in made.groups) < channels  # the others are constant, or hold a state
    assert (np.ptp(made.values, axis=0) == 0).any()
    for fault in made.faults:
        assert made.train_end < fault.begin < fault.end <= 4000
        assert any(set(fault.channels) <= set(group) for group in made.groups)
    assert {len(fault.channels) > 1 for fault in made.faults} == {False, True}


def test_the_shortest_series_has_room_for_all_faults():
    assert all(fault.end <= FEWEST_POINTS for fault in generate(20, FEWEST_POINTS).faults)
