"""Threads of torch: how many there are inside, and that their number comes back."""

from __future__ import annotations

import pytest
import torch

from ape.core.threads import SMALL, one_thread, threads_for


@pytest.fixture(autouse=True)
def two():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_thread_inside_and_as_many_as_before_afterwards():
    with pytest.raises(ValueError, match="inside"), one_thread() as before:
        assert (before, torch.get_num_threads()) == (2, 1)
        raise ValueError("inside")
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("channels", "window", "threads"), [(1, SMALL, 1), (2, SMALL, 2), (8, 128, 1)])
def test_networks_with_small_windows_get_one_thread(channels, window, threads):
    with threads_for(channels, window):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 2
