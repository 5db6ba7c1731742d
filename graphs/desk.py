"""The desk: the working set of rules in a conversation, with the tools that list, change, draw and compare them.

A new or changed rule goes through the same check as a mined one. A rule that fails stays on the desk, where it can be
changed, but does not enter the bank. The person's words are recorded in the history of the rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from langchain_core.tools import BaseTool
from pydantic import Field

from ape.rules import Context, Rule, RuleBank, RuleDraft, build_context
from ape.rules.check import THRESHOLDS, Hosts, discriminability, draw_hosts, failures
from ape.rules.schema import ContextualPrior, DurationPrior, HistoryEntry, Range, ScalePrior, Tercile
from ape.tools.boundary import agent_tool
from ape.tools.preview import draw_examples, sample_examples
from ape.tools.workbench import Workbench

GRADUAL = Range(low=0.5, high=1.0)  # share of the duration over which a slow change builds up
MAX_EXAMPLES = 30
MAX_VERSIONS = 50  # earlier versions of the desk that are stored

UNITS = {
    "series_sd": "standard deviations of the series",
    "residual_sd": "standard deviations of its residual",
    "data": "in the unit of the data",
    "periods": "cycles",
    "samples": "samples",
}

RuleId = Annotated[str, Field(max_length=40, description="id of a rule, as listed by list_rules")]
Factor = Annotated[float, Field(gt=0, le=20, description="factor that multiplies the present value")]
Asked = Annotated[str, Field(max_length=400, description="the person's words, verbatim")]


@dataclass
class Desk:
    """The working set of rules in a conversation.

    Parameters
    ----------
    workbench : Workbench
    seed : int
    period : int, optional
        Period of the series as found by mining; default: its dominant period.
    rules, dropped : dict of str to Rule
        Present rules and dropped rules by id, in order.
    figures : dict of str to dict of str to float
        Figures of the last check, by rule id.
    versions : list of list of Rule
        The rules before each change.
    """

    workbench: Workbench
    seed: int
    period: int | None = None
    rules: dict[str, Rule] = field(default_factory=dict)
    dropped: dict[str, Rule] = field(default_factory=dict)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: list[list[Rule]] = field(default_factory=list)

    @cached_property
    def context(self) -> Context:
        """Context of the rules in this series."""
        return build_context(self.workbench.series, self.period)

    @cached_property
    def hosts(self) -> Hosts:
        """Held-out host windows for the check."""
        return draw_hosts(self.workbench.series, self.context, self.seed)

    def get(self, rule_id: str) -> Rule:
        """Return a rule on the desk; raise a `ValueError` that lists the rules if there is no such rule."""
        if rule_id not in self.rules:
            msg = f"no rule '{rule_id[:40]}'; rules: {', '.join(self.rules) or 'none yet'}"
            raise ValueError(msg)
        return self.rules[rule_id]

    def put(self, rule: Rule, request: str, verdict: Literal["proposed", "revise"]) -> dict[str, Any]:
        """Check a new or changed rule, put it on the desk with the person's request, and return its description."""
        others = [other for other in self.rules.values() if other.id != rule.id and not self.failed_figures(other.id)]
        try:
            figures = discriminability([rule], others, self.context, self.hosts, self.seed)[rule.id]
        except ValueError as error:
            msg = f"the rule cannot be placed in this series: {error}"
            raise ValueError(msg) from error
        entry = HistoryEntry(
            agent="person", iteration=len(self.versions), verdict=verdict, reason=request, figures=figures
        )
        self._save_version()
        self.rules[rule.id] = rule.model_copy(update={"history": [*rule.history, entry][-64:]})
        self.figures[rule.id] = figures
        return self.describe(self.rules[rule.id])

    def put_bank(self, bank: RuleBank) -> None:
        """Put the rules of a mined bank on the desk; they replace rules with the same ids."""
        self._save_version()
        self.period = bank.context.period
        for cached in ("context", "hosts"):  # they depend on the period
            self.__dict__.pop(cached, None)
        for rule in bank.rules:
            self.rules[rule.id] = rule
            self.figures[rule.id] = next((entry.figures for entry in reversed(rule.history) if entry.figures), {})

    def drop(self, rule_id: str) -> None:
        """Take a rule off the desk; it can be restored."""
        self.get(rule_id)
        self._save_version()
        self.dropped[rule_id] = self.rules.pop(rule_id)

    def describe(self, rule: Rule) -> dict[str, Any]:
        """Return the summary of a rule that the tools report."""
        failed = {name: self.figures[rule.id][name] for name in self.failed_figures(rule.id)}
        return {
            "rule": rule.id,
            "mechanism": rule.mechanism,
            "morphology": rule.morphology,
            "size": f"{rule.scale.low:.3g} to {rule.scale.high:.3g} {UNITS[rule.scale.unit]}",
            "length": f"{rule.duration.low:.3g} to {rule.duration.high:.3g} {UNITS[rule.duration.unit]}",
            "gradual": rule.creep is not None,
            "where": self._bounds(rule.context),
            "weight": rule.weight,
            "passes": not failed,
            "fails": {name: f"{value:.2f}, {THRESHOLDS[name].meaning}" for name, value in failed.items()},
            "asked_for": [entry.reason for entry in rule.history if entry.agent == "person"],
        }

    def failed_figures(self, rule_id: str) -> list[str]:
        """Return the names of the figures that fail their thresholds."""
        return failures(self.figures[rule_id])

    def bank(self) -> RuleBank:
        """Return the rules that pass their check, as a Rule Bank."""
        passing = [rule for rule in self.rules.values() if not self.failed_figures(rule.id)]
        by_person = sum(any(entry.agent == "person" for entry in rule.history) for rule in passing)
        bank = RuleBank(
            scenario=" ".join((self.workbench.series.text or "").split())[:2000],
            rules=passing,
            context=self.context,
            seed=self.seed,
            ended=f"{len(passing)} rules, {by_person} of them added or changed by a person",
        )
        return RuleBank.model_validate_json(bank.to_json())

    def _bounds(self, prior: ContextualPrior) -> dict[str, Any]:
        """Return what bounds a rule in place and time, without the defaults."""
        bounds = prior.model_dump(exclude_defaults=True, exclude={"spread"})
        if set(prior.channels) == {channel.name for channel in self.context.channels}:
            bounds.pop("channels", None)
        return bounds

    def _save_version(self) -> None:
        self.versions = [*self.versions, list(self.rules.values())][-MAX_VERSIONS:]


