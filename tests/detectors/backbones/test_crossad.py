"""CrossAD: parameters, attention masks, scales and prototypes."""

from __future__ import annotations

import pytest
import torch

from ape.detectors.backbones.crossad import CrossAD, scale_mask


def test_parameter_count():
    module = CrossAD(3, 20, width=16, heads=2, patch=4, queries=3)
    attention = (16 * 48 + 48) + (16 * 16 + 16)
    perceptron = (16 * 64 + 64) + (64 * 16 + 16)
    encoder = attention + perceptron + 2 * 2 * 16
    decoder = 2 * attention + perceptron + 3 * 2 * 16
    context = (20 * 3 + 3) + 3 * 5 * 16 + attention + 2 * 16
    assert sum(p.numel() for p in module.parameters()) == (4 * 16 + 16) + encoder + context + decoder + (16 * 4 + 4)


def test_masks_equal_naive_masks():
    sizes = [1, 2, 5]
    scale = [s for s, size in enumerate(sizes) for _ in range(size)]
    within, no_finer = scale_mask(sizes, coarser=False), scale_mask(sizes, coarser=True)
    assert within.shape == no_finer.shape == (8, 8)
    for i in range(8):
        for j in range(8):
            assert bool(within[i, j]) == (scale[i] != scale[j])
            assert bool(no_finer[i, j]) == (scale[j] > scale[i])


@pytest.mark.parametrize("window", [16, 19])
def test_scales_are_means_of_pools(window):
    module, x = CrossAD(1, window), torch.randn(2, 1, window)
    for kernel, scale in zip((8, 4, 2, 1), module._scales(x), strict=True):
        for b in range(2):
            pools = [x[b, 0, i : i + kernel].tolist() for i in range(0, window, kernel)]
            expected = [sum(pool) / len(pool) for pool in pools]
            torch.testing.assert_close(scale[b], torch.tensor(expected), rtol=1e-5, atol=1e-5)


def test_a_scale_does_not_depend_on_finer_scales(batch):
    """With a constant context, a change with mean zero in each pool of 4 changes only the finest output."""
    module, x = CrossAD(1, 32).eval(), batch(window=32)
    changed = x + torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(8)
    context = torch.randn(8, 5, 32)
    module._context = lambda *_: context
    before, after = module._rebuild(x)[1], module._rebuild(changed)[1]
    torch.testing.assert_close(before[0], after[0])  # depends on pools of 8
    torch.testing.assert_close(before[1], after[1])  # depends on pools of 8 and 4
    assert not torch.allclose(before[2], after[2], atol=1e-3)


def test_repeated_tokens_decode_to_different_patches(batch):
    rebuilt = CrossAD(1, 32).reconstruct(batch(window=32))[:, 0].unflatten(1, (-1, 4))
    assert (rebuilt[:, 0] - rebuilt[:, 1]).abs().max() > 1e-3


def test_prototypes_change_only_in_the_loss_in_training_mode(batch):
    module, x = CrossAD(1, 24), batch()
    buffers = {name: value.clone() for name, value in module.state_dict().items()}
    module.reconstruct(x), module.own_scores(x), module.eval().loss(x)
    assert all(torch.equal(value, buffers[name]) for name, value in module.state_dict().items())
    module.train().loss(x)
    assert not torch.equal(module.sums, buffers["sums"])
    assert not torch.equal(module.error, buffers["error"])


def test_prototypes_approach_the_mean_of_their_tokens():
    module = CrossAD(1, 24, prototypes=2)
    with torch.no_grad():
        module.sums.copy_(torch.stack([torch.full((32,), 4.0), torch.full((32,), -4.0)]))
    tokens = torch.cat([torch.full((6, 32), 3.0), torch.full((2, 32), -5.0)])
    for _ in range(200):
        module._move_prototypes(tokens, torch.tensor([0] * 6 + [1] * 2))
    bank = module.sums / module.counts[:, None]
    torch.testing.assert_close(bank, torch.stack([torch.full((32,), 3.0), torch.full((32,), -5.0)]), rtol=1e-3, atol=0)


def test_unused_prototypes_are_reset_to_tokens():
    module = CrossAD(1, 24, prototypes=3)
    for _ in range(60):
        module._move_prototypes(torch.full((4, 32), 2.0), torch.zeros(4, dtype=torch.long))
    torch.testing.assert_close(module.sums / module.counts[:, None], torch.full((3, 32), 2.0), rtol=0.2, atol=0)


def test_window_too_short_for_every_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel"):
        CrossAD(1, 12, kernels=(16, 8))
