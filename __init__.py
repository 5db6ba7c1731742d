"""APE: post-training enhancement of time-series anomaly detectors by agent-mined pseudo-anomalies.

Packages are imported on first use, so that ``import ape`` and ``ape --help`` stay quick.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

_PACKAGES = ("agents", "cli", "core", "detectors", "evals", "graphs", "posttrain", "rules", "runs", "series", "tools")


def __getattr__(name: str) -> ModuleType:
    if name in _PACKAGES:
        return importlib.import_module(f"ape.{name}")
    msg = f"module 'ape' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*_PACKAGES, "__version__"]
