"""Tools for rules: list the operators, try a draft, show a rule's pseudo-anomalies."""

from __future__ import annotations

from functools import cache
from typing import Any

from langchain_core.tools import BaseTool

from ape.rules import OPERATORS, Context, RuleDraft
from ape.rules.check import discriminability
from ape.rules.hosts import Hosts, draw_hosts
from ape.tools.boundary import agent_tool
from ape.tools.workbench import Workbench

TRIED = (
    "realised_scale",
    "realised_low",
    "realised_high",
    "realised_duration",
    "visible",
    "border",
    "plausible",
    "own",
)


def draft_tools(workbench: Workbench, context: Context, seed: int) -> list[BaseTool]:
    """Create the tools ``list_operators`` and ``try_rule``.

    Trials use hosts from the design part of the training data, never held-out hosts.
    """

    @cache
    def hosts() -> Hosts:
        return draw_hosts(workbench.series, context, seed, held_out=False)

    @agent_tool
    def list_operators() -> dict[str, Any]:
        """List all operators with what they do, and their parameters with ranges and units."""
        return {
            name: {
                "does": op.summary,
                "parameters": {p: f"{b.lower} to {b.upper}: {b.meaning}" for p, b in op.parameters.items()},
            }
            for name, op in OPERATORS.items()
        }

    @agent_tool
    def try_rule(draft: RuleDraft) -> dict[str, Any]:
        """Generate pseudo-anomalies from a draft rule on windows of the design part, and measure them.

        realised_scale, realised_low, realised_high: median, 5 % and 95 % quantile of the peak change, in the unit of
        the draft's scale prior. realised_duration: in samples. visible, border, plausible, own: the figures that the
        critic gets, which are then measured on other windows.
        """
        figures = discriminability([draft.to_rule()], [], context, hosts(), seed)[draft.id]
        return {"rule": draft.id, **{name: figures[name] for name in TRIED}}

    return [list_operators, try_rule]


def preview_tool(examples: dict[str, str]) -> BaseTool:
    """Create the tool ``preview_rule`` from artefact ids by rule id."""

    @agent_tool
    def preview_rule(rule_id: str) -> dict[str, str]:
        """Show six pseudo-anomalies of a pending rule, in red, over their host windows, in grey."""
        return _picture(examples, rule_id)

    return preview_rule


def spot_tool(puzzles: dict[str, str]) -> BaseTool:
    """Create the tool ``show_windows`` from artefact ids of `ape.tools.spot_the_difference` by rule id."""

    @agent_tool
    def show_windows(rule_id: str) -> dict[str, str]:
        """Show eight windows, numbered row by row from 1. A rule generated some of them; the others are normal."""
        return _picture(puzzles, rule_id)

    return show_windows


def _picture(pictures: dict[str, str], rule_id: str) -> dict[str, str]:
    if rule_id not in pictures:
        msg = f"no pending rule '{rule_id[:40]}'; the pending rules are {sorted(pictures)}"
        raise ValueError(msg)
    return {"artefact": pictures[rule_id]}
