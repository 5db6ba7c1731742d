"""The search for nearest windows, against a slow search, and the inputs."""

import numpy as np
import pytest
import torch

from ape.posttrain.discriminator.inputs import INPUTS, clear_of, inputs, measure_usual, repeats_in_a_row
from ape.posttrain.discriminator.references import WINDOW, References, pooled, regression


@pytest.fixture
def cells():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 700, generator=generator).cumsum(2) / 10


def test_nearest_agrees_with_a_slow_search(cells):
    references = References(cells, 700, 1)
    windows = torch.stack([cells[0, :, 100:228], cells[1, :, 300:428]]) + 0.3
    group = torch.tensor([0, 1])
    allowed = torch.ones(2, 700 - WINDOW + 1, dtype=torch.bool)
    allowed[:, 90:110] = False
    near = references.nearest(windows, group, allowed)
    for row in range(2):
        places = torch.nonzero(allowed[row])[:, 0]
        views = cells[row].unfold(1, WINDOW, 1)[:, places]  # [C, places, 128]
        difference = (windows[row][:, None] - views).square().sum(2)
        assert torch.equal(near.joint[row, 0], views[:, difference.sum(0).argmin()])
        best = difference.argmin(1)
        assert torch.equal(near.own[row], views[torch.arange(3), best])
        expected = (difference.sum(0).min() / (3 * WINDOW)).sqrt()
        assert near.distance[row] == pytest.approx(float(expected), rel=1e-3)


def test_shape_ignores_level_and_amplitude(cells):
    references = References(cells[:1], 700, 1)
    windows = 5 + 2 * cells[:1, :, 200:328]
    near = references.nearest(windows, torch.tensor([0]), torch.ones(1, 573, dtype=torch.bool))
    assert torch.allclose(near.shape, windows, atol=1e-3)
    assert not torch.allclose(near.own, windows, atol=0.1)


def test_windows_that_overlap_are_no_references(cells):
    references = References(cells[:1], 600, 1)
    allowed = clear_of(torch.tensor([200]), references)[0]
    assert not allowed[200 - WINDOW + 1 : 200 + WINDOW].any()
    assert allowed[200 + WINDOW] and allowed[200 - WINDOW]
    assert not allowed[600 - WINDOW + 1 :].any()


def test_regression_finds_a_lagged_copy():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(500, generator=generator)
    second = 0.5 * first.roll(2)
    coefficients = regression(torch.stack([first, second])[None].double())[0]
    assert coefficients[1].view(5, 2)[0, 0] == pytest.approx(0.5, abs=0.02)  # two cells earlier
    assert coefficients[1].view(5, 2)[:, 1].abs().max() == 0  # not on itself


def test_repeats_in_a_row_by_hand():
    values = torch.tensor([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    assert repeats_in_a_row(values).tolist() == [0, 1, 2, 0, 1, 0]


def test_pooled_by_hand():
    assert pooled(torch.tensor([1.0, 3.0, 5.0, 7.0, 9.0]), 2).tolist() == [2.0, 6.0]


@pytest.mark.parametrize("factor", [1, 2])
def test_inputs_show_what_an_anomaly_changes(factor):
    time = torch.arange(3000)
    wave = torch.sin(2 * np.pi * time / 40)[None, None]
    generator = torch.Generator().manual_seed(0)
    samples = wave + 0.05 * torch.randn(1, 1, 3000, generator=generator)
    references = References(pooled(samples, factor), 2000 // factor, factor)
    usual = measure_usual(samples[:, :, :2000], references)
    length = WINDOW * factor
    window = samples[:, :, 2400 : 2400 + length].clone()
    stuck = window.clone()
    stuck[..., 60:100] = stuck[..., 60:61]
    allowed = torch.ones(2, references.cells.shape[2] - WINDOW + 1, dtype=torch.bool)
    allowed[:, 2000 // factor - WINDOW :] = False
    seen = inputs(torch.cat([window, stuck]), references, usual, torch.tensor([0, 0]), allowed)
    assert seen.shape == (2, 1, INPUTS, WINDOW)
    assert seen.isfinite().all()
    inside = slice(64 // factor, 96 // factor)
    difference = seen[:, 0, 2].abs()  # to the nearest window, in usual sizes
    assert difference[0].mean() < 1.5
    assert difference[1, inside].mean() > 2
    runs = seen[:, 0, 10]
    assert runs[0].max() < 1
    assert runs[1, inside].max() > 3
