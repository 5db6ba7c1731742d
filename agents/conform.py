"""Change a model's answer to what its record expects, where the meaning is plain.

Models that no grammar guides write ``"Stuck Sensor"`` for ``stuck_sensor``, ``"20 %"`` for 0.2, ``[2, 6]`` for a range,
one item where a list is expected, texts that are too long, and fields of their own.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from pydantic import BaseModel

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%|percent\b)?\s*")
INTERVAL = re.compile(r"\s*\[?\s*(-?[\d.]+\s*%?)\s*(?:-|–|to|,|\.\.)\s*(-?[\d.]+\s*%?)\s*\]?\s*")
NOTHING = {"", "null", "none", "n/a", "unknown"}  # how models write that an optional value is missing
ID_PATTERN = re.compile(r"[^a-z0-9_\-]+")

Node = dict[str, Any]  # of a JSON schema


def conformed(value: Any, schema: type[BaseModel], strict: bool = True) -> Any:
    """Return a value in the form of a record.

    Parameters
    ----------
    value : object
        Plain data from JSON.
    schema : type of BaseModel
    strict : bool
        Whether unknown fields that hold objects or lists stay, so that the record is refused: they may be a field of
        the record under a wrong name. Unknown fields that hold one value are always left out.

    Returns
    -------
    object
        The record as plain data, as far as the meaning is plain; it may still be invalid.
    """
    root = _json_schema(schema)
    return _fitted(value, root, root.get("$defs", {}), strict)


def shared_fields(value: dict[str, Any], schema: type[BaseModel]) -> set[str]:
    """Return the fields of a record that an object has, however it writes their names."""
    names = {_letters(str(name)) for name in value}
    return {field for field in schema.model_fields if _letters(field) in names}


@cache
def _json_schema(schema: type[BaseModel]) -> Node:
    return schema.model_json_schema()


def _fitted(value: Any, node: Node, known: Node, strict: bool) -> Any:
    if "anyOf" in node:  # an optional value
        if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
            return None
        node = next(branch for branch in node["anyOf"] if branch.get("type") != "null")
    if "$ref" in node:
        node = known[node["$ref"].rpartition("/")[2]]
    if "enum" in node:
        return _term(value, node["enum"])
    kind = node.get("type")
    if kind == "object":
        return _object(value, node, known, strict)
    if kind == "array":
        return _items(value, node, known, strict)
    if kind == "string":
        return _text(value, node)
    return _number(value, kind) if kind in ("number", "integer") else value


def _object(value: Any, node: Node, known: Node, strict: bool) -> Any:
    fields, required = node["properties"], node.get("required", [])
    if {"low", "high"} == fields.keys():
        value = _range(value)
    if not isinstance(value, dict):
        return value
    names = {_letters(name): name for name in fields}
    fitted: Node = {}
    for given, item in value.items():
        name = given if given in fields else names.get(_letters(str(given)))
        if name is None:
            if strict and item and isinstance(item, dict | list):
                fitted[given] = item
        elif name not in fitted and (item is not None or name in required or "anyOf" in fields[name]):
            fitted[name] = _fitted(item, fields[name], known, strict)
    low, high = fitted.get("low"), fitted.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float) and high < low:
        fitted |= {"low": high, "high": low}
    return fitted


def _range(value: Any) -> Any:
    """A range that is written as a pair, as one number, or as text."""
    if isinstance(value, str) and (ends := INTERVAL.fullmatch(value)):
        low, high = ends.groups()
        value = [low + "%", high] if high.endswith("%") and not low.endswith("%") else [low, high]
    if isinstance(value, str | int | float):
        value = [value, value]
    return {"low": value[0], "high": value[1]} if isinstance(value, list) and len(value) == 2 else value


def _items(value: Any, node: Node, known: Node, strict: bool) -> Any:
    if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
        return []
    items = value if isinstance(value, list) else [value]
    return [_fitted(item, node["items"], known, strict) for item in items[: node.get("maxItems")]]


def _term(value: Any, terms: list[Any]) -> Any:
    """The term of a closed list, however its words are separated and capitalised."""
    if not isinstance(value, str) or value in terms:
        return value
    return next((term for term in terms if _letters(str(term)) == _letters(value)), value)


def _text(value: Any, node: Node) -> Any:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    if "pattern" in node:  # of an id
        value = ID_PATTERN.sub("_", value.lower()).strip("_")[:40]
    return value[: node.get("maxLength")]


def _number(value: Any, kind: str) -> Any:
    if isinstance(value, str) and (match := NUMBER.fullmatch(value)):
        value = float(match[1]) / (100 if match[2] else 1)
    if kind == "integer" and isinstance(value, float) and math.isfinite(value):
        return round(value)
    return value


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())
