"""The groups of a wide series: channels that move together, with a representative and a name."""

from __future__ import annotations

import numpy as np
import pytest

from ape.series import from_array
from ape.series.groups import WIDE, groups_of, named_groups


def machines(sizes: list[int], rows: int = 1200, seed: int = 0) -> np.ndarray:
    """Channels of machines that share a day; each follows the load of its own machine."""
    rng, t = np.random.default_rng(seed), np.arange(rows)
    day, columns = np.sin(2 * np.pi * t / 200), []
    for size in sizes:
        load = day + np.repeat(rng.normal(size=rows // 10), 10)
        columns += [rng.choice([-1, 1]) * (load + 0.1 * (k + 1) * rng.normal(size=rows)) for k in range(size)]
    return np.stack(columns, axis=1)


def test_machines_that_share_a_day_are_groups_of_their_own():
    sizes = [8, 6, 4]
    found = named_groups(machines(sizes), [f"c{k}" for k in range(18)])
    assert [set(group.columns) for group in found] == [{*range(8)}, {*range(8, 14)}, {*range(14, 18)}]
    assert [group.columns[0] for group in found] == [0, 8, 14]  # the one with the least noise
    assert [group.name for group in found] == ["g1", "g2", "g3"]


def test_a_group_has_the_begin_of_its_names_if_it_is_its_own():
    names = [f"press1.t{k}" for k in range(8)] + [f"pump_2 flow{k}" for k in range(6)] + ["a", "pump_3", "x y", "z"]
    found = named_groups(machines([8, 6, 4]), names)
    assert [group.name for group in found] == ["press1", "pump_2", "g3"]


def test_a_name_of_a_channel_or_of_others_is_no_name_of_a_group():
    names = (
        [f"press1.t{k}" for k in range(8)] + [f"press1.f{k}" for k in range(6)] + [f"g2.{k}" for k in range(3)] + ["g2"]
    )
    found = named_groups(machines([8, 6, 4]), names)
    assert len({group.name for group in found} | set(names)) == len(found) + len(names)
    assert "press1" not in {group.name for group in found}


def test_constant_channels_are_in_no_group_and_lone_ones_alone():
    values = machines([8, 6, 4])
    values = np.column_stack([values, np.full(len(values), 3.0), np.random.default_rng(9).normal(size=len(values))])
    found = named_groups(values, [f"c{k}" for k in range(20)])
    assert not any(18 in group.columns for group in found)
    assert (19,) in [group.columns for group in found]


@pytest.mark.parametrize("channels", [1, WIDE])
def test_a_narrow_series_has_no_groups(channels):
    values = machines([channels])
    assert named_groups(values, [f"c{k}" for k in range(channels)]) == []
    assert groups_of(from_array(values)) == []


def test_groups_are_of_the_training_part():
    values, other = machines([9, 9]), machines([18], seed=1)
    series = from_array(np.concatenate([values, other]), train_end=len(values))
    assert [len(group.columns) for group in groups_of(series)] == [9, 9]
