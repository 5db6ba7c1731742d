"""Which tools go to which agent."""

from __future__ import annotations

from langchain_core.tools import BaseTool

from ape.tools.autocorrelation import autocorrelation_tool
from ape.tools.change_points import change_points_tool
from ape.tools.correlation import correlation_tool
from ape.tools.matrix_profile import matrix_profile_tool
from ape.tools.render import render_tools
from ape.tools.robust_stats import robust_stats_tool
from ape.tools.spectrum import spectrum_tool
from ape.tools.stationarity import stationarity_tool
from ape.tools.stl import stl_tool
from ape.tools.workbench import Workbench


def profiler_tools(workbench: Workbench) -> list[BaseTool]:
    """Tools that measure, for the profiler."""
    return [
        robust_stats_tool(workbench),
        autocorrelation_tool(workbench),
        spectrum_tool(workbench),
        stationarity_tool(workbench),
        change_points_tool(workbench),
        stl_tool(workbench),
        matrix_profile_tool(workbench),
        correlation_tool(workbench),
    ]


def inspector_tools(workbench: Workbench) -> list[BaseTool]:
    """Tools that draw, for the visual inspector."""
    return render_tools(workbench)
