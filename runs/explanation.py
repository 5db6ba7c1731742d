"""Explain why a rule is in the bank or not: its evidence, looked up again, and all decisions about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.run_files import ARTEFACTS, BANK
from ape.rules import RuleBank
from ape.rules.schema import CONVERSATION, Evidence
from ape.runs.entries import read_entries
from ape.runs.folder import Request, read_request
from ape.runs.packing import unpack
from ape.tools.artefacts import Artefacts

QUOTE_LINES = 4  # further lines that a quote may span
Entry = dict[str, Any]  # of the ledger
ReadLines = Callable[[str], list[str]]  # lines of the text or of the log


@dataclass(frozen=True)
class EvidenceSummary:
    """One piece of evidence with its content.

    Parameters
    ----------
    evidence : Evidence
    content : str
        Call and result of a tool, path of a picture, line of a text, or words of a person.
    found : bool
        Whether the content was found and matches what the rule cites.
    """

    evidence: Evidence
    content: str
    found: bool


@dataclass(frozen=True)
class Explanation:
    """Why a rule is in the bank or not.

    Parameters
    ----------
    rule : str
    verdict : str
        ``accept``, ``reject`` or ``none``.
    evidence : tuple of EvidenceSummary
    decisions : tuple of dict
        Entries of the ledger, in order.
    """

    rule: str
    verdict: str
    evidence: tuple[EvidenceSummary, ...]
    decisions: tuple[Entry, ...]


def explain_rule(folder: Path, rule_id: str) -> Explanation:
    """Explain one rule of a run folder.

    Raises
    ------
    InputError
        The ledger contains no decision about this rule.
    """
    explanations = {explanation.rule: explanation for explanation in explain_rules(folder)}
    if rule_id not in explanations:
        known = ", ".join(sorted(explanations)) or "none yet"
        raise InputError(f"no rule '{rule_id}'", str(folder), f"give one of: {known}")
    return explanations[rule_id]


def explain_rules(folder: Path) -> list[Explanation]:
    """Explain each rule in the ledger of a run folder."""
    unpack(folder)
    by_rule: dict[str, list[Entry]] = {}
    for entry in read_entries(folder):
        if entry["rule"]:
            by_rule.setdefault(entry["rule"], []).append(entry)
    rules = RuleBank.load(folder / BANK).rules if is_expected(folder / BANK) else []
    cited = {rule.id: rule.evidence for rule in rules}
    artefacts = Artefacts(folder / ARTEFACTS)
    read_lines = cache(partial(_read_lines, read_request(folder)))

    def explain(rule_id: str, entries: list[Entry]) -> Explanation:
        evidence = cited[rule_id] if rule_id in cited else _evidence_of(entries)
        summaries = tuple(_look_up(item, entries, artefacts, read_lines) for item in evidence)
        return Explanation(rule_id, _verdict(entries), summaries, tuple(entries))

    return [explain(rule_id, entries) for rule_id, entries in by_rule.items()]


def _verdict(entries: list[Entry]) -> str:
    decisions = (entry["decision"] for entry in reversed(entries))
    return next((decision for decision in decisions if decision in ("accept", "reject")), "none")


def _evidence_of(entries: list[Entry]) -> list[Evidence]:
    """Return the evidence of a rule that is not in the bank: the person's words, and what its proposal named."""
    words = [entry["rationale"][:300] for entry in entries if entry["decision"] == "add_rule"]
    ids: list[str] = next((entry["evidence"] for entry in entries if entry["decision"] == "proposed"), [])
    return [
        *(Evidence(kind="text", id=CONVERSATION, quote=quote) for quote in words),
        *(Evidence(kind=_kind(evidence_id), id=evidence_id) for evidence_id in ids),
    ]


def _kind(evidence_id: str) -> Any:
    if evidence_id in ("text", "log"):
        return "text"
    return "picture" if evidence_id.endswith(".png") else "tool"


def _look_up(evidence: Evidence, entries: list[Entry], artefacts: Artefacts, read_lines: ReadLines) -> EvidenceSummary:
    if evidence.kind != "text":
        return _look_up_artefact(evidence, artefacts)
    if evidence.id == CONVERSATION:
        return _look_up_words(evidence, entries)
    return _look_up_quote(evidence, read_lines)


def _look_up_artefact(evidence: Evidence, artefacts: Artefacts) -> EvidenceSummary:
    try:
        if evidence.kind == "picture":
            path = artefacts.path(evidence.id)
            return EvidenceSummary(evidence, str(path), path.is_file())
        record = json.loads(artefacts.get_bytes(f"{evidence.id.rpartition('-')[2]}.json"))
        arguments = ", ".join(f"{name}={value}" for name, value in record["arguments"].items())
        return EvidenceSummary(evidence, f"{record['tool']}({arguments}) = {json.dumps(record['result'])}", True)
    except InputError as error:
        return EvidenceSummary(evidence, f"{error.what} ({error.where})", False)
    except (ValueError, TypeError, LookupError, AttributeError):
        return EvidenceSummary(evidence, "the artefact is damaged", False)


def _look_up_words(evidence: Evidence, entries: list[Entry]) -> EvidenceSummary:
    """Look up what a person said in the decisions about the rule."""
    requests = [entry["rationale"] for entry in entries if entry["agent"] == "person"]
    return EvidenceSummary(evidence, evidence.quote, any(evidence.quote in request for request in requests))


def _look_up_quote(evidence: Evidence, read_lines: ReadLines) -> EvidenceSummary:
    """Look up a quoted line of the text or of the log."""
    try:
        lines = read_lines(evidence.id)
    except (InputError, OSError) as error:
        return EvidenceSummary(evidence, str(error), False)
    if evidence.line is None or evidence.line > len(lines):
        return EvidenceSummary(evidence, evidence.quote, False)
    passage = " ".join(" ".join(lines[evidence.line - 1 : evidence.line + QUOTE_LINES]).split())
    found = " ".join(evidence.quote.split()) in passage
    return EvidenceSummary(evidence, lines[evidence.line - 1].strip(), found)


def _read_lines(request: Request, name: str) -> list[str]:
    if name == "log" and request.log is not None:
        return Path(request.log).read_text(encoding="utf-8", errors="replace").splitlines()
    return (request.text or request.load().text or "").splitlines()
