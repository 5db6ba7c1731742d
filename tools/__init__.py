"""LangChain tools that agents call: measurements, pictures, trials of rules; small JSON out, the rest on disk."""

from ape.tools.series_tools import inspector_tools, profiler_tools

__all__ = ["inspector_tools", "profiler_tools"]
