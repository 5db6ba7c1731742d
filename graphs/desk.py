"""A bank on the desk while people talk about it: tools that list, add, change, drop, draw and compare its rules.

What a person asked for is written into the rule's history, and every changed rule goes through the same check as a
mined one; one that fails stays on the desk, where it can be mended, but is no part of the bank.
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
MOST_EXAMPLES = 30
VERSIONS = 50  # earlier states that are kept

UNITS = {
    "series_sd": "standard deviations of the series",
    "residual_sd": "standard deviations of its fine scatter",
    "data": "in the data's unit",
    "periods": "cycles",
    "samples": "samples",
}

RuleId = Annotated[str, Field(max_length=40, description="id of a rule, as list_rules names it")]
Factor = Annotated[float, Field(gt=0, le=20, description="what to multiply it by")]
Asked = Annotated[str, Field(max_length=400, description="what the person said, verbatim")]


@dataclass
class Desk:
    """Rules that are being talked about, in order, with the figures of their last check.

    Parameters
    ----------
    workbench : Workbench
    seed : int
    period : int, optional
        Of the series, where mining found one; by default the dominant one.
    rules, dropped : dict of str to Rule
    figures : dict
        Of each rule's last check.
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
        """What placing rules in the series needs."""
        return build_context(self.workbench.series, self.period)

    @cached_property
    def hosts(self) -> Hosts:
        """Held-out windows that rules are checked on."""
        return draw_hosts(self.workbench.series, self.context, self.seed)

    def failed(self, rule_id: str) -> list[str]:
        """Figures of a rule's check that do not pass."""
        return failures(self.figures[rule_id])

    def bank(self) -> RuleBank:
        """The rules that pass their check."""
        passing = [rule for rule in self.rules.values() if not self.failed(rule.id)]
        asked = sum(any(event.agent == "person" for event in rule.history) for rule in passing)
        bank = RuleBank(
            scenario=" ".join((self.workbench.series.text or "").split())[:2000],
            rules=passing,
            context=self.context,
            seed=self.seed,
            ended=f"{len(passing)} rules, {asked} of them asked for or changed in conversation",
        )
        return RuleBank.model_validate_json(bank.to_json())

    def put(self, rule: Rule, asked: str, verdict: Literal["proposed", "revise"]) -> dict[str, Any]:
        """Lay a new or changed rule on the desk, check it, and write down who asked for it."""
        others = [other for other in self.rules.values() if other.id != rule.id and not self.failed(other.id)]
        try:
            figures = discriminability([rule], others, self.context, self.hosts, self.seed)[rule.id]
        except ValueError as error:
            msg = f"it cannot be placed in this series: {error}"
            raise ValueError(msg) from error
        event = HistoryEntry(
            agent="person", iteration=len(self.versions), verdict=verdict, reason=asked, figures=figures
        )
        self._remember()
        self.rules[rule.id] = rule.model_copy(update={"history": [*rule.history, event][-64:]})
        self.figures[rule.id] = figures
        return self.told(self.rules[rule.id])

    def told(self, rule: Rule) -> dict[str, Any]:
        """A rule as the conversation speaks of it."""
        failed = {name: self.figures[rule.id][name] for name in self.failed(rule.id)}
        return {
            "rule": rule.id,
            "mechanism": rule.mechanism,
            "morphology": rule.morphology,
            "size": f"{rule.scale.low:.3g} to {rule.scale.high:.3g} {UNITS[rule.scale.unit]}",
            "length": f"{rule.duration.low:.3g} to {rule.duration.high:.3g} {UNITS[rule.duration.unit]}",
            "gradual": rule.creep is not None,
            "where": self._where(rule.context),
            "weight": rule.weight,
            "passes": not failed,
            "fails": {name: f"{value:.2f}, {THRESHOLDS[name].meaning}" for name, value in failed.items()},
            "asked_for": [event.reason for event in rule.history if event.agent == "person"],
        }

    def of(self, rule_id: str) -> Rule:
        """A rule on the desk; a `ValueError` that lists them where there is none."""
        if rule_id not in self.rules:
            msg = f"no rule '{rule_id[:40]}'; there are: {', '.join(self.rules) or 'none yet'}"
            raise ValueError(msg)
        return self.rules[rule_id]

    def drop(self, rule_id: str) -> None:
        """Take a rule off the desk; it can be restored."""
        self.of(rule_id)
        self._remember()
        self.dropped[rule_id] = self.rules.pop(rule_id)

    def take(self, bank: RuleBank) -> None:
        """Lay the rules of a mined bank on the desk, each with its last figures; those of the same id are replaced."""
        self._remember()
        self.period = bank.context.period
        for measured in ("context", "hosts"):  # by that period from now on
            self.__dict__.pop(measured, None)
        for rule in bank.rules:
            self.rules[rule.id] = rule
            self.figures[rule.id] = next((e.figures for e in reversed(rule.history) if e.figures), {})

    def _where(self, bounds: ContextualPrior) -> dict[str, Any]:
        """What bounds a rule, without what every rule of this series has."""
        named = bounds.model_dump(exclude_defaults=True, exclude={"spread"})
        if set(bounds.channels) == {channel.name for channel in self.context.channels}:
            named.pop("channels", None)
        return named

    def _remember(self) -> None:
        self.versions = [*self.versions, list(self.rules.values())][-VERSIONS:]


