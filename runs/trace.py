"""Reading a run's trace: its spans as a tree, and the way from a rule back to the evidence that it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.graphs.state import AGENT, DECISION
from ape.rules import RuleBank
from ape.rules.schema import CONVERSATION, Evidence
from ape.runs.folder import Request, read_request
from ape.runs.ledger import Ledger
from ape.runs.tracing import EVIDENCE, SPANS, STEP
from ape.tools.artefacts import Artefacts

QUOTED = 4  # lines that a quote may go over


@dataclass(frozen=True)
class Span:
    """One thing that ran.

    Parameters
    ----------
    id, parent : str
        ``parent`` is empty for the whole.
    name, kind : str
        Kind as OpenInference has it: CHAIN, AGENT, LLM, TOOL.
    begin, seconds : float
        Since the epoch, and how long it took.
    agent : str
        Empty outside of an agent.
    step : int or None
        Of the graph, for its nodes.
    evidence : str
        Id of a tool's result.
    sent, said : str
        JSON.
    tokens : int
    failed : str
        Why, where it failed.
    decisions : tuple of dict
        Each with agent, decision, rationale, and where it has them rule, iteration, figures, evidence.
    inner : tuple of Span
    """

    id: str
    parent: str
    name: str
    kind: str
    begin: float
    seconds: float
    agent: str = ""
    step: int | None = None
    evidence: str = ""
    sent: str = ""
    said: str = ""
    tokens: int = 0
    failed: str = ""
    decisions: tuple[dict[str, Any], ...] = ()
    inner: tuple[Span, ...] = ()

    def touches(self, rule: str) -> bool:
        """Whether it speaks of this rule."""
        quoted = json.dumps(rule)
        spoken = any(quoted in text or quoted in text.replace('\\"', '"') for text in (self.sent, self.said))
        return spoken or any(each.get("rule") == rule for each in self.decisions)

    def is_of(self, agent: str) -> bool:
        """Whether this agent did it or decided in it."""
        return self.agent == agent or any(each["agent"] == agent for each in self.decisions)


def read_trace(folder: Path) -> list[Span]:
    """Trees of a run's spans, one for each time that it was begun or resumed.

    Raises
    ------
    InputError
        The folder holds no trace, or a damaged one.
    """
    path = folder / SPANS
    if not path.is_file():
        raise InputError("no trace", str(path), "give the folder of a run, or of one of a batch's items")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    spans = []
    for number, line in enumerate(lines, 1):
        try:
            spans.append(_span(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines):  # cut off by a kill
                break
            raise InputError(f"not a trace: {error}", f"{path}, line {number}", "take the line out") from error
    known = {span.id for span in spans}
    under: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.begin):
        under.setdefault(span.parent if span.parent in known else "", []).append(span)
    return [_grown(span, under) for span in under.get("", [])]


def filtered(spans: list[Span], agent: str | None, rule: str | None) -> list[Span]:
    """What an agent did or what touches a rule, with all that stands around it; the decisions of these alone."""

    def kept(span: Span) -> Iterator[Span]:
        inner = tuple(each for child in span.inner for each in kept(child))
        wanted = (agent is None or span.is_of(agent)) and (rule is None or span.touches(rule))
        if wanted or inner:
            told = tuple(
                each
                for each in span.decisions
                if (agent is None or each["agent"] == agent) and (rule is None or each.get("rule") == rule)
            )
            yield replace(span, inner=inner, decisions=told)

    return [each for span in spans for each in kept(span)]


@dataclass(frozen=True)
class Ground:
    """One piece of evidence with what it says.

    Parameters
    ----------
    evidence : Evidence
    told : str
        What a tool was asked and found, where the picture is, the text's line as it stands there, what a person said.
    checked : bool
        Whether it could be looked up and says what was cited.
    """

    evidence: Evidence
    told: str
    checked: bool


@dataclass(frozen=True)
class Why:
    """Why a rule is, or is not, in the bank: its grounds, then what was decided of it, in order."""

    rule: str
    verdict: str
    grounds: tuple[Ground, ...]
    decisions: tuple[dict[str, Any], ...]


def why(folder: Path, rule_id: str) -> Why:
    """Walk from a rule back to what it rests on.

    Raises
    ------
    InputError
        No decision was ever made of such a rule.
    """
    found = {told.rule: told for told in explained(folder)}
    if rule_id not in found:
        known = ", ".join(sorted(found)) or "none yet"
        raise InputError(f"no rule '{rule_id}'", str(folder), f"give one of: {known}")
    return found[rule_id]


def explained(folder: Path) -> list[Why]:
    """Why each rule that was ever decided on is, or is not, in the bank."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in Ledger(folder / "ledger.jsonl"):
        if entry["rule"]:
            entries.setdefault(entry["rule"], []).append(entry)
    bank = RuleBank.load(folder / "bank.json").rules if (folder / "bank.json").is_file() else []
    cited, source = {rule.id: rule.evidence for rule in bank}, cache(partial(_lines, read_request(folder)))
    artefacts = Artefacts(folder / "artefacts")

    def ground(evidence: Evidence, decided: list[dict[str, Any]]) -> Ground:
        if evidence.kind != "text":
            return _kept(evidence, artefacts)
        return _said(evidence, decided) if evidence.id == CONVERSATION else _quoted(evidence, source)

    def grounds(rule: str, decided: list[dict[str, Any]]) -> tuple[Ground, ...]:
        evidence = cited[rule] if rule in cited else _proposed(decided)
        return tuple(ground(each, decided) for each in evidence)

    return [Why(rule, _verdict(own), grounds(rule, own), tuple(own)) for rule, own in entries.items()]


