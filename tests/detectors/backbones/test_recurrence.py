"""Recurrences with hand-written gradients: values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ape.detectors.backbones.omni_anomaly import ChainedPosterior
from ape.detectors.backbones.recurrence import gru


@pytest.mark.parametrize("channels", [1, 3])
def test_gru_equals_torch(channels):
    torch.manual_seed(0)
    layer, x = nn.GRU(channels, 5, batch_first=True).double(), torch.randn(4, 7, channels, dtype=torch.float64)
    x.requires_grad_()
    own, reference, pull = gru(layer, x), layer(x)[0], torch.randn(4, 7, 5, dtype=torch.float64)
    torch.testing.assert_close(own, reference)
    sources = [x, *layer.parameters()]
    for mine, other in zip(
        torch.autograd.grad(own, sources, pull), torch.autograd.grad(reference, sources, pull), strict=True
    ):
        torch.testing.assert_close(mine, other)
    with torch.no_grad():  # takes the path that stores no gates
        torch.testing.assert_close(gru(layer, x), reference)


def test_gradient_of_the_chain_of_latents_equals_finite_differences():
    torch.manual_seed(0)
    chain = ChainedPosterior(4, 2).double()
    hidden, noise = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True), torch.randn(3, 5, 2).double()
    link = chain.from_last.weight
    torch.autograd.gradcheck(lambda hidden, _: chain(hidden, noise), (hidden, link))
    torch.autograd.gradcheck(lambda hidden: chain.latents(hidden), (hidden,))
