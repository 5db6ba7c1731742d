"""The boundary between agents and tools: arguments are validated, results are JSON, errors are results too."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import Field, ValidationError

from ape.tools.plain import to_plain

LONGEST_ERROR = 400

Channel = Annotated[str, Field(description="name of the channel, as describe_series lists it")]
Period = Annotated[int, Field(ge=2, description="length of one cycle in samples")]
Window = Annotated[
    int, Field(ge=4, description="length of the compared stretches in samples; one period is a good choice")
]


def agent_tool(function: Callable[..., Any]) -> BaseTool:
    """Create a LangChain tool with the name, docstring and annotated arguments of ``function``.

    The tool returns the JSON of the function's result. A `ValueError` or invalid arguments become
    ``{"error": ...}``, which an agent can read and correct.
    """

    @functools.wraps(function)
    def guarded(**arguments: Any) -> str:
        try:
            return json.dumps(to_plain(function(**arguments)), allow_nan=False)
        except ValueError as error:
            return _refusal(str(error))

    return StructuredTool.from_function(guarded, handle_validation_error=_invalid)


def require(values: np.ndarray, least: int) -> None:
    """Raise a `ValueError` unless ``values`` [n] has at least ``least`` points and is not constant."""
    if len(values) < least:
        msg = f"{len(values)} training points are too few; this measurement needs {least}"
        raise ValueError(msg)
    if np.ptp(values) == 0:
        msg = "the channel is constant in the training part: there is nothing to measure"
        raise ValueError(msg)


def require_cycles(values: np.ndarray, period: int, least: int = 3) -> None:
    """Raise a `ValueError` unless ``period`` is at least 2 samples and fits ``least`` times into ``values`` [n]."""
    if not 2 <= period <= len(values) // least:
        msg = f"{period} samples do not fit {least} times into the training part; give 2 to {len(values) // least}"
        raise ValueError(msg)


def _invalid(error: Any) -> str:
    if not isinstance(error, ValidationError):
        return _refusal(str(error))
    first = error.errors(include_url=False)[0]
    return _refusal(f"argument {'.'.join(map(str, first['loc']))}: {first['msg']}")


def _refusal(text: str) -> str:
    return json.dumps({"error": " ".join(text.split())[:LONGEST_ERROR]})
