"""``ape trace``: what a run did and why, told as a tree, from a rule backwards, as a page, or anew from a step."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from ape.cli.commands import wide_console
from ape.core.errors import InputError
from ape.rules import RuleBank
from ape.runs.fork import Word, differences, fork
from ape.runs.trace import Span, Why, filtered, read_trace, why

console = wide_console()

SHORT = 150  # characters of what was said in a line of the tree
COLOURS = {"AGENT": "cyan", "TOOL": "green", "LLM": "magenta"}
VERDICTS = {"accept": "green", "reject": "red", "revise": "yellow"}


def trace(arguments: argparse.Namespace) -> None:
    """``ape trace RUN``, with one of ``--why``, ``--html``, ``--fork`` and ``--against``."""
    run = Path(arguments.run)
    if arguments.why is not None:
        _tell_why(why(run, arguments.why))
    elif arguments.html:
        from ape.runs.trace_page import write_trace_page

        console.print(f"trace: {write_trace_page(run)}")
    elif arguments.fork is not None:
        _fork(run, arguments)
    elif arguments.against is not None:
        lines = differences(*(RuleBank.load(Path(each) / "bank.json") for each in (run, arguments.against)))
        console.print("\n".join(lines) or "the same rules")
    else:
        spans = filtered(read_trace(run), arguments.agent, arguments.rule)
        if not spans:
            raise InputError("nothing in the trace fits", str(run), "leave out --agent or --rule")
        for span in spans:
            console.print(_tree(span))


def _fork(run: Path, arguments: argparse.Namespace) -> None:
    if arguments.out is None:
        raise InputError("where should the new run go?", "--fork", "give --out DIR")
    words: tuple[Word, ...] = ("accept", "reject", "revise")
    changes: dict[str, Word] = {rule: word for word in words for rule in getattr(arguments, word) or ()}
    fork(run, arguments.fork, changes, Path(arguments.out))
    console.print(f"forked: {arguments.out}; go on with 'ape run --resume {arguments.out}'")


def _tree(span: Span, within: Tree | None = None) -> Tree:
    line = Text()
    line.append(f"[{span.step}] " if span.step is not None else "", style="bold")
    line.append(span.name, style=COLOURS.get(span.kind, "bold"))
    line.append(f"  {span.seconds:.2f} s" + (f", {span.tokens} tokens" if span.tokens else ""), style="dim")
    if span.kind == "TOOL":
        line.append(f"  {span.sent[:SHORT]} -> {span.said[:SHORT]}  {span.evidence}")
    elif span.kind == "LLM":
        line.append(f"  {span.said[:SHORT]}")
    line.append(f"  {span.failed}", style="red")
    tree = Tree(line) if within is None else within.add(line)
    for child in span.inner:
        _tree(child, tree)
    for each in span.decisions:
        style = VERDICTS.get(each["decision"], "")
        rule = f" {each['rule']}" if "rule" in each else ""
        told = Text().append(f"{each['agent']}: {each['decision']}{rule}", style=style)
        tree.add(told.append(f"  {each['rationale']}", style="dim"))
    return tree


def _tell_why(told: Why) -> None:
    console.print(Text(told.rule, style="bold").append(f"  {told.verdict}", style=VERDICTS.get(told.verdict, "")))
    tree = Tree("rests on" if told.grounds else "rests on nothing that was cited")
    for ground in told.grounds:
        cited = ground.evidence
        line = Text().append(f"{cited.kind} ", style="cyan").append(cited.id, style="bold")
        line.append(f", line {cited.line}" if cited.line else "").append(
            f", for '{cited.quote}'" if cited.quote else ""
        )
        branch = tree.add(line)
        branch.add(Text(ground.told[:800]))
        if not ground.checked:
            branch.add(Text("not found as it is cited", style="red"))
    console.print(tree)
    tree = Tree("and came about by")
    for each in told.decisions:
        line = Text().append(f"round {each['iteration']}  {each['agent']}: ")
        line.append(each["decision"], style=VERDICTS.get(each["decision"], "")).append(f"  {each['rationale']}")
        branch = tree.add(line)
        if each["figures"]:
            branch.add(Text(", ".join(f"{name} {value:.3g}" for name, value in each["figures"].items()), style="dim"))
    console.print(tree)
