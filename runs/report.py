"""The report of a run: one self-contained HTML page made from the files of the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ape.core.files import read_json, write_text
from ape.core.run_files import ARTEFACTS, BANK, LEDGER, POSTTRAIN, RECORD, REPORT, SCORES
from ape.rules import MECHANISMS, MORPHOLOGIES, RuleBank
from ape.rules.check import THRESHOLDS
from ape.runs.ledger import Ledger
from ape.runs.pages import data_uri, render
from ape.runs.pictures import draw_scores
from ape.series import Series
from ape.series.reading.report import reading_block
from ape.tools.artefacts import Artefacts

VERDICTS = ("accept", "reject", "revise", "revised", "proposed")


def write_report(folder: Path, series: Series) -> None:
    """Write ``report.html`` into a run folder; a run that was only mined has no scores."""
    bank = RuleBank.load(folder / BANK)
    entries = list(Ledger(folder / LEDGER))
    artefacts = Artefacts(folder / ARTEFACTS)
    scores = pd.read_csv(folder / SCORES) if (folder / SCORES).exists() else None
    posttrain = {} if scores is None else read_json(folder / POSTTRAIN, "post-training report")
    record = read_json(folder / RECORD, "run record")
    notes = [*series.notes, *([f"log: {record['log']}"] if record.get("log") else [])]
    notes += [entry["rationale"] for entry in entries if entry["agent"] == "detector"]
    page = render(
        REPORT,
        series=series,
        notes=notes,
        bank=bank,
        record=record,
        posttrain=posttrain,
        overview=data_uri(draw_scores(series, scores)),
        rules=[_rule_view(rule_id, entries, artefacts) for rule_id in _rule_ids(entries)],
        records={rule.id: rule for rule in bank.rules},
        entries=entries,
        thresholds=THRESHOLDS,
        mechanisms=MECHANISMS,
        morphologies=MORPHOLOGIES,
        figure=_figure,
        reading=reading_block(series),
    )
    write_text(folder / REPORT, page)


def _rule_ids(entries: list[dict[str, Any]]) -> list[str]:
    """Return the rules of the ledger, accepted ones first."""
    rules = dict.fromkeys(entry["rule"] for entry in entries if entry["rule"])
    accepted = {entry["rule"] for entry in entries if entry["decision"] == "accept"}
    return sorted(rules, key=lambda rule: rule not in accepted)


def _rule_view(rule_id: str, entries: list[dict[str, Any]], artefacts: Artefacts) -> dict[str, Any]:
    """Return what the page shows of a rule: its last figures and picture, and its verdicts."""
    own = [entry for entry in entries if entry["rule"] == rule_id]
    measured = [entry for entry in own if entry["decision"] == "measured"]
    verdicts = [entry for entry in own if entry["decision"] in VERDICTS]
    final = (entry["decision"] for entry in reversed(verdicts) if entry["decision"] in ("accept", "reject"))
    return {
        "id": rule_id,
        "verdict": next(final, "undecided"),
        "figures": measured[-1]["figures"] if measured else {},
        "picture": data_uri(artefacts.get_bytes(measured[-1]["evidence"][0])) if measured else "",
        "verdicts": verdicts,
    }


def _figure(value: Any) -> str:
    """Format a value of the post-training report or of a rule for a table cell."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_figure(item) for item in value[:12])
    if isinstance(value, dict):
        return "; ".join(f"{key} {_figure(item)}" for key, item in value.items())
    return str(value)
