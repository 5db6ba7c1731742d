"""``ape trace``: show the trace of a run, explain a rule, write a page, compare two runs, or fork a run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from ape.cli.terminal import print_document, wrapping_console
from ape.core.errors import InputError
from ape.core.run_files import BANK
from ape.rules import RuleBank
from ape.runs.explanation import EvidenceSummary, Explanation, explain_rule
from ape.runs.fork import Decision, differences, fork
from ape.runs.trace import Span, filter_spans, read_trace

console = wrapping_console()

MAX_VALUE, MAX_CONTENT = 150, 800  # characters of inputs and outputs, and of evidence
COLOURS = {"AGENT": "cyan", "TOOL": "green", "LLM": "magenta"}
DECISION_COLOURS = {"accept": "green", "reject": "red", "revise": "yellow"}


def trace(arguments: argparse.Namespace) -> None:
    """``ape trace RUN``, with one of ``--why``, ``--html``, ``--fork`` and ``--against``."""
    run = Path(arguments.run)
    if arguments.why is not None:
        explanation = explain_rule(run, arguments.why)
        _print_explanation(explanation)
        print_document(_explanation_document(explanation))
    elif arguments.html:
        from ape.runs.trace_page import write_trace_page

        page = write_trace_page(run)
        console.print(f"trace: {page}")
        print_document({"trace": str(page)})
    elif arguments.fork is not None:
        _fork(run, arguments)
    elif arguments.against is not None:
        lines = differences(*(RuleBank.load(Path(each) / BANK) for each in (run, arguments.against)))
        console.print("\n".join(lines) or "the same rules")
        print_document({"differences": lines})
    else:
        spans = filter_spans(read_trace(run), arguments.agent, arguments.rule)
        if not spans:
            raise InputError("no span matches", str(run), "leave out --agent or --rule")
        for span in spans:
            console.print(_tree(span))
        print_document([asdict(span) for span in spans])


def _fork(run: Path, arguments: argparse.Namespace) -> None:
    if arguments.out is None:
        raise InputError("no folder for the new run", "--fork", "give --out DIR")
    words: tuple[Decision, ...] = ("accept", "reject", "revise")
    changes: dict[str, Decision] = {rule: word for word in words for rule in getattr(arguments, word) or ()}
    fork(run, arguments.fork, changes, Path(arguments.out))
    console.print(f"forked: {arguments.out}; resume it with 'ape run --resume {arguments.out}'")
    print_document({"run": arguments.out})


def _tree(span: Span, parent: Tree | None = None) -> Tree:
    """Return the tree of a span, or add it to the tree of its parent."""
    line = Text()
    line.append(f"[{span.step}] " if span.step is not None else "", style="bold")
    line.append(span.name, style=COLOURS.get(span.kind, "bold"))
    line.append(f"  {span.seconds:.2f} s" + (f", {span.tokens} tokens" if span.tokens else ""), style="dim")
    if span.kind == "TOOL":
        line.append(f"  {span.input[:MAX_VALUE]} -> {span.output[:MAX_VALUE]}  {span.evidence}")
    elif span.kind == "LLM":
        line.append(f"  {span.output[:MAX_VALUE]}")
    line.append(f"  {span.failed}", style="red")
    tree = Tree(line) if parent is None else parent.add(line)
    for child in span.children:
        _tree(child, tree)
    for decision in span.decisions:
        rule = f" {decision['rule']}" if "rule" in decision else ""
        style = DECISION_COLOURS.get(decision["decision"], "")
        text = Text().append(f"{decision['agent']}: {decision['decision']}{rule}", style=style)
        tree.add(text.append(f"  {decision['rationale']}", style="dim"))
    return tree


def _print_explanation(explanation: Explanation) -> None:
    style = DECISION_COLOURS.get(explanation.verdict, "")
    console.print(Text(explanation.rule, style="bold").append(f"  {explanation.verdict}", style=style))
    tree = Tree("evidence" if explanation.evidence else "no evidence is cited")
    for item in explanation.evidence:
        _add_evidence(tree, item)
    console.print(tree)
    tree = Tree("decisions")
    for decision in explanation.decisions:
        line = Text().append(f"iteration {decision['iteration']}  {decision['agent']}: ")
        line.append(decision["decision"], style=DECISION_COLOURS.get(decision["decision"], ""))
        branch = tree.add(line.append(f"  {decision['rationale']}"))
        if decision["figures"]:
            figures = ", ".join(f"{name} {value:.3g}" for name, value in decision["figures"].items())
            branch.add(Text(figures, style="dim"))
    console.print(tree)


def _explanation_document(explanation: Explanation) -> dict[str, Any]:
    evidence = [
        {**item.evidence.model_dump(mode="json"), "content": item.content, "found": item.found}
        for item in explanation.evidence
    ]
    decisions = list(explanation.decisions)
    return {"rule": explanation.rule, "verdict": explanation.verdict, "evidence": evidence, "decisions": decisions}


def _add_evidence(tree: Tree, item: EvidenceSummary) -> None:
    cited = item.evidence
    line = Text().append(f"{cited.kind} ", style="cyan").append(cited.id, style="bold")
    line.append(f", line {cited.line}" if cited.line else "")
    line.append(f", cited as '{cited.quote}'" if cited.quote else "")
    branch = tree.add(line)
    branch.add(Text(item.content[:MAX_CONTENT]))
    if not item.found:
        branch.add(Text("not found as cited", style="red"))
