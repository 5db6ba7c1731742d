"""What a run leaves on disk, how runs are managed, and all of a run in one Python call (`ape.detect`).

The names below are imported on first use: reading a run folder needs neither the graphs nor torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ape.runs.execution import Callbacks, Outcome, execute
    from ape.runs.folder import Request, Run

__all__ = ["Callbacks", "Outcome", "Request", "Run", "execute"]

_MODULES = {
    "Callbacks": "execution",
    "Outcome": "execution",
    "execute": "execution",
    "Request": "folder",
    "Run": "folder",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"ape.runs.{_MODULES[name]}"), name)
    msg = f"module 'ape.runs' has no attribute {name!r}"
    raise AttributeError(msg)
