"""Tools over rules: what operators there are, how a draft comes out, what a rule's anomalies look like."""

from __future__ import annotations

from functools import cache
from typing import Any

from langchain_core.tools import BaseTool

from ape.rules import OPERATORS, Context, RuleDraft
from ape.rules.check import Hosts, discriminability, draw_hosts
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
    """``list_operators`` and ``try_rule``; trials use the design part of the training data, never held-out hosts."""

    @cache
    def hosts() -> Hosts:
        return draw_hosts(workbench.series, context, seed, held_out=False)

    @agent_tool
    def list_operators() -> dict[str, Any]:
        """All operators with what they do, and their parameters with ranges and units."""
        return {
            name: {
                "does": op.summary,
                "parameters": {p: f"{b.lower} to {b.upper}: {b.meaning}" for p, b in op.parameters.items()},
            }
            for name, op in OPERATORS.items()
        }

    @agent_tool
    def try_rule(draft: RuleDraft) -> dict[str, Any]:
        """Generate from a draft rule on windows of the design part, and measure what comes out.

        realised_scale, realised_low, realised_high: median, 5 % and 95 % quantile of the peak change, in the unit of
        the draft's scale prior. realised_duration: samples. visible, border, plausible, own: as the critic will see
        them, there on other windows.
        """
        figures = discriminability([draft.to_rule()], [], context, hosts(), seed)[draft.id]
        return {"rule": draft.id, **{name: figures[name] for name in TRIED}}

    return [list_operators, try_rule]


def preview_tool(examples: dict[str, str]) -> BaseTool:
    """``preview_rule`` over the pictures that were drawn for the pending rules."""

    @agent_tool
    def preview_rule(rule_id: str) -> dict[str, str]:
        """Picture of six anomalies of a pending rule, red, over their hosts, grey."""
        return _picture(examples, rule_id)

    return preview_rule


def spot_tool(puzzles: dict[str, str]) -> BaseTool:
    """``show_windows`` over the pictures of `ape.tools.spot_the_difference`."""

    @agent_tool
    def show_windows(rule_id: str) -> dict[str, str]:
        """Picture of eight windows, numbered from 1, row by row; a rule made some of them, the others are normal."""
        return _picture(puzzles, rule_id)

    return show_windows


def _picture(pictures: dict[str, str], rule_id: str) -> dict[str, str]:
    if rule_id not in pictures:
        msg = f"no pending rule '{rule_id[:40]}'; there are {sorted(pictures)}"
        raise ValueError(msg)
    return {"artefact": pictures[rule_id]}
