"""Paragraphs and lists of Markdown, and counts and hours in words."""

from __future__ import annotations

from collections.abc import Iterable


def paragraphs(*parts: str) -> str:
    """Return the parts that are not empty with a blank line between them, so that no list takes in what follows it."""
    return "\n\n".join(filter(None, parts))


def bullets(items: Iterable[str]) -> str:
    """Return a list of Markdown; empty if there is nothing to list."""
    return "\n".join(f"- {item}" for item in items)


def counted(count: int, noun: str) -> str:
    """Return a number of things: ``no events``, ``1 event``, ``2 events``."""
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"


def clock_text(hour: float) -> str:
    """Return an hour of the day on the clock: ``1:30`` for 1.5 or 25.5."""
    minutes = round(60 * (hour % 24))
    return f"{minutes // 60}:{minutes % 60:02d}"
