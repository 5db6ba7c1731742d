"""The summary page of a batch, the worst series first, and the events of all its series in one file."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from ape.core.errors import InputError
from ape.core.files import read_bytes, write_text
from ape.core.run_files import BANK, EVENTS_CSV, EVENTS_JSON, POSTTRAIN, REPORT, remedy
from ape.monitor import read_events
from ape.monitor.event_files import COLUMNS
from ape.posttrain.report_file import read_report
from ape.posttrain.steps import describe_outcome
from ape.rules import RuleBank
from ape.runs.folder import read_record
from ape.runs.pages import render
from ape.runs.sparkline import sparkline
from ape.series.reading.report import NO_TRAIN_END, TRAINING_PART

PAGE = "index.html"
SERIES = "series"  # the first column of the events of all series
SHOWN = 3  # events of a series that are not folded
MOST = 20  # events of a series on the page
RETRY = "repeat the command: it tries the failed series again"
INPUT_ERROR = re.compile(r"(?P<what>.+ \(.+\)): (?P<hint>.+)")  # see `InputError`
UNEXPECTED = re.compile(r"\w+: ")  # name of an exception without a hint
BREAKS = re.compile(r"(?<=[_\-/.,+=])(?=\w)")  # where a long name may be broken


@dataclass(frozen=True)
class Failure:
    """A failed item: what is wrong, and what to do about it."""

    name: str
    what: str
    hint: str


@dataclass(frozen=True)
class Row:
    """What the page shows of an item.

    Parameters
    ----------
    name : str
    report : str
        Link to the report; empty if there is none.
    events : list of dict or None
        Records of ``events.json``, the worst first; None if the series was not scored.
    alerts : str
        Accepted false alarms; empty if the series was not scored.
    picture : Markup
        Sparkline; empty if there is none.
    rules : int
        Number of rules.
    mechanisms : list of str
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
    report: str
    events: list[dict[str, Any]] | None
    alerts: str
    picture: Markup
    rules: int
    mechanisms: list[str]
    ended: str
    decision: str
    seconds: float
    reading: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """Score of the worst event; 0 without events, -1 for a series that was not scored."""
        return -1.0 if self.events is None else max((event["score"] for event in self.events), default=0.0)


def write_summary(
    out: Path, folders: Mapping[str, Path], failed: Mapping[str, str], curves: Mapping[str, dict[str, Any]]
) -> int:
    """Write ``index.html`` and ``events.csv`` into ``out``; return how many series have no training part of their own.

    Parameters
    ----------
    out : Path
        Folder of the batch.
    folders : mapping of str to Path
        Run folder of each item.
    failed : mapping of str to str
        Reason of each failed item.
    curves : mapping of str to dict
        What to draw of items, see `ape.runs.sparkline.curve`.
    """
    whole = {name: folder for name, folder in folders.items() if name not in failed}
    rows = [_row(out, name, folder, curves.get(name)) for name, folder in whole.items()]
    rows.sort(key=lambda row: -row.worst)
    page = render(
        "batch.html",
        name=out.resolve().name,
        rows=rows,
        failures=[_failure(name, reason) for name, reason in failed.items()],
        mechanisms=Counter(word for row in rows for word in row.mechanisms).most_common(),
        alerts=sorted({row.alerts for row in rows if row.alerts}),
        breakable=breakable,
        shown=SHOWN,
        most=MOST,
    )
    write_text(out / PAGE, page)
    write_all_events(out / EVENTS_CSV, whole)
    return sum(row.reading.get(TRAINING_PART) == NO_TRAIN_END for row in rows)


def breakable(name: str) -> Markup:
    """Return a name that may be broken after signs between its words, and nowhere else."""
    return Markup("<wbr>").join(escape(part) for part in BREAKS.split(name))


def _row(out: Path, name: str, folder: Path, curve: dict[str, Any] | None) -> Row:
    bank = RuleBank.load(folder / BANK)
    record = read_record(folder)
    report, posttrain = folder / REPORT, folder / POSTTRAIN
    found = read_events(folder) if (folder / EVENTS_JSON).is_file() else None
    events = None if found is None else found["events"]
    return Row(
        name=name,
        report=report.relative_to(out).as_posix() if report.is_file() else "",
        events=events,
        alerts="" if found is None else found["alerts"],
        picture=Markup("") if curve is None else sparkline(curve, events or []),
        rules=len(bank.rules),
        mechanisms=list(dict.fromkeys(rule.mechanism for rule in bank.rules)),
        ended=bank.ended,
        decision=describe_outcome(read_report(posttrain)) if posttrain.is_file() else "",
        seconds=float(sum(record["timings"].values())),
        reading=record["reading"],
        notes=record["notes"],
    )


def _failure(name: str, reason: str) -> Failure:
    """Split a reason into what is wrong and the hint, if it has one."""
    match = INPUT_ERROR.fullmatch(reason)
    if match is None or UNEXPECTED.match(reason):
        return Failure(name, reason, RETRY)
    return Failure(name, match["what"], match["hint"])


def _events_of(folder: Path) -> pd.DataFrame:
    """Read ``events.csv`` of a run folder as text."""
    path = folder / EVENTS_CSV
    try:
        data = io.BytesIO(read_bytes(path, "list of events"))
        found = pd.read_csv(data, dtype=str, keep_default_na=False)[list(COLUMNS)]
        found["score"].astype(float)
    except (ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"not a list of events: {error}"[:200], str(path), remedy(path)) from error
    return found


def write_all_events(path: Path, folders: Mapping[str, Path]) -> None:
    """Write the events of all series, the worst first; no file if no series was scored."""
    tables = [
        _events_of(folder).assign(**{SERIES: name})
        for name, folder in folders.items()
        if (folder / EVENTS_CSV).is_file()
    ]
    if not tables:
        path.unlink(missing_ok=True)
        return
    events = pd.concat(tables)[[SERIES, *COLUMNS]]
    worst_first = events.sort_values("score", key=lambda score: -score.astype(float), kind="stable")
    write_text(path, worst_first.to_csv(index=False))