def desk_tools(desk: Desk) -> list[BaseTool]:
    """Return the tools that work on the rules of a desk."""
    artefacts = desk.workbench.artefacts

    @agent_tool
    def list_rules() -> dict[str, Any]:
        """List all rules with their size, length and place, and whether each passes its check."""
        return {"rules": [desk.describe(rule) for rule in desk.rules.values()], "dropped": list(desk.dropped)}

    @agent_tool
    def add_rule(draft: RuleDraft, asked: Asked) -> dict[str, Any]:
        """Add a rule that the person asks for, and check it."""
        if draft.id in desk.rules:
            msg = f"a rule '{draft.id}' exists already; change it, or choose another id"
            raise ValueError(msg)
        rule = draft.to_rule()
        if rule.relational and len(desk.context.channels) == 1:
            msg = "this operator relates channels, and the series has only one"
            raise ValueError(msg)
        return desk.put(rule, asked, "proposed")

    @agent_tool
    def change_rule(
        rule_id: RuleId,
        asked: Asked,
        size: Factor = 1.0,
        length: Factor = 1.0,
        weight: Factor = 1.0,
        gradual: Annotated[bool | None, Field(description="whether the anomaly builds up slowly")] = None,
        hours: Annotated[Range | None, Field(description="hours of the day of its begin; 22 to 30: 22 to 6 h")] = None,
        level: Annotated[list[Tercile] | None, Field(description="terciles of the value at its begin")] = None,
        activity: Annotated[list[Tercile] | None, Field(description="terciles of the activity at its begin")] = None,
        channels: Annotated[list[str] | None, Field(description="channels in which it may occur")] = None,
        anywhere: Annotated[bool, Field(description="first remove all bounds on place and time")] = False,
    ) -> dict[str, Any]:
        """Change a rule as the person asks, and check it again. Fields that are not given stay unchanged."""
        rule = desk.get(rule_id)
        if hours is not None and desk.context.first_hour is None:
            msg = "the series has no times of day, so a rule cannot be bound to hours"
            raise ValueError(msg)
        if unknown := set(channels or ()) - {channel.name for channel in desk.context.channels}:
            msg = f"no channel '{min(unknown)[:80]}'"
            raise ValueError(msg)
        given = {"hours": hours, "level": level, "activity": activity, "channels": channels}
        bounds = ContextualPrior(spread=rule.context.spread) if anywhere else rule.context
        scale, duration = rule.scale, rule.duration
        changed = rule.model_copy(
            update={
                "scale": ScalePrior(low=size * scale.low, high=size * scale.high, unit=scale.unit),
                "duration": DurationPrior(low=length * duration.low, high=length * duration.high, unit=duration.unit),
                "weight": min(max(weight * rule.weight, 0.001), 100.0),
                "creep": rule.creep if gradual is None else GRADUAL if gradual else None,
                "context": bounds.model_copy(update={k: v for k, v in given.items() if v is not None}),
            }
        )
        return desk.put(changed, asked, "revise")

    @agent_tool
    def drop_rule(rule_id: RuleId, asked: Asked) -> dict[str, Any]:
        """Drop a rule that the person rejects; restore_rule brings it back."""
        desk.drop(rule_id)
        return {"dropped": rule_id, "left": list(desk.rules)}

    @agent_tool
    def restore_rule(rule_id: RuleId, asked: Asked) -> dict[str, Any]:
        """Restore a dropped rule, and check it again."""
        if rule_id not in desk.dropped:
            msg = f"'{rule_id[:40]}' is not a dropped rule; dropped rules: {', '.join(desk.dropped) or 'none'}"
            raise ValueError(msg)
        description = desk.put(desk.dropped[rule_id], asked, "revise")
        del desk.dropped[rule_id]
        return description

    @agent_tool
    def show_examples(rule_id: RuleId, count: Annotated[int, Field(ge=1, le=MAX_EXAMPLES)] = 6) -> dict[str, Any]:
        """Draw pseudo-anomalies of a rule in red over their host windows in grey."""
        examples = sample_examples(desk.get(rule_id), desk.context, desk.hosts, desk.seed, count)
        return {
            "rule": rule_id,
            "count": count,
            "artefact": artefacts.put_bytes(draw_examples(examples, desk.workbench.time), ".png"),
        }

    @agent_tool
    def why_rule(rule_id: RuleId) -> dict[str, Any]:
        """Return the evidence of a rule and all decisions about it."""
        rule = desk.rules.get(rule_id) or desk.dropped.get(rule_id) or desk.get(rule_id)
        return {
            "rule": rule.id,
            "note": rule.note,
            "evidence": [item.model_dump(exclude_defaults=True) for item in rule.evidence],
            "history": [entry.model_dump(exclude={"figures"}) for entry in rule.history],
            "figures": desk.figures.get(rule.id, {}),
        }

    @agent_tool
    def compare_banks(
        version: Annotated[int, Field(ge=0, description="number of changes before that version; 0 is the first")],
    ) -> dict[str, Any]:
        """Compare the present rules with an earlier version of them."""
        if version >= len(desk.versions):
            known = f"give 0 to {len(desk.versions) - 1}" if desk.versions else "nothing was changed yet"
            msg = f"there is no version {version}: {known}"
            raise ValueError(msg)
        before = {rule.id: rule for rule in desk.versions[version]}
        changes = {rule: _changes(before[rule], desk.rules[rule]) for rule in desk.rules if rule in before}
        return {
            "new": [rule for rule in desk.rules if rule not in before],
            "gone": [rule for rule in before if rule not in desk.rules],
            "changed": {rule: fields for rule, fields in changes.items() if fields},
        }

    return [list_rules, add_rule, change_rule, drop_rule, restore_rule, show_examples, why_rule, compare_banks]


def _changes(before: Rule, now: Rule) -> dict[str, list[Any]]:
    """Return the fields that differ, each with its old and new value."""
    old, new = (rule.model_dump(exclude={"history", "evidence", "note"}) for rule in (before, now))
    return {name: [old[name], new[name]] for name in new if old[name] != new[name]}
