"""What a run leaves on disk, how runs are managed, and all of a run in one Python call (`ape.detect`)."""

from ape.runs.execution import Callbacks, Outcome, execute
from ape.runs.folder import Request, Run

__all__ = ["Callbacks", "Outcome", "Request", "Run", "execute"]
