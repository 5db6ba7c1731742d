"""A small exported detector."""

from __future__ import annotations

from watched_run import watched_run

__all__ = ["watched_run"]
