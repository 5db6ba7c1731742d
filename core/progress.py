"""Callbacks that report the progress of long work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Listener = Callable[[str, str], None]
"""Called as ``listener(agent, note)`` for each action of an agent."""


class Progress(Protocol):
    """Called repeatedly while a long step runs."""

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` parts of ``step`` are finished; ``note`` is a short text for people."""
