"""LangGraph state machines: mining a Rule Bank, the run from a series to scores, and the conversation."""

import os

# Checkpoints may rebuild only the types that the states name. LangGraph reads this variable when it is imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from ape.graphs.mining import mine

__all__ = ["mine"]
