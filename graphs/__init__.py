"""LangGraph state machines: mining a Rule Bank, and the run that hands it over to post-training."""

import os

# Checkpoints may only rebuild the types that the state names. LangGraph reads this when it is imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from ape.graphs.mine import mine

__all__ = ["mine"]
