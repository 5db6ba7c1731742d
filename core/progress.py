"""Callbacks through which long work reports to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Listener = Callable[[str, str], None]
"""Called with ``(agent, note)`` for each thing that an agent does."""


class Progress(Protocol):
    """Called as a long step advances."""

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total`` parts of ``step`` are finished; ``note`` is a short text for people."""
