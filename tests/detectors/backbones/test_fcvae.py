"""FCVAE: parameters, both frequency conditions and the bound against loops."""

from __future__ import annotations

import math

import pytest
import torch

from ape.detectors.backbones.fcvae import FCVAE, GlobalFrequency, LocalFrequency

PLAIN = {"points": 0.0, "segments": 0.0, "missing": 0.0, "dropout": 0.0}


def test_parameters_do_not_depend_on_channels():
    # 24 samples: 23 give 12 complex numbers; sub-windows of 12 give 7
    conditions = (24 * 16 + 16) + (14 * 64 + 64)
    attention = 4 * (64 * 64 + 64) + 2 * 2 * 64 + (64 * 128 + 128) + (128 * 64 + 64) + (64 * 16 + 16)
    encoder = (56 * 100 + 100) + (100 * 100 + 100) + 2 * (100 * 8 + 8)
    decoder = (40 * 100 + 100) + (100 * 100 + 100) + (100 * 24 + 24) + 2 * (24 * 24 + 24)
    for channels in (1, 3):
        module = FCVAE(channels, 24)
        counted = sum(parameter.numel() for parameter in module.parameters())
        assert counted == conditions + attention + encoder + decoder == 71112


def test_channels_do_not_mix():
    module, x = FCVAE(2, 13), torch.randn(3, 2, 13)
    swapped = module.reconstruct(x.flip(1)).flip(1)
    torch.testing.assert_close(module.reconstruct(x), swapped, rtol=1e-5, atol=1e-5)


def naive_spectrum(values):
    """Real parts, then imaginary parts, up to the middle frequency, of a transform that keeps the energy."""
    length, real, imaginary = len(values), [], []
    for k in range(length // 2 + 1):
        angles = [2 * math.pi * k * t / length for t in range(length)]
        real.append(sum(v * math.cos(a) for v, a in zip(values, angles, strict=True)) / math.sqrt(length))
        imaginary.append(-sum(v * math.sin(a) for v, a in zip(values, angles, strict=True)) / math.sqrt(length))
    return real + imaginary


def naive_linear(values, weight, bias):
    return [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def naive_layer(values, layer):
    return naive_linear(values, layer.weight.tolist(), layer.bias.tolist())


def naive_norm(values, layer):
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + layer.eps)
    scaled = [(v - mean) / deviation for v in values]
    return [s * w + b for s, w, b in zip(scaled, layer.weight.tolist(), layer.bias.tolist(), strict=True)]


@pytest.mark.parametrize("window", [8, 13, 24])
def test_global_condition_is_that_of_a_loop(window):
    torch.manual_seed(0)
    module, rows = GlobalFrequency(window, 5).double(), torch.randn(3, window).double()
    expected = [[math.tanh(v) for v in naive_layer(naive_spectrum(row[:-1]), module.output)] for row in rows.tolist()]
    torch.testing.assert_close(module(rows), torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)


def naive_local(row, module, local, stride, heads):
    blind, begins = [*row[:-1], 0.0], []
    begin = len(row) - local
    while begin >= 0:
        begins.insert(0, begin)
        begin -= stride
    tokens = [[math.tanh(v) for v in naive_layer(naive_spectrum(blind[b : b + local]), module.token)] for b in begins]
    width = len(tokens[0])
    weight, bias = module.attention.in_proj_weight.tolist(), module.attention.in_proj_bias.tolist()
    part = [slice(i * width, (i + 1) * width) for i in range(3)]
    query = naive_linear(tokens[-1], weight[part[0]], bias[part[0]])
    keys, values = ([naive_linear(token, weight[p], bias[p]) for token in tokens] for p in part[1:])
    joined, size = [], width // heads
    for head in range(heads):
        own = range(head * size, (head + 1) * size)
        weights = [math.exp(sum(query[d] * key[d] for d in own) / math.sqrt(size)) for key in keys]
        for d in own:
            joined.append(sum(w * v[d] for w, v in zip(weights, values, strict=True)) / sum(weights))
    added = naive_layer(joined, module.attention.out_proj)
    attended = naive_norm([a + b for a, b in zip(tokens[-1], added, strict=True)], module.attention_norm)
    inner = naive_layer([max(v, 0.0) for v in naive_layer(attended, module.inner[0])], module.inner[2])
    final = naive_norm([a + b for a, b in zip(attended, inner, strict=True)], module.inner_norm)
    return [math.tanh(v) for v in naive_layer(final, module.output)]


@pytest.mark.parametrize("window,local,stride", [(24, 6, 3), (21, 5, 3), (13, 6, 4)])
def test_local_condition_is_that_of_a_loop(window, local, stride):
    torch.manual_seed(0)
    module, rows = LocalFrequency(window, 3, 8, 2, local, stride).double(), torch.randn(2, window).double()
    expected = [naive_local(row, module, local, stride, heads=2) for row in rows.tolist()]
    torch.testing.assert_close(module(rows), torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [8, 13, 64])
def test_conditions_do_not_see_the_last_point(window):
    module, rows = FCVAE(1, window), torch.randn(2, window)
    other = rows.clone()
    other[:, -1] = 9
    for condition in (module.global_condition, module.local_condition):
        torch.testing.assert_close(condition(rows), condition(other), rtol=0, atol=0)


def naive_normal(x, mean, std):
    return -((x - mean) ** 2) / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi))


