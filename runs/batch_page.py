"""The summary page of a batch, which links to the reports of its items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ape.core.files import read_json, write_text
from ape.core.run_files import BANK, POSTTRAIN, RECORD, REPORT
from ape.posttrain.steps import describe_outcome
from ape.rules import RuleBank
from ape.runs.pages import render
from ape.series.reading.report import NO_TRAIN_END, TRAINING_PART

PAGE = "index.html"


@dataclass(frozen=True)
class Row:
    """What the page shows of an item.

    Parameters
    ----------
    name : str
    failed : str
        Why the item failed; empty otherwise.
    report : str
        Link to the report; empty if there is none.
    rules : str
        Number of rules.
    mechanisms : str
    ended : str
        How the mining ended.
    decision : str
        Result of post-training and its reason; empty without post-training.
    seconds : float
    reading : dict of str to str
        How the file was read, by topic.
    notes : list of str
        What loading inferred or changed.
    """

    name: str
    failed: str = ""
    report: str = ""
    rules: str = ""
    mechanisms: str = ""
    ended: str = ""
    decision: str = ""
    seconds: float = 0.0
    reading: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_summary(out: Path, folders: Mapping[str, Path], failed: Mapping[str, str]) -> int:
    """Write ``index.html`` into ``out``, and return how many series have no training part of their own.

    Parameters
    ----------
    out : Path
        Folder of the batch.
    folders : mapping of str to Path
        Run folder of each item.
    failed : mapping of str to str
        Reason of each failed item.
    """
    rows = [Row(name, failed[name]) if name in failed else _row(out, name, folder) for name, folder in folders.items()]
    mechanisms = Counter(word for row in rows for word in row.mechanisms.split(", ") if word)
    page = render("batch.html", name=out.resolve().name, rows=rows, mechanisms=mechanisms.most_common())
    write_text(out / PAGE, page)
    return sum(row.reading.get(TRAINING_PART) == NO_TRAIN_END for row in rows)


def _row(out: Path, name: str, folder: Path) -> Row:
    bank = RuleBank.load(folder / BANK)
    record = read_json(folder / RECORD, "run record")
    report, decision = folder / REPORT, ""
    if (folder / POSTTRAIN).is_file():
        posttrain = read_json(folder / POSTTRAIN, "post-training report")
        decision = describe_outcome(posttrain)
    return Row(
        name=name,
        report=str(report.relative_to(out)) if report.is_file() else "",
        rules=str(len(bank.rules)),
        mechanisms=", ".join(dict.fromkeys(rule.mechanism for rule in bank.rules)),
        ended=bank.ended,
        decision=decision,
        seconds=float(sum(record["timings"].values())),
        reading=record["reading"],
        notes=record["notes"],
    )
