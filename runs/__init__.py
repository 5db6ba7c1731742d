"""What a run leaves on disk, and how runs are managed: folders, batches, traces, reports, conversations."""

from ape.runs.execution import Callbacks, Outcome, execute
from ape.runs.folder import Request, Run

__all__ = ["Callbacks", "Outcome", "Request", "Run", "execute"]
