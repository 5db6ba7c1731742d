"""Shared layers against torch."""

from __future__ import annotations

import torch
from torch import nn

from ape.detectors.backbones.layers import attend


def test_attention_equals_torch_also_with_shared_queries():
    torch.manual_seed(0)
    layer, memory, queries = nn.MultiheadAttention(6, 3, batch_first=True), torch.randn(4, 7, 6), torch.randn(5, 6)
    for given, expanded in ((memory, memory), (queries, queries.expand(4, -1, -1))):
        torch.testing.assert_close(attend(layer, given, memory), layer(expanded, memory, memory)[0])
