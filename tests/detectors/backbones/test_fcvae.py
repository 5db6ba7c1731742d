"""FCVAE: parameters; both frequency conditions and the bound against naive ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from naive.detectors_gaussian import modified_bound
from naive.detectors_layers import attend, layer_norm, linear, spectrum

from ape.detectors.backbones.fcvae import FCVAE, GlobalFrequency, LocalFrequency

PLAIN = {"points": 0.0, "segments": 0.0, "missing": 0.0, "dropout": 0.0}


def test_parameters_do_not_depend_on_channels():
    # of 24 samples, 23 have 12 frequencies; sub-windows of 12 samples have 7
    conditions = (24 * 16 + 16) + (14 * 64 + 64)
    attention = 4 * (64 * 64 + 64) + 2 * 2 * 64 + (64 * 128 + 128) + (128 * 64 + 64) + (64 * 16 + 16)
    encoder = (56 * 100 + 100) + (100 * 100 + 100) + 2 * (100 * 8 + 8)
    decoder = (40 * 100 + 100) + (100 * 100 + 100) + (100 * 24 + 24) + 2 * (24 * 24 + 24)
    for channels in (1, 3):
        module = FCVAE(channels, 24)
        counted = sum(parameter.numel() for parameter in module.parameters())
        assert counted == conditions + attention + encoder + decoder == 71112


def test_channels_are_independent():
    module, x = FCVAE(2, 13), torch.randn(3, 2, 13)
    swapped = module.reconstruct(x.flip(1)).flip(1)
    torch.testing.assert_close(module.reconstruct(x), swapped, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [8, 13, 24])
def test_global_condition_equals_naive_condition(window):
    torch.manual_seed(0)
    module, rows = GlobalFrequency(window, 5).double(), torch.randn(3, window).double()
    spectra = np.array([spectrum(row[:-1]) for row in rows.tolist()])
    expected = torch.from_numpy(np.tanh(linear(module.output, spectra)))
    torch.testing.assert_close(module(rows), expected, rtol=1e-5, atol=1e-5)


def naive_local_condition(row, module, local, stride):
    masked = [*row[:-1], 0.0]
    begins = sorted(range(len(row) - local, -1, -stride))
    tokens = np.tanh(linear(module.token, np.array([spectrum(masked[b : b + local]) for b in begins])))
    attended = layer_norm(module.attention_norm, tokens[-1:] + attend(module.attention, tokens[-1:], tokens))
    inner = linear(module.inner[2], np.maximum(linear(module.inner[0], attended), 0.0))
    return np.tanh(linear(module.output, layer_norm(module.inner_norm, attended + inner)))[0]


@pytest.mark.parametrize("window,local,stride", [(24, 6, 3), (21, 5, 3), (13, 6, 4)])
def test_local_condition_equals_naive_condition(window, local, stride):
    torch.manual_seed(0)
    module, rows = LocalFrequency(window, 3, 8, 2, local, stride).double(), torch.randn(2, window).double()
    expected = np.array([naive_local_condition(row, module, local, stride) for row in rows.tolist()])
    torch.testing.assert_close(module(rows), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [8, 13, 64])
def test_conditions_do_not_see_the_last_point(window):
    module, rows = FCVAE(1, window), torch.randn(2, window)
    other = rows.clone()
    other[:, -1] = 9
    for condition in (module.global_condition, module.local_condition):
        torch.testing.assert_close(condition(rows), condition(other), rtol=0, atol=0)


def softplus_root(spread):
    return [[math.sqrt(math.log1p(math.exp(v)) + 1e-4) for v in row] for row in spread.tolist()]


@pytest.mark.parametrize("options", [PLAIN, {**PLAIN, "points": 0.4, "segments": 0.4, "missing": 0.2}])
def test_loss_is_the_naive_bound_of_the_augmented_windows(options, monkeypatch):
    module, x = FCVAE(2, 13, **options).double(), torch.randn(4, 2, 13).double()
    augmented = []
    augment = module._augment
    monkeypatch.setattr(module, "_augment", lambda rows: augmented.append(augment(rows)) or augmented[-1])
    torch.manual_seed(3)
    loss = module.loss(x).item()
    torch.manual_seed(3)
    augment(x.flatten(0, 1))  # takes the same draws, so that the noise of z comes next
    rows, usable = augmented[0]
    condition = torch.cat([module.global_condition(rows), module.local_condition(rows)], dim=1)
    hidden = module.encoder(torch.cat([rows, condition], dim=1))
    z_mean, z_std = module.z_mean(hidden), torch.tensor(softplus_root(module.z_spread(hidden))).double()
    z = z_mean + z_std * torch.randn_like(z_mean)
    hidden = module.decoder(torch.cat([z, condition], dim=1))
    parts = [rows.tolist(), usable.tolist(), module.x_mean(hidden).tolist(), softplus_root(module.x_spread(hidden))]
    parts += [z.tolist(), z_mean.tolist(), z_std.tolist()]
    expected = -sum(modified_bound(*row) for row in zip(*parts, strict=True)) / 8 / 13
    assert loss == pytest.approx(expected, abs=1e-5)


def test_augmentation_marks_changed_values():
    torch.manual_seed(0)
    module, rows = FCVAE(1, 30, points=0.3, segments=0.5, missing=0.02), torch.randn(400, 30)
    changed, usable = module._augment(rows)
    assert torch.equal(changed[usable == 1], rows[usable == 1])
    assert 0.01 < ((changed == 0) & (usable == 0)).float().mean() < 0.03


def test_last_point_is_shifted_by_half_standard_deviations_up_to_ten():
    torch.manual_seed(0)
    rows = torch.randn(400, 30)
    changed, usable = FCVAE(1, 30, **{**PLAIN, "points": 0.3})._augment(rows)
    shift = (changed - rows)[:, -1][usable[:, -1] == 0]
    assert usable[:, :-1].all() and 80 < len(shift) < 160
    torch.testing.assert_close(2 * shift, (2 * shift).round(), rtol=0, atol=1e-4)
    assert shift.abs().min() > 0.49 and shift.abs().max() < 10.01 and shift.min() < 0 < shift.max()


def test_each_row_is_swapped_from_its_own_start():
    torch.manual_seed(0)
    rows = torch.randn(400, 30)
    changed, usable = FCVAE(1, 30, **{**PLAIN, "segments": 0.5})._augment(rows)
    starts = set()
    for row, new, mask in zip(rows, changed, usable, strict=True):
        start = int(mask.sum())
        assert mask[:start].all() and start >= 7
        if start < 30:
            starts.add(start)
            assert any(torch.equal(new[start:], other[start:]) for other in rows)
            assert torch.equal(new[:start], row[:start])
    assert starts == set(range(7, 30))
