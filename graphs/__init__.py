"""LangGraph state machines: mining a Rule Bank, the run from a series to scores, and the conversation."""

from ape.graphs.mining import mine

__all__ = ["mine"]