def _verdict(entries: list[dict[str, Any]]) -> str:
    words = (entry["decision"] for entry in reversed(entries))
    return next((word for word in words if word in ("accept", "reject")), "none")


def _proposed(entries: list[dict[str, Any]]) -> list[Evidence]:
    """What the proposal of a rule named, or the person who asked for it said, where the bank does not tell."""
    named: list[str] = next((entry["evidence"] for entry in entries if entry["decision"] == "proposed"), [])
    asked = [entry["rationale"][:300] for entry in entries if entry["decision"] == "add_rule"]
    return [
        *(Evidence(kind="text", id=CONVERSATION, quote=words) for words in asked),
        *(
            Evidence(
                kind="text" if each in ("text", "log") else "picture" if each.endswith(".png") else "tool", id=each
            )
            for each in named
        ),
    ]


def _kept(evidence: Evidence, artefacts: Artefacts) -> Ground:
    """A picture, or a tool's result, looked up among the artefacts."""
    try:
        if evidence.kind == "picture":
            return Ground(evidence, str(artefacts.path(evidence.id)), artefacts.path(evidence.id).is_file())
        record = json.loads(artefacts.get_bytes(f"{evidence.id.rpartition('-')[2]}.json"))
    except (InputError, ValueError):
        return Ground(evidence, "it is not in the run's artefacts", False)
    asked = ", ".join(f"{name}={value}" for name, value in record["arguments"].items())
    return Ground(evidence, f"{record['tool']}({asked}) = {json.dumps(record['result'])}", True)


def _said(evidence: Evidence, decided: list[dict[str, Any]]) -> Ground:
    """What a person asked for in conversation, looked up among what was decided of the rule."""
    asked = [entry["rationale"] for entry in decided if entry["agent"] == "person"]
    return Ground(evidence, evidence.quote, any(evidence.quote in words for words in asked))


def _quoted(evidence: Evidence, source: Callable[[str], list[str]]) -> Ground:
    """The line of the text or log that was quoted, looked up again."""
    try:
        lines = source(evidence.id)
    except (InputError, OSError) as error:
        return Ground(evidence, str(error), False)
    if evidence.line is None or evidence.line > len(lines):
        return Ground(evidence, evidence.quote, False)
    stretch = " ".join(" ".join(lines[evidence.line - 1 : evidence.line + QUOTED]).split())
    return Ground(evidence, lines[evidence.line - 1].strip(), " ".join(evidence.quote.split()) in stretch)


def _lines(asked: Request, name: str) -> list[str]:
    if name == "log" and asked.log is not None:
        return Path(asked.log).read_text(encoding="utf-8", errors="replace").splitlines()
    return (asked.text or asked.load().text or "").splitlines()


def _span(line: dict[str, Any]) -> Span:
    about, begin = line["attributes"], _seconds(line["start_time"])
    return Span(
        id=line["context"]["span_id"],
        parent=line["parent_id"] or "",
        name=line["name"],
        kind=about["openinference.span.kind"],
        begin=begin,
        seconds=_seconds(line["end_time"]) - begin,
        agent=about.get(AGENT, ""),
        step=about.get(STEP),
        evidence=about.get(EVIDENCE, ""),
        sent=about.get("input.value", ""),
        said=about.get("output.value", ""),
        tokens=int(about.get("llm.token_count.total", 0)),
        failed=line["status"].get("description", ""),
        decisions=tuple(_decision(event) for event in line["events"] if event["name"] == DECISION),
    )


def _decision(event: dict[str, Any]) -> dict[str, Any]:
    told = {name.removeprefix("ape."): value for name, value in event["attributes"].items()}
    return {name: json.loads(value) if name in ("figures", "evidence") else value for name, value in told.items()}


def _grown(span: Span, under: dict[str, list[Span]]) -> Span:
    return replace(span, inner=tuple(_grown(child, under) for child in under.get(span.id, [])))


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
