"""Collect the tools of each agent."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.tools import BaseTool

from ape.rules import Context
from ape.tools.autocorrelation import autocorrelation_tool
from ape.tools.change_points import change_points_tool
from ape.tools.coherence import coherence_tool
from ape.tools.correlation import correlation_tool
from ape.tools.logs import NO_LOG, Log, log_tools
from ape.tools.matrix_profile import matrix_profile_tool
from ape.tools.panels import panel_tools
from ape.tools.regimes import regimes_tool
from ape.tools.render import render_tools
from ape.tools.robust_stats import robust_stats_tool
from ape.tools.rule_tools import draft_tools, preview_tool, spot_tool
from ape.tools.sampling import sampling_tool
from ape.tools.scenario import scenario_tools
from ape.tools.similar import similar_tool
from ape.tools.spectral_residual import spectral_residual_tool
from ape.tools.spectrum import spectrum_tool
from ape.tools.stationarity import stationarity_tool
from ape.tools.stl import stl_tool
from ape.tools.user_pictures import user_picture_tools
from ape.tools.workbench import Workbench


def planner_tools(workbench: Workbench, log: Log = NO_LOG) -> list[BaseTool]:
    """Return the tools that read the scenario, for the planner before any measurement."""
    return [*scenario_tools(workbench), *log_tools(workbench, log)]


def profiler_tools(workbench: Workbench) -> list[BaseTool]:
    """Return the tools that measure, for the profiler."""
    return [
        robust_stats_tool(workbench),
        autocorrelation_tool(workbench),
        spectrum_tool(workbench),
        stationarity_tool(workbench),
        change_points_tool(workbench),
        stl_tool(workbench),
        matrix_profile_tool(workbench),
        correlation_tool(workbench),
        coherence_tool(workbench),
        regimes_tool(workbench),
        similar_tool(workbench),
        spectral_residual_tool(workbench),
        sampling_tool(workbench),
    ]


def inspector_tools(workbench: Workbench, pictures: Sequence[str] = ()) -> list[BaseTool]:
    """Return the tools that draw, for the visual inspector, and the tool that shows the user's ``pictures``."""
    return [*render_tools(workbench), *panel_tools(workbench), *user_picture_tools(workbench, pictures)]


def spotter_tools(puzzles: dict[str, str]) -> list[BaseTool]:
    """Return the tool that shows a mix of generated and normal windows. ``puzzles`` are artefact ids by rule id."""
    return [spot_tool(puzzles)]


def proposer_tools(workbench: Workbench, context: Context, seed: int) -> list[BaseTool]:
    """Return the tools that read the scenario and try rules, for the planner when it writes rules."""
    return [*scenario_tools(workbench), *draft_tools(workbench, context, seed)]


def critic_tools(examples: dict[str, str]) -> list[BaseTool]:
    """Return the tool that shows pending rules, for the rule critic. ``examples`` are artefact ids by rule id."""
    return [preview_tool(examples)]