def naive_bound(x, usable, mean, std, z, z_mean, z_std):
    total = sum(naive_normal(x[w], mean[w], std[w]) for w in range(len(x)) if usable[w])
    share = sum(usable) / len(usable)
    for d in range(len(z)):
        total += share * naive_normal(z[d], 0, 1) - naive_normal(z[d], z_mean[d], z_std[d])
    return total


def softplus_root(spread):
    return [[math.sqrt(math.log1p(math.exp(v)) + 1e-4) for v in row] for row in spread.tolist()]


@pytest.mark.parametrize("options", [PLAIN, {**PLAIN, "points": 0.4, "segments": 0.4, "missing": 0.2}])
def test_loss_is_the_bound_of_a_loop_over_what_augmentation_left(options, monkeypatch):
    module, x = FCVAE(2, 13, **options).double(), torch.randn(4, 2, 13).double()
    kept = []
    augment = module._augment
    monkeypatch.setattr(module, "_augment", lambda rows: kept.append(augment(rows)) or kept[-1])
    torch.manual_seed(3)
    loss = module.loss(x).item()
    torch.manual_seed(3)
    augment(x.flatten(0, 1))  # the same draws again, up to the noise of z
    rows, usable = kept[0]
    condition = torch.cat([module.global_condition(rows), module.local_condition(rows)], dim=1)
    hidden = module.encoder(torch.cat([rows, condition], dim=1))
    z_mean, z_std = module.z_mean(hidden), torch.tensor(softplus_root(module.z_spread(hidden))).double()
    z = z_mean + z_std * torch.randn_like(z_mean)
    hidden = module.decoder(torch.cat([z, condition], dim=1))
    parts = [rows.tolist(), usable.tolist(), module.x_mean(hidden).tolist(), softplus_root(module.x_spread(hidden))]
    parts += [z.tolist(), z_mean.tolist(), z_std.tolist()]
    expected = -sum(naive_bound(*row) for row in zip(*parts, strict=True)) / 8 / 13
    assert loss == pytest.approx(expected, abs=1e-5)


def test_augmentation_marks_what_it_changes():
    torch.manual_seed(0)
    module, rows = FCVAE(1, 30, points=0.3, segments=0.5, missing=0.02), torch.randn(400, 30)
    changed, usable = module._augment(rows)
    assert torch.equal(changed[usable == 1], rows[usable == 1])
    assert 0.01 < ((changed == 0) & (usable == 0)).float().mean() < 0.03


def test_last_point_is_moved_by_half_steps_up_to_ten():
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
