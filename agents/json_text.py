"""Find JSON in a text as models write it: after prose, in fences, with small mistakes."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any

MOST_VALUES = 64  # values and failed attempts in one text
MOST_LEVELS = 50  # of lists and objects inside each other; agents use six
LARGEST_INTEGER = 2**63  # checkpoints hold no larger ones
CONSTANT = re.compile(r"([:,\[]\s*)[+-]?(?:NaN|Infinity|inf|nan)\b")
DECODER = json.JSONDecoder(parse_constant=lambda _: None, strict=False)  # NaN is null; strings may contain line breaks


def find_values(text: str) -> list[Any]:
    """Return the JSON objects and arrays in a text, in order; those inside others are not listed.

    An object with small mistakes (trailing commas, single quotes, comments) is repaired. One that is cut off is not,
    because its end is unknown: it and what follows are left out. NaN and infinities become null.

    Parameters
    ----------
    text : str

    Returns
    -------
    list
        Dictionaries and lists.
    """
    values: list[Any] = []
    position = 0
    for _ in range(MOST_VALUES):
        opening = re.compile(r"[{\[]").search(text, position)
        if opening is None:
            break
        try:
            value, position = DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            end = _balanced_end(text, opening.start())
            if end is None:
                break
            value, position = _repaired(text[opening.start() : end]), end
        if isinstance(value, dict | list):
            with contextlib.suppress(ValueError):
                values.append(storable(value))
    return values


def encodable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which no file or request can contain."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def storable(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Return plain data that every file, request and checkpoint can contain.

    Texts are `encodable`, NaN and infinities are null, larger integers than those of 64 bits are floats, and values
    that JSON has not are texts.

    Raises
    ------
    ValueError
        The data have more than ``levels`` levels.
    """
    if levels == 0:
        msg = f"more than {MOST_LEVELS} levels of lists and objects"
        raise ValueError(msg)
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list | tuple):
        return [storable(item, levels - 1) for item in value]
    if isinstance(value, dict):
        return {encodable(str(name)): storable(item, levels - 1) for name, item in value.items()}
    if isinstance(value, int) and not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        value = float(value) if abs(value) < 10**300 else math.inf
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | None) else encodable(str(value))


def is_complete(text: str) -> bool:
    """Return whether a text is one JSON value and nothing else."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _balanced_end(text: str, start: int) -> int | None:
    """Position after the bracket that closes the one at ``start``, ``None`` if the text ends before."""
    depth = 0
    for match in re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL).finditer(text, start):
        if match[0] in ("{", "[", "}", "]"):
            depth += 1 if match[0] in "{[" else -1
            if depth == 0:
                return match.end()
    return None


def _repaired(text: str) -> Any:
    from json_repair import repair_json  # few replies need it

    if text.startswith("[") and ":" not in text and '"' not in text:
        return None  # a remark in brackets, which the library would read as an array of words
    try:
        value = repair_json(CONSTANT.sub(r"\1null", text), return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict if text.startswith("{") else list) else None
