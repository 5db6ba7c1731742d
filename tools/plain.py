"""Convert results of tools to plain Python data for agents, messages and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

DIGITS = 4  # significant digits of numbers


class Level(float):
    """A level in data units, with the digits that agents get."""

    @classmethod
    def of(cls, value: float, spread: float) -> Level:
        """Round ``value`` to 4 significant digits, or to a tenth of ``spread`` if that takes more."""
        digits = DIGITS
        if value and spread:
            digits = max(digits, math.floor(math.log10(abs(value))) - math.floor(math.log10(spread)) + 2)
        return cls(f"{value:.{digits}g}")


def to_plain(obj: Any) -> Any:
    """Convert ``obj`` to dicts, lists, strings, numbers, booleans and ``None``.

    Floats are rounded to 4 significant digits, unless they are a `Level`; NaN and infinities become ``None``. Integers,
    which include positions, stay exact. Arrays and tuples become lists, dataclasses become dicts.

    Raises
    ------
    TypeError
        ``obj`` contains anything else, so that no handle gets into a message.
    """
    if isinstance(obj, np.ndarray | np.generic):
        obj = obj.tolist()
    if obj is None or isinstance(obj, bool | int | str):
        return obj
    if isinstance(obj, float):
        rounded = float(obj) if isinstance(obj, Level) else float(f"{obj:.{DIGITS}g}")
        return rounded if math.isfinite(rounded) else None
    if isinstance(obj, Mapping):
        return {str(key): to_plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [to_plain(item) for item in obj]
    if is_dataclass(obj) and not isinstance(obj, type):
        return {field.name: to_plain(getattr(obj, field.name)) for field in fields(obj)}
    msg = f"cannot convert {type(obj).__name__} to plain data"
    raise TypeError(msg)
