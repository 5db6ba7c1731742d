"""Call the work of an item within a time limit, and retry it after an unexpected failure."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt

from ape.core.errors import InputError


@dataclass(frozen=True)
class RetryPolicy:
    """How many seconds an item may take, and how often an unexpected failure is retried."""

    seconds: float | None = None
    retries: int = 1


DEFAULT_POLICY = RetryPolicy()


def attempt(work: Callable[..., dict[str, Any]], policy: RetryPolicy, *arguments: Any) -> dict[str, Any]:
    """Call ``work`` within the time limit, and retry it after an unexpected failure."""
    attempts = Retrying(
        stop=stop_after_attempt(policy.retries + 1), retry=retry_if_not_exception_type(InputError), reraise=True
    )

    def limited() -> dict[str, Any]:
        with _time_limit(policy.seconds):
            return work(*arguments)

    return attempts(limited)


@contextlib.contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` in the main thread when the time is over."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def raise_timeout(*_: Any) -> None:
        raise TimeoutError(f"not done within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
