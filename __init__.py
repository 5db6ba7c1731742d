"""APE: post-training enhancement of time-series anomaly detectors by agent-mined pseudo-anomalies.

Packages are imported on first use, so that ``import ape`` and ``ape --help`` stay quick.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

# Checkpoints may rebuild only the types that graph states name. LangGraph reads this variable when it is imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

__version__ = "0.1.0"

_PACKAGES = (
    "agents",
    "cli",
    "core",
    "detectors",
    "evals",
    "graphs",
    "monitor",
    "posttrain",
    "rules",
    "runs",
    "series",
    "tools",
)


def __getattr__(name: str) -> ModuleType:
    if name in _PACKAGES:
        return importlib.import_module(f"ape.{name}")
    msg = f"module 'ape' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*_PACKAGES, "__version__"]
