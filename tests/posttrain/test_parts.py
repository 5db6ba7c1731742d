"""Inputs of the heads."""

from __future__ import annotations

import numpy as np
import torch

from ape.posttrain.parts import parts_of, pool_residual


def test_relative_residual_subtracts_the_usual_residual(detector):
    windows = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 1, detector.window)).astype(np.float32))
    cells = pool_residual(windows).shape[1]
    parts, residual = parts_of(detector, windows, torch.zeros(5, 3 * cells))
    torch.testing.assert_close(parts.relative, pool_residual(residual))
    same, _ = parts_of(detector, windows, torch.cat([torch.zeros(5, 2 * cells), parts.residual], 1))
    assert float(same.relative.detach().abs().max()) == 0
