"""Continue from an earlier run: mine again, and post-train with what a person calls normal since as benign rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.run_files import ARTEFACTS, BANK, RECORD
from ape.core.validation import validated
from ape.graphs.desk import Desk
from ape.rules import Rule, RuleBank, RuleDraft
from ape.runs.changing import changing
from ape.runs.execution import SILENT, Callbacks, Outcome, execute, post_train_with_bank
from ape.runs.folder import Request, Run, read_record, update_record
from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

FIELD = "continues"  # of run.json


@dataclass(frozen=True)
class FalseAlarm:
    """An event that a person calls normal.

    Parameters
    ----------
    draft : RuleDraft
        Of the benign rule.
    words : str
        What the person said.
    """

    draft: RuleDraft
    words: str


class _False(TypedDict):
    draft: dict[str, Any]
    words: str


@with_config(extra="allow")
class _Kept(TypedDict):
    """What the record of a run has of the earlier run."""

    false_alarms: list[_False]
    benign: list[dict[str, Any]]


def create(folder: Path, request: Request, series: Series, earlier: Path, alarms: Sequence[FalseAlarm]) -> Run:
    """Make the folder of a run that continues an earlier one.

    The false alarms, and the benign rules that a person added before, are kept in its record, so that the run can be
    resumed.

    Raises
    ------
    InputError
        There is nothing that a person calls normal.
    """
    before = [rule for rule in _benign_of(earlier) if any(entry.agent == "person" for entry in rule.history)]
    if not alarms and not before:
        hint = f"label one: ape alerts {earlier} ID --false"
        raise InputError("no event is labelled as a false alarm", str(earlier), hint)
    run = Run.create(folder, request, series)
    kept = {
        "run": str(earlier.resolve()),
        "false_alarms": [{"draft": each.draft.model_dump(mode="json"), "words": each.words} for each in alarms],
        "benign": [rule.model_dump(mode="json") for rule in before],
    }
    with changing(run.folder):
        update_record(run.folder, **{FIELD: kept})
    return run


def continues(folder: Path) -> bool:
    """Return whether a run folder continues an earlier run."""
    return bool(read_record(folder).get(FIELD))


def execute_continued(run: Run, callbacks: Callbacks = SILENT) -> Outcome:
    """Execute, or resume, a run that `create` has made.

    What has no place in the training part cannot become a benign example: ``callbacks.listen`` gets why.
    """
    mined = execute(run, callbacks, mine_only=True).mined
    assert mined is not None  # the run has mined its own rules
    kept = validated(
        _Kept, read_record(run.folder)[FIELD], "not a run record", run.folder / RECORD, "start a new run", inside=FIELD
    )
    return post_train_with_bank(run, _with_benign(run, mined, kept, callbacks), callbacks)


def _with_benign(run: Run, mined: RuleBank, kept: _Kept, callbacks: Callbacks) -> RuleBank:
    """Return the mined bank with the benign rules that a run record keeps."""
    desk = Desk(Workbench(run.series, Artefacts(run.folder / ARTEFACTS)), run.request.seed)
    where, taken = run.folder / RECORD, {rule.id for rule in (*mined.rules, *mined.benign)}
    before = [
        validated(Rule, obj, "not a run record", where, "start a new run", inside=f"{FIELD}.benign")
        for obj in kept["benign"]
    ]
    added = [rule for rule in before if rule.id not in taken]
    desk.put_bank(mined.model_copy(update={"benign": [*mined.benign, *added]}))
    for alarm in kept["false_alarms"]:
        draft = validated(RuleDraft, alarm["draft"], "not a run record", where, "start a new run", inside=FIELD)
        if draft.id in desk.rules:
            continue
        callbacks.listen("person", f"{draft.id} {_put(desk, draft, alarm['words'])}")
    return desk.bank()


def _put(desk: Desk, draft: RuleDraft, words: str) -> str:
    """Make a benign rule of a false alarm, and say what became of it.

    The hour of the event may be too rare in a short training part; then the rule holds at any time.
    """
    try:
        desk.put_benign(draft, words)
    except ValueError as error:
        if draft.context.hours is None:
            return f"becomes no benign rule: {error}"
        anytime = draft.context.model_copy(update={"hours": None})
        found = _put(desk, draft.model_copy(update={"context": anytime}), words)
        return f"{found}, at any time of day: there are too few places at its own in the training part"
    return "becomes a benign rule"


def _benign_of(folder: Path) -> list[Rule]:
    """Return the benign rules of a run; none if it has no bank yet."""
    return list(RuleBank.load(folder / BANK).benign) if is_expected(folder / BANK) else []
