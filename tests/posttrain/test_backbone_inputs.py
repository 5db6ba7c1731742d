"""What a backbone makes of windows: by hand for a backbone whose output is known, and for short windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ape.detectors
from ape.posttrain.backbone_inputs import BACKBONE_INPUTS, COMPONENTS, BackboneStatistics, backbone_inputs
from ape.posttrain.normal_part import NormalPart

LENGTH = 10


class Known(torch.nn.Module):
    """Reconstructs all but ``wrong``; the latent is the mean of each third of the window."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = torch.nn.Parameter(torch.tensor(wrong))
        self.thirds = torch.nn.AdaptiveAvgPool1d(3)

    def forward(self, x):
        self.thirds(x)
        return x - self.wrong


def detector(wrong=0.5):
    return ape.detectors.wrap(Known(wrong), "thirds", lambda m, x: m(x), LENGTH, scale=(1.0, 2.0), device="cpu")


def normal(count=600, clean=None):
    values = np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)
    return NormalPart(values, [(0, count)], clean or [(0, count)])


@pytest.fixture(scope="module")
def statistics():
    return BackboneStatistics.fit(detector(), normal())


def test_usual_residuals_are_measured_where_the_part_is_clean():
    part = normal(clean=[(0, 200), (300, 600)])
    part.values[200:300] = np.nan
    statistics = BackboneStatistics.fit(detector(), part)
    assert statistics.size.numpy() == pytest.approx(np.full((2, LENGTH), 0.5), rel=1e-4)
    assert all(tensor.isfinite().all() for tensor in statistics.tensors().values())


def test_components_of_normal_latents_are_standardised(statistics):
    part = normal()
    tiles = torch.from_numpy(part.values.T.copy()).unfold(1, LENGTH, 1).transpose(0, 1)
    along = (detector().encode(tiles) - statistics.centre) @ statistics.components
    assert along.std(0).numpy() == pytest.approx(np.ones(COMPONENTS), rel=0.2)
    assert along.mean(0).abs().max() < 0.2
    correlations = torch.corrcoef(along.T) - torch.eye(COMPONENTS)
    assert correlations.abs().max() < 0.2


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_residual_by_cell_by_hand(statistics, factor):
    windows = torch.randn(3, 2, 32 * factor, generator=torch.Generator().manual_seed(0))
    made = backbone_inputs(detector(wrong=-1.5), statistics, windows, factor).detach()
    assert made.shape == (3, 2, BACKBONE_INPUTS, 32)
    assert made[:, :, 0].numpy() == pytest.approx(np.full((3, 2, 32), np.arcsinh(-3.0)), rel=1e-3)
    assert made[:, :, 1].numpy() == pytest.approx(np.full((3, 2, 32), np.arcsinh(3.0)), rel=1e-3)


def test_latent_of_a_tile_is_repeated_and_the_last_tile_ends_with_the_window(statistics):
    windows = torch.randn(1, 2, 32, generator=torch.Generator().manual_seed(0))
    made = backbone_inputs(detector(), statistics, windows, 1)[0, :, 2:].detach()
    assert torch.equal(made[0], made[1])  # the same for all channels
    for begin, end in ((0, 10), (10, 20), (20, 30), (30, 32)):
        assert torch.equal(made[0, :, begin:end], made[0, :, begin : begin + 1].expand(-1, end - begin))
    for shown, tile in ((made[0, :, 0], windows[:, :, :10]), (made[0, :, 31], windows[:, :, 22:])):
        along = (detector().encode(tile) - statistics.centre) @ statistics.components
        assert shown[:COMPONENTS].numpy() == pytest.approx(torch.asinh(along)[0].numpy(), rel=1e-4, abs=1e-5)


def test_windows_shorter_than_the_backbone_give_zeros(statistics):
    assert not backbone_inputs(detector(), statistics, torch.randn(2, 2, 8), 1).any()
    assert backbone_inputs(detector(), statistics, torch.randn(2, 2, 16), 2).any()


def test_a_window_does_not_depend_on_the_others(statistics):
    windows = torch.randn(5, 2, 64, generator=torch.Generator().manual_seed(0))
    every = backbone_inputs(detector(), statistics, windows, 2).detach()
    alone = backbone_inputs(detector(), statistics, windows[3:4], 2).detach()
    assert every[3].numpy() == pytest.approx(alone[0].numpy(), abs=1e-5)


def test_gradient_reaches_the_backbone(statistics):
    backbone = detector()
    backbone_inputs(backbone, statistics, torch.randn(2, 2, 32), 1)[:, :, 0].sum().backward()
    assert backbone.module.inner.wrong.grad != 0


def test_tensors_restore_the_statistics(statistics):
    again = BackboneStatistics.from_tensors(statistics.tensors())
    windows = torch.randn(2, 2, 32)
    assert torch.equal(*(backbone_inputs(detector(), each, windows, 1) for each in (statistics, again)))


def test_latents_with_few_dimensions_or_without_change_are_finite():
    constant = NormalPart(np.ones((200, 1), dtype=np.float32), [(0, 200)], [(0, 200)])
    statistics = BackboneStatistics.fit(detector(), constant)
    assert backbone_inputs(detector(), statistics, torch.randn(2, 1, 32), 1).isfinite().all()


def test_no_statistics_if_no_tile_is_clean():
    assert BackboneStatistics.fit(detector(), normal(clean=[(0, 9), (20, 28)])) is None
