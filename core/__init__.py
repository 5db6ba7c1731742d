"""Shared by every package: errors, atomic files, progress callbacks, training checkpoints, batch-size halving."""

from ape.core.errors import InputError

__all__ = ["InputError"]
