"""Coroutines run from synchronous code, with and without a running event loop."""

from __future__ import annotations

import asyncio

import pytest

from ape.core.blocking import run_blocking


async def divide(a, b):
    await asyncio.sleep(0)
    return a / b


def test_result_is_returned_inside_and_outside_an_event_loop():
    async def nested():
        return run_blocking(divide(3, 2))

    assert run_blocking(divide(3, 2)) == asyncio.run(nested()) == 1.5


def test_exceptions_are_raised_inside_and_outside_an_event_loop():
    async def nested():
        return run_blocking(divide(1, 0))

    for call in (lambda: run_blocking(divide(1, 0)), lambda: asyncio.run(nested())):
        with pytest.raises(ZeroDivisionError):
            call()
