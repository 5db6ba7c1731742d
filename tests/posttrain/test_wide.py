"""Series with very many channels: bounded work for each window, and the same meaning of every value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.detectors.detector import LONGEST, MOST_VALUES, SHORTEST, automatic_window
from ape.detectors.schedule import Budget
from ape.posttrain.assessment import Assessment
from ape.posttrain.discriminator.inputs import INPUTS
from ape.posttrain.discriminator.references import OTHERS, regression
from ape.posttrain.discriminator.screening import MOST, of_channels, over_all, standing_out
from ape.posttrain.discriminator.windows import STEPS, steps_for
from ape.posttrain.steps import MOST_COLUMNS, channel_scores
from ape.series import from_array


def test_the_regression_of_many_channels_sees_those_that_go_with_each():
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(40, 900, generator=generator, dtype=torch.float64)
    cells[39] = 0.5 * cells[3].roll(2)
    coefficients = regression(cells[None])[0].unflatten(1, (5, 40))  # [channel, lag, other]
    assert coefficients[39, 0, 3] == pytest.approx(0.5, abs=0.05)  # two cells earlier
    assert ((coefficients != 0).any(1).sum(1) == OTHERS).all()
    assert (coefficients.diagonal(dim1=0, dim2=2) == 0).all()  # none on itself


def test_with_few_channels_all_others_are_seen():
    cells = torch.randn(1, OTHERS + 1, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert ((regression(cells)[0].unflatten(1, (5, -1)) != 0).any(1).sum(1) == OTHERS).all()


@pytest.mark.parametrize("sign", [3, 6, 8, 9, 10, 11, 12])
def test_a_channel_that_stands_out_by_any_input_is_looked_at(sign):
    seen = 0.1 * torch.randn(2, 150, INPUTS, 32, generator=torch.Generator().manual_seed(0))
    seen[1, 77, sign, 9:14] = 4.0
    chosen = standing_out(seen)
    assert chosen.shape == (2, MOST) and 77 in chosen[1]
    assert all(len(row.unique()) == MOST for row in chosen)


def test_of_few_channels_all_are_looked_at():
    assert standing_out(torch.randn(2, MOST, INPUTS, 8)) is None


def test_channels_that_are_not_looked_at_are_typical():
    odds = torch.arange(5.0)[None, :, None, None].expand(1, 5, 2, 3)
    chosen = torch.tensor([[4, 0, 2, 6, 1]])
    whole = over_all(odds, chosen, 8)
    assert torch.equal(of_channels(whole, chosen), odds)
    assert (whole[0, [3, 5, 7]] == 2).all()  # the median


def test_wide_series_have_fewer_windows_smaller_batches_and_shorter_windows():
    assert steps_for(1) == steps_for(48) == STEPS > steps_for(49) == steps_for(300) > 1
    budget = Budget()
    assert budget.of_channels(16) == budget
    assert 0 < budget.of_channels(300).batch < budget.of_channels(60).batch < budget.batch
    values = np.sin(np.arange(6000) / 90)[:, None] + 0.01 * np.random.default_rng(0).normal(size=(6000, 200))
    assert automatic_window(from_array(values[:, :4])) == LONGEST
    assert SHORTEST <= automatic_window(from_array(values)) <= MOST_VALUES // 200


def test_of_very_many_channels_the_parts_of_the_loudest_are_written():
    shares = np.full((10, MOST_COLUMNS + 20), 0.1)
    shares[3, -1] = 0.9
    names = [f"c{k}" for k in range(shares.shape[1])]
    parts = channel_scores(Assessment(np.arange(10.0), shares), names)
    assert len(parts) == MOST_COLUMNS and list(parts) == sorted(parts, key=lambda name: names.index(name[8:]))
    np.testing.assert_allclose(parts[f"channel {names[-1]}"], np.arange(10.0) * shares[:, -1])
