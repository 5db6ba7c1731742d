"""Run a coroutine from synchronous code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

Result = TypeVar("Result")


def run_blocking(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work`` and return its result. Works also inside a running event loop, for example in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    outcome: list[Result | BaseException] = []

    def target() -> None:
        try:
            outcome.append(_run(work))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=target)
    try:
        thread.start()
    except RuntimeError:  # no more threads are allowed
        work.close()
        raise
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return cast(Result, outcome[0])


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    finally:
        work.close()  # it has not begun if no event loop could be made; a warning would say so
