"""What every package needs: errors, atomic files, progress, checkpoints of long loops, out-of-memory halving."""

from ape.core.errors import InputError

__all__ = ["InputError"]
