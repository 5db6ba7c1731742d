"""LangChain tools that agents call: measurements, pictures and trials of rules.

A tool returns small JSON. Arrays and pictures are stored on disk, and the result names their artefact id.
"""

from ape.tools.toolbox import (
    critic_tools,
    inspector_tools,
    planner_tools,
    profiler_tools,
    proposer_tools,
    spotter_tools,
)

__all__ = ["critic_tools", "inspector_tools", "planner_tools", "profiler_tools", "proposer_tools", "spotter_tools"]
