"""The report of a run: one self-contained HTML page made from the files of the run folder.

Those of a batch share the library of the zoomable plot, which is larger than all else in them.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ape.core.checksums import is_expected
from ape.core.files import write_text
from ape.core.run_files import ARTEFACTS, BANK, POSTTRAIN, REPORT, SCORES
from ape.monitor.alarms import YOUNG
from ape.monitor.reason import LIKELY, PERHAPS
from ape.monitor.times import span_text
from ape.posttrain.report_file import read_report
from ape.rules import MECHANISMS, MORPHOLOGIES, Rule, RuleBank
from ape.rules.check import THRESHOLDS
from ape.runs.entries import read_entries
from ape.runs.explanation import EvidenceSummary, explain_rules
from ape.runs.folder import read_record
from ape.runs.packing import reduced
from ape.runs.pages import data_uri, render
from ape.runs.pictures import draw_event, draw_whole, small
from ape.runs.result import Result, read_result
from ape.runs.verdict import channels_text, lasts, verdict
from ape.runs.zoom import library, shared_library, zoomable
from ape.series import Series
from ape.series.reading.report import reading_block
from ape.tools.artefacts import Artefacts

VERDICTS = ("accept", "reject", "revise", "revised", "proposed")
MOST_EVENTS = 20  # with a picture
MOST_CHANNELS = 12  # in the plot that can be zoomed
MOST_OTHERS = 100  # channels in the small pictures
MOST_REJECTED = 8  # rejected rules with a picture
VOICES = {  # scores that post-training chooses from
    "both": "the rules together with the distance to the nearest normal window",
    "rules": "the rules alone",
    "free": "the distance to the nearest normal window alone",
    "original": "the detector as it was before post-training",
}
MEANINGS = {  # of the entries of the post-training report
    "recipe": "settings of the training",
    "seed": "of the random numbers",
    "device": "on which it was trained",
    "bank_is_of_this_series": "whether the rules were mined on this series",
    "candidates": "how the training part was divided, and what was left out because it may be anomalous",
    "training": "losses after so many steps, and the step that was kept",
    "kept": "the score that was kept",
    "accepted": "whether it is not the original one",
    "reason": "why",
    "acceptance": "average precision of each score on anomalies that were put into held-out normal data",
    "seconds": "time of each part",
}
USES = {  # of a sentence
    "rule": "rule",
    "benign": "must not alarm:",
    "normal": "describes what is normal",
    "other": "is about something else",
    "no rule": "gave no rule",
    "not understood": "not understood",
}


@dataclass(frozen=True)
class EventView:
    """What the page shows of an event.

    Parameters
    ----------
    record : dict
        As in ``events.json``.
    when, lasts, channels : str
    once : str
        How often it is expected by chance.
    picture : str
        Address of its picture; empty if it has none.
    rule : RuleView or None
        The rule that fits best.
    """

    record: dict[str, Any]
    when: str
    lasts: str
    channels: str
    once: str
    picture: str
    rule: RuleView | None


@dataclass(frozen=True)
class Picture:
    """A picture that a page shows at several places; sizes in pixels."""

    address: str
    width: int
    height: int

    @classmethod
    def of(cls, png: bytes, make_small: Callable[[bytes], bytes]) -> Picture | None:
        """Return a picture, made smaller by a function; None if the file is damaged."""
        try:
            picture = make_small(png)
        except OSError:
            return None
        return cls(data_uri(picture, "webp"), *struct.unpack(">II", png[16:24]))  # sizes in the header


@dataclass(frozen=True)
class RuleView:
    """What the page shows of a rule.

    Parameters
    ----------
    id : str
    verdict : str
        ``accept``, ``reject`` or ``none``.
    rule : Rule or None
        None if the bank does not contain it.
    figures : dict of float
        Of the last discriminability check.
    picture : Picture or None
        Of its examples.
    evidence : tuple of EvidenceSummary
    decisions : tuple of dict
        Entries of the ledger.
    events : int
        Number of events that it fits best.
    """

    id: str
    verdict: str
    rule: Rule | None
    figures: dict[str, float]
    picture: Picture | None
    evidence: tuple[EvidenceSummary, ...]
    decisions: tuple[dict[str, Any], ...]
    events: int


def write_report(folder: Path, series: Series) -> None:
    """Write ``report.html`` into a run folder; a run that was only mined has no scores and no events."""
    bank, record = RuleBank.load(folder / BANK), read_record(folder)
    text = record["arguments"].get("text_file")
    result = read_result(folder, series, bank, text) if is_expected(folder / SCORES) else None
    entries = read_entries(folder)
    shared = shared_library(folder)
    rules = _rule_views(folder, bank, result, reduced if shared else small)
    notes = [*series.notes, *([f"log: {record['log']}"] if record.get("log") else [])]
    later = [entry["rationale"] for entry in entries if entry["agent"] == "detector"]
    shown, found = (result.series, result.events) if result else (series, ())
    order = result.order if result else list(range(series.n_channels))
    score, level = (result.score, result.threshold.level) if result else (None, None)
    first, others = order[:MOST_CHANNELS], order[MOST_CHANNELS:][:MOST_OTHERS]
    page = render(
        REPORT,
        series=series,
        result=result,
        verdict=verdict(result) if result else (),
        events=_event_views(result, {rule.id: rule for rule in rules}) if result else [],
        most_events=MOST_EVENTS,
        shared=shared,
        library="" if shared else library(),
        plot=zoomable(shown, first, found, score, level),
        whole=data_uri(draw_whole(shown, first, found), "webp"),
        others=data_uri(draw_whole(shown, others, found, columns=2), "webp") if others else "",
        counts=(len(first), len(others)),
        bank=bank,
        shares=bank.shares(),
        uses=USES,
        rules=rules,
        text=text,
        notes=notes,
        later=later,
        reading=reading_block(series),
        record=record,
        posttrain=read_report(folder / POSTTRAIN) if result else {},
        young=YOUNG,
        likely=LIKELY,
        perhaps=PERHAPS,
        voices=VOICES,
        meanings=MEANINGS,
        entries=entries,
        thresholds=THRESHOLDS,
        mechanisms=MECHANISMS,
        morphologies=MORPHOLOGIES,
        figure=_figure,
    )
    write_text(folder / REPORT, page)


def _event_views(result: Result, rules: dict[str, RuleView]) -> list[EventView]:
    return [
        EventView(
            record=record,
            when=span_text(result.series, event.begin, event.end),
            lasts=lasts(result, number),
            channels=channels_text([name for name, _ in event.channels]),
            once=result.chance(number).once,
            picture=data_uri(draw_event(result, event), "webp") if number < MOST_EVENTS else "",
            rule=rules.get(record["rule"] or ""),
        )
        for number, (event, record) in enumerate(zip(result.events, result.records, strict=True))
    ]


def _rule_views(
    folder: Path, bank: RuleBank, result: Result | None, make_small: Callable[[bytes], bytes]
) -> list[RuleView]:
    """Return the rules of the ledger: those of the bank first."""
    artefacts = Artefacts(folder / ARTEFACTS)
    known = {rule.id: rule for rule in bank.rules}
    fits = Counter(record["rule"] for record in (result.records if result else ()))
    explained = sorted(explain_rules(folder), key=lambda each: each.rule not in known)
    views: list[RuleView] = []
    for number, each in enumerate(explained):
        measured = [entry for entry in each.decisions if entry["decision"] == "measured"]
        pictured = measured and number < len(known) + MOST_REJECTED
        views.append(
            RuleView(
                id=each.rule,
                verdict=each.verdict,
                rule=known.get(each.rule),
                figures=measured[-1]["figures"] if measured else {},
                picture=Picture.of(artefacts.get_bytes(measured[-1]["evidence"][0]), make_small) if pictured else None,
                evidence=each.evidence,
                decisions=tuple(entry for entry in each.decisions if entry["decision"] in VERDICTS),
                events=fits[each.rule],
            )
        )
    return views


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
