"""Shared by all packages: errors, files, progress callbacks, blocking calls, checkpoints, out-of-memory handling."""

from ape.core.errors import InputError

__all__ = ["InputError"]
