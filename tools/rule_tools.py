"""Tools over rules: what operators there are, how a draft comes out, what a rule's anomalies look like."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from langchain_core.tools import BaseTool, tool
from pydantic import ValidationError

from ape.rules import OPERATORS, Context, Rule
from ape.tools.discriminability import discriminability, draw_hosts
from ape.tools.plain import to_plain
from ape.tools.workbench import Workbench


def planner_rule_tools(workbench: Workbench, context: Context, seed: int) -> list[BaseTool]:
    """``list_operators`` and ``try_rule``; trials use the design part of the training data, never the held-out hosts."""

    @cache
    def hosts() -> Any:
        return draw_hosts(workbench.series, context, seed, held_out=False)

    @tool
    def list_operators() -> str:
        """All operators with what they do, and their parameters with ranges and units."""
        listed = {
            name: {
                "does": op.summary,
                "parameters": {p: f"{b.lower} to {b.upper}: {b.meaning}" for p, b in op.parameters.items()},
            }
            for name, op in OPERATORS.items()
        }
        return json.dumps(listed)

    @tool
    def try_rule(rule_json: str) -> str:
        """Generate from a draft rule, given as JSON like those in a Proposal but without rationale.

        Answers with the realised median peak change (in the unit of the draft's scale prior), the realised duration in
        samples, and the figures visible, border and plausible on design windows.
        """
        try:
            rule = Rule.model_validate_json(rule_json)
        except ValidationError as error:
            return json.dumps({"error": str(error.errors(include_url=False)[0])[:400]})
        figures = discriminability([rule], [], context, hosts(), seed)[rule.id]
        kept = ("realised_scale", "realised_duration", "visible", "border", "plausible")
        return json.dumps(to_plain({"rule": rule.id, **{name: figures[name] for name in kept}}))

    return [list_operators, try_rule]


def preview_tool(examples: dict[str, str]) -> list[BaseTool]:
    """``preview_rule`` over the pictures that were drawn for the pending rules."""

    @tool
    def preview_rule(rule_id: str) -> str:
        """Picture of six anomalies of a pending rule, red, over their hosts, grey."""
        if rule_id not in examples:
            return json.dumps({"error": f"no pending rule '{rule_id}'; there are {sorted(examples)}"})
        return json.dumps({"artefact": examples[rule_id]})

    return [preview_rule]
