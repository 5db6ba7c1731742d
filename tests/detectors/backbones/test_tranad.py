"""TranAD: parameters, step counter, and both phases against naive ones."""

from __future__ import annotations

import numpy as np
import torch
from naive.detectors_layers import attend, layer_norm, linear

from ape.detectors.backbones.tranad import TranAD


def test_parameter_count():
    module = TranAD(3, 20, width=16, heads=2, hidden=24)
    embedding = 6 * 16 + 16
    attention = (16 * 48 + 48) + (16 * 16 + 16)
    layer = attention + (16 * 24 + 24) + (24 * 16 + 16) + 2 * 2 * 16
    assert sum(p.numel() for p in module.parameters()) == embedding + 3 * layer + 2 * (16 * 3 + 3)


def test_steps_are_counted_only_in_training_and_saved(batch):
    module, x = TranAD(1, 24), batch()
    for _ in range(3):
        module.loss(x)
    module.eval()
    module.loss(x)
    twin = TranAD(1, 24)
    twin.load_state_dict(module.state_dict())
    assert module.steps == twin.steps == 3


def test_weight_moves_from_the_first_phase_to_the_second(batch):
    module, x = TranAD(1, 24, epoch=10).eval(), batch()
    first, second = ((x - rebuilt).square().mean() for rebuilt in module._phases(x))
    for steps in (0, 10, 90):
        module.steps.fill_(steps)
        n = 1 + steps / 10
        torch.testing.assert_close(module.loss(x), first / n + (1 - 1 / n) * second)


@torch.no_grad()
def test_both_phases_equal_naive_phases():
    torch.manual_seed(0)
    module = TranAD(2, 9, width=8, heads=2, hidden=6).double().eval()
    x = torch.randn(1, 2, 9, dtype=torch.float64)
    window, position = x[0].numpy().T, module.position.numpy()

    def memory(focus):
        tokens = np.array([linear(module.embedding, np.concatenate([window[t], focus[t]])) for t in range(9)])
        tokens, layer = tokens + position, module.encoder
        tokens = layer_norm(layer.norm1, tokens + attend(layer.self_attn, tokens, tokens))
        return layer_norm(layer.norm2, tokens + linear(layer.linear2, np.maximum(linear(layer.linear1, tokens), 0)))

    def decode(decoder, encoded):
        tokens = layer_norm(decoder.first_norm, position + attend(decoder.attention, position, encoded))
        inner = np.maximum(linear(decoder.perceptron[0], tokens), 0)
        return linear(decoder.output, layer_norm(decoder.second_norm, tokens + linear(decoder.perceptron[2], inner)))

    first = decode(module.first, memory(np.zeros((9, 2))))
    second = decode(module.second, memory((first - window) ** 2))
    np.testing.assert_allclose(module.reconstruct(x)[0].numpy().T, second, atol=1e-5)
    score = 0.5 * ((first - window) ** 2).mean(axis=1) + 0.5 * ((second - window) ** 2).mean(axis=1)
    np.testing.assert_allclose(module.own_scores(x)[0].numpy(), score, atol=1e-5)
    np.testing.assert_allclose(module.encode(x)[0].numpy(), memory(np.zeros((9, 2))).mean(axis=0), atol=1e-5)
