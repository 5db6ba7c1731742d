"""Read the trace of a run: its spans as trees, filtered by agent or rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ape.core.checksums import require_unchanged
from ape.core.errors import InputError
from ape.core.files import parse_json
from ape.core.run_files import SPANS
from ape.graphs.state import AGENT, DECISION
from ape.runs.packing import unpack
from ape.runs.tracing import EVIDENCE, STEP


@dataclass(frozen=True)
class Span:
    """One operation of a run: a graph, a node, an agent, a reply or a tool call.

    Parameters
    ----------
    id, parent : str
        ``parent`` is empty for a root.
    name : str
    kind : str
        As in OpenInference: CHAIN, AGENT, LLM or TOOL.
    start, seconds : float
        Start in seconds since the epoch, and duration.
    agent : str
        Empty outside of agents.
    step : int or None
        Step of the graph, for its nodes.
    evidence : str
        Id of a tool's result.
    input, output : str
        JSON.
    tokens : int
    failed : str
        The error; empty for a span that succeeded.
    decisions : tuple of dict
        Each with agent, decision and rationale, and if given with rule, iteration, figures and evidence.
    children : tuple of Span
    """

    id: str
    parent: str
    name: str
    kind: str
    start: float
    seconds: float
    agent: str = ""
    step: int | None = None
    evidence: str = ""
    input: str = ""
    output: str = ""
    tokens: int = 0
    failed: str = ""
    decisions: tuple[dict[str, Any], ...] = ()
    children: tuple[Span, ...] = ()

    def mentions(self, rule: str) -> bool:
        """Return whether input, output or a decision contains the id of this rule."""
        quoted = json.dumps(rule)
        in_text = any(quoted in text or quoted in text.replace('\\"', '"') for text in (self.input, self.output))
        return in_text or any(decision.get("rule") == rule for decision in self.decisions)

    def belongs_to(self, agent: str) -> bool:
        """Return whether the span, or a decision in it, is of this agent."""
        return self.agent == agent or any(decision["agent"] == agent for decision in self.decisions)


_SPAN = TypeAdapter(Span)


def read_trace(folder: Path) -> list[Span]:
    """Return the span trees of a run folder, one for each time that the run was started or resumed.

    Raises
    ------
    InputError
        The folder has no trace, or a damaged one.
    """
    unpack(folder)
    path = folder / SPANS
    if not path.exists():
        raise InputError("no trace", str(path), "give a run folder, or the folder of an item of a batch")
    require_unchanged(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]  # a kill may have cut off the last line
    spans = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            spans.append(_span(parse_json(line)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            what = f"not a trace: {' '.join(str(error).split())}"[:300]
            raise InputError(what, f"{path}, line {number}", "remove the line") from error
    known = {span.id for span in spans}
    by_parent: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start):
        by_parent.setdefault(span.parent if span.parent in known else "", []).append(span)
    return [_with_children(span, by_parent) for span in by_parent.get("", [])]


def filter_spans(spans: list[Span], agent: str | None, rule: str | None) -> list[Span]:
    """Return the spans of an agent or about a rule, with their ancestors and only the decisions that match."""

    def matches(decision: dict[str, Any]) -> bool:
        return (agent is None or decision["agent"] == agent) and (rule is None or decision.get("rule") == rule)

    def select(span: Span) -> Iterator[Span]:
        children = tuple(selected for child in span.children for selected in select(child))
        wanted = (agent is None or span.belongs_to(agent)) and (rule is None or span.mentions(rule))
        if wanted or children:
            yield replace(span, children=children, decisions=tuple(filter(matches, span.decisions)))

    return [selected for span in spans for selected in select(span)]


def _span(line: dict[str, Any]) -> Span:
    attributes, start = line["attributes"], _seconds(line["start_time"])
    fields: dict[str, Any] = dict(
        id=line["context"]["span_id"],
        parent=line["parent_id"] or "",
        name=line["name"],
        kind=attributes["openinference.span.kind"],
        start=start,
        seconds=_seconds(line["end_time"]) - start,
        agent=attributes.get(AGENT, ""),
        step=attributes.get(STEP),
        evidence=attributes.get(EVIDENCE, ""),
        input=attributes.get("input.value", ""),
        output=attributes.get("output.value", ""),
        tokens=int(attributes.get("llm.token_count.total", 0)),
        failed=line["status"].get("description", ""),
        decisions=tuple(_decision(event) for event in line["events"] if event["name"] == DECISION),
    )
    return _SPAN.validate_python(fields)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _decision(event: dict[str, Any]) -> dict[str, Any]:
    values = {name.removeprefix("ape."): value for name, value in event["attributes"].items()}
    return {name: json.loads(value) if name in ("figures", "evidence") else value for name, value in values.items()}


def _with_children(span: Span, by_parent: dict[str, list[Span]]) -> Span:
    children = tuple(_with_children(child, by_parent) for child in by_parent.get(span.id, []))
    return replace(span, children=children)