def desk_tools(desk: Desk) -> list[BaseTool]:
    """Tools over the rules on a desk."""
    artefacts = desk.workbench.artefacts

    @agent_tool
    def list_rules() -> dict[str, Any]:
        """All rules on the desk, with sizes, lengths, places, and whether each passes its check."""
        return {"rules": [desk.told(rule) for rule in desk.rules.values()], "dropped": list(desk.dropped)}

    @agent_tool
    def add_rule(draft: RuleDraft, asked: Asked) -> dict[str, Any]:
        """Lay a new rule on the desk, because a person asked for it, and check it."""
        if draft.id in desk.rules:
            msg = f"there is a rule '{draft.id}' already; change it, or choose another id"
            raise ValueError(msg)
        rule = draft.to_rule()
        if rule.relational and len(desk.context.channels) == 1:
            msg = "this operator changes how channels go together, and there is one channel only"
            raise ValueError(msg)
        return desk.put(rule, asked, "proposed")

    @agent_tool
    def change_rule(
        rule_id: RuleId,
        asked: Asked,
        size: Factor = 1.0,
        length: Factor = 1.0,
        weight: Factor = 1.0,
        gradual: Annotated[bool | None, Field(description="whether it builds up slowly")] = None,
        hours: Annotated[Range | None, Field(description="of the day when it begins; [22, 30] is 22 to 6 h")] = None,
        level: Annotated[list[Tercile] | None, Field(description="of the value when it begins")] = None,
        activity: Annotated[list[Tercile] | None, Field(description="how lively the series is when it begins")] = None,
        channels: Annotated[list[str] | None, Field(description="where it may happen")] = None,
        anywhere: Annotated[bool, Field(description="forget all bounds on place and time first")] = False,
    ) -> dict[str, Any]:
        """Change a rule as a person asks, and check it again. What is not named stays as it is."""
        rule = desk.of(rule_id)
        if hours is not None and desk.context.first_hour is None:
            msg = "the series has no times of day, so that no rule can be bound to hours"
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
        """Take a rule off the desk, because a person rejects it."""
        desk.drop(rule_id)
        return {"dropped": rule_id, "left": list(desk.rules)}

    @agent_tool
    def restore_rule(rule_id: RuleId, asked: Asked) -> dict[str, Any]:
        """Put a dropped rule back, and check it again."""
        if rule_id not in desk.dropped:
            msg = f"'{rule_id[:40]}' was not dropped; dropped are: {', '.join(desk.dropped) or 'none'}"
            raise ValueError(msg)
        return desk.put(desk.dropped.pop(rule_id), asked, "revise")

    @agent_tool
    def show_examples(rule_id: RuleId, count: Annotated[int, Field(ge=1, le=MOST_EXAMPLES)] = 6) -> dict[str, Any]:
        """Picture of anomalies that a rule generates, red, over normal windows of the series, grey."""
        made = sample_examples(desk.of(rule_id), desk.context, desk.hosts, desk.seed, count)
        return {"rule": rule_id, "count": count, "artefact": artefacts.put_bytes(draw_examples(*made), ".png")}

    @agent_tool
    def why_rule(rule_id: RuleId) -> dict[str, Any]:
        """What a rule rests on, and everything that was decided of it."""
        rule = desk.rules.get(rule_id) or desk.dropped.get(rule_id) or desk.of(rule_id)
        return {
            "rule": rule.id,
            "note": rule.note,
            "evidence": [item.model_dump(exclude_defaults=True) for item in rule.evidence],
            "history": [event.model_dump(exclude={"figures"}) for event in rule.history],
            "figures": desk.figures.get(rule.id, {}),
        }

    @agent_tool
    def compare_banks(
        version: Annotated[int, Field(ge=0, description="how many changes were made until then; 0 is the beginning")],
    ) -> dict[str, Any]:
        """How the rules now differ from those after an earlier number of changes."""
        if version >= len(desk.versions):
            msg = f"{len(desk.versions)} changes were made; give 0 to {len(desk.versions) - 1}"
            raise ValueError(msg)
        before = {rule.id: rule for rule in desk.versions[version]}
        both = before.keys() & desk.rules.keys()
        return {
            "new": [rule for rule in desk.rules if rule not in before],
            "gone": [rule for rule in before if rule not in desk.rules],
            "changed": {rule: _changes(before[rule], desk.rules[rule]) for rule in desk.rules if rule in both
                        and _changes(before[rule], desk.rules[rule])},
        }  # fmt: skip

    return [list_rules, add_rule, change_rule, drop_rule, restore_rule, show_examples, why_rule, compare_banks]


def _changes(before: Rule, now: Rule) -> dict[str, list[Any]]:
    """Fields of a rule with what they were and are."""
    old, new = (rule.model_dump(exclude={"history", "evidence", "note"}) for rule in (before, now))
    return {name: [old[name], new[name]] for name in new if old[name] != new[name]}
