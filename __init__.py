"""APE: post-training enhancement of time-series anomaly detectors by agent-mined pseudo-anomalies.

Packages are imported on first use, so that ``import ape`` and ``ape --help`` stay quick.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# Checkpoints may rebuild only the types that graph states name. LangGraph reads this variable when it is imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

__version__ = "0.1.0"

_PACKAGES = (
    "agents",
    "api",
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
    "watch",
)
# The two functions of most users, by the module that has them.
_SHORTCUTS = {"AnomalyDetector": "ape.runs.estimator", "detect": "ape.runs.detect"}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"ape.{name}")
    if name in _SHORTCUTS:
        return getattr(importlib.import_module(_SHORTCUTS[name]), name)
    msg = f"module 'ape' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*_PACKAGES, *_SHORTCUTS, "__version__"]
