"""Convert results of tools to plain Python data for agents, messages and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_plain(obj: Any) -> Any:
    """Convert ``obj`` to dicts, lists, strings, numbers, booleans and ``None``.

    Floats are rounded to 4 significant digits; NaN and infinities become ``None``. Integers, which include positions,
    stay exact. Arrays and tuples become lists, dataclasses become dicts.

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
        rounded = float(f"{obj:.4g}")
        return rounded if math.isfinite(rounded) else None
    if isinstance(obj, Mapping):
        return {str(key): to_plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [to_plain(item) for item in obj]
    if is_dataclass(obj) and not isinstance(obj, type):
        return {field.name: to_plain(getattr(obj, field.name)) for field in fields(obj)}
    msg = f"cannot convert {type(obj).__name__} to plain data"
    raise TypeError(msg)
