"""LangChain tools that agents call: measurements, pictures, trials of rules; small JSON out, the rest on disk."""

from ape.tools.toolbox import (
    critic_tools,
    inspector_tools,
    planner_tools,
    profiler_tools,
    proposer_tools,
    spotter_tools,
)

__all__ = ["critic_tools", "inspector_tools", "planner_tools", "profiler_tools", "proposer_tools", "spotter_tools"]
