"""The free voice, by hand."""

import math

import pytest
import torch

from ape.posttrain.discriminator.free import free_voice
from ape.posttrain.discriminator.inputs import INPUTS, REGRESSION, SHAPE


def seen(channels=1):
    return torch.zeros(1, channels, INPUTS, 128)


def test_a_constant_difference_by_hand():
    x = seen()
    x[:, :, SHAPE] = math.asinh(3)
    x[:, :, REGRESSION] = 5  # a single channel has no others
    assert free_voice(x).flatten().tolist() == pytest.approx([math.log(9 + 1e-4)] * 128)


def test_the_regression_counts_with_several_channels():
    x = seen(2)
    x[:, 0, SHAPE], x[:, 0, REGRESSION] = math.asinh(1), math.asinh(-3)
    voice = free_voice(x)
    assert voice[0, 0].tolist() == pytest.approx([math.log(5 + 1e-4)] * 128)
    assert voice[0, 1].tolist() == pytest.approx([math.log(1e-4)] * 128)


def test_one_cell_raises_the_32_cells_around_it():
    x = seen()
    x[0, 0, SHAPE, 60] = math.asinh(8)
    raised = torch.nonzero(free_voice(x)[0, 0] > math.log(1))[:, 0]
    assert len(raised) == 32
    assert raised.float().mean() == pytest.approx(60, abs=0.5)
    assert free_voice(x)[0, 0, 60] == pytest.approx(math.log(64 / 32 + 1e-4))
    x[0, 0, SHAPE, 0] = math.asinh(8)
    assert free_voice(x)[0, 0, 0] == pytest.approx(math.log(64 / 16 + 1e-4))  # 16 cells at the end
