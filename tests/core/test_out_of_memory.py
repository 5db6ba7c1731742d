"""Batch sizes are halved when memory runs out."""

from __future__ import annotations

import pytest
import torch

from ape.core.errors import InputError
from ape.core.out_of_memory import BatchSize


def test_batch_size_is_halved_until_it_fits_and_one_window_is_the_minimum():
    batch, sizes = BatchSize(24), []

    def call(size, capacity=5):
        sizes.append(size)
        if size > capacity:
            raise torch.OutOfMemoryError("injected")
        return size

    assert batch.run(call) == 3 and batch.run(call) == 3
    assert sizes == [24, 12, 6, 3, 3]
    with pytest.raises(InputError, match="not enough GPU memory for a single window"):
        batch.run(lambda size: call(size, capacity=0))
