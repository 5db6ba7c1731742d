"""The desk: the working set of rules in a conversation. `ape.graphs.desk_tools` are the tools that work on it.

A new or changed rule goes through the same check as a mined one. A rule that fails stays on the desk, where it can be
changed, but does not enter the bank. Benign rules only need a place in the series. The person's words are recorded in
the history of the rule.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ape.monitor import duration_text
from ape.rules import Context, Rule, RuleBank, RuleDraft, build_context
from ape.rules.check import THRESHOLDS, discriminability, failures
from ape.rules.hosts import Hosts, draw_hosts
from ape.rules.naming import named_channels
from ape.rules.schema import ContextualPrior, DurationPrior, HistoryEntry, Range, SentenceUse
from ape.tools.workbench import Workbench

MAX_VERSIONS = 50  # earlier versions of the desk that are stored

UNITS = {
    "series_sd": "standard deviations of the series",
    "residual_sd": "standard deviations of its residual",
    "data": "in the unit of the data",
}


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
    benign : list of str
        Ids of the rules that describe what is normal, present and dropped ones.
    sentences : list of SentenceUse
        What mining made of each sentence of the text.
    """

    workbench: Workbench
    seed: int
    period: int | None = None
    rules: dict[str, Rule] = field(default_factory=dict)
    dropped: dict[str, Rule] = field(default_factory=dict)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: list[list[Rule]] = field(default_factory=list)
    benign: list[str] = field(default_factory=list)
    sentences: list[SentenceUse] = field(default_factory=list)

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
        figures = self._measured(rule)
        entry = HistoryEntry(
            agent="person", iteration=len(self.versions), verdict=verdict, reason=request, figures=figures
        )
        self._save_version()
        self.rules[rule.id] = rule.model_copy(update={"history": [*rule.history, entry][-64:]})
        self.figures[rule.id] = figures
        return self.describe(self.rules[rule.id])

    def put_benign(self, draft: RuleDraft, request: str) -> dict[str, Any]:
        """Put a benign rule on the desk with the person's request, and return its description."""
        rule = self.new_rule(draft)
        self.benign = [*self.benign, rule.id]
        try:
            return self.put(rule, request, "proposed")
        except ValueError:
            self.benign.remove(rule.id)
            raise

    def new_rule(self, draft: RuleDraft) -> Rule:
        """Return a draft as a rule; raise a `ValueError` if its id is taken, or if it needs more channels."""
        if draft.id in self.rules:
            msg = f"a rule '{draft.id}' exists already; change it, or choose another id"
            raise ValueError(msg)
        rule = draft.to_rule()
        if rule.relational and len(self.context.channels) == 1:
            msg = "this operator relates channels, and the series has only one"
            raise ValueError(msg)
        self.require_names(rule.context.channels, rule.context.groups)
        self.require_clock(rule.context)
        return rule

    def require_names(self, channels: Collection[str], groups: Collection[str]) -> None:
        """Raise a `ValueError` if the series has no such channels or no such groups of channels."""
        if unknown := set(channels) - {channel.name for channel in self.context.channels}:
            msg = f"no channel '{min(unknown)[:80]}'"
            raise ValueError(msg)
        known = sorted(group.name for group in self.context.groups)
        if unknown := set(groups) - set(known):
            msg = f"no group '{min(unknown)[:80]}'; groups: {', '.join(known)[:200] or 'none'}"
            raise ValueError(msg)

    def put_bank(self, bank: RuleBank) -> None:
        """Put the rules of a mined bank on the desk; they replace rules with the same ids."""
        self._save_version()
        self.period = bank.context.period
        for cached in ("context", "hosts"):  # they depend on the period
            self.__dict__.pop(cached, None)
        self.benign = [*self.benign, *(rule.id for rule in bank.benign if rule.id not in self.benign)]
        self.sentences = bank.sentences
        for rule in (*bank.rules, *bank.benign):
            self.rules[rule.id] = rule
            self.figures[rule.id] = next((entry.figures for entry in reversed(rule.history) if entry.figures), {})

    def drop(self, rule_id: str) -> None:
        """Take a rule off the desk; it can be restored."""
        self.get(rule_id)
        self._save_version()
        self.dropped[rule_id] = self.rules.pop(rule_id)

    def undo(self) -> dict[str, Any]:
        """Go back to the rules before the last change; rules that go are dropped and can be restored."""
        if not self.versions:
            msg = "there is nothing to undo"
            raise ValueError(msg)
        *earlier, last = self.versions
        now = self.rules
        self.versions, self.rules = earlier, {rule.id: rule for rule in last}
        known = {**self.dropped, **now}
        self.dropped = {rule_id: rule for rule_id, rule in known.items() if rule_id not in self.rules}
        return difference(now, self.rules) | {"left": list(self.rules)}

    def describe(self, rule: Rule) -> dict[str, Any]:
        """Return the summary of a rule that the tools report."""
        failed = {name: self.figures[rule.id][name] for name in self.failed_figures(rule.id)}
        return {
            "rule": rule.id,
            "benign": rule.id in self.benign,
            "mechanism": rule.mechanism,
            "morphology": rule.morphology,
            "size": f"{rule.scale.low:.3g} to {rule.scale.high:.3g} {UNITS[rule.scale.unit]}",
            "length": self.length_text(rule.duration),
            "gradual": rule.creep is not None,
            "where": self._bounds(rule.context),
            "weight": rule.weight,
            "passes": not failed,
            "fails": {name: f"{value:.2f}, {THRESHOLDS[name].meaning}" for name, value in failed.items()},
            "asked_for": [entry.reason for entry in rule.history if entry.agent == "person"],
        }

    def length_text(self, duration: DurationPrior) -> str:
        """Return a length in samples or in cycles, if there are any, and in time, if the step is known."""
        low, high = duration.low, duration.high
        cycle = self.context.cycle if duration.unit == "periods" else 1
        points = max(round(low * cycle), 1), max(round(high * cycle), 1)
        in_cycles = duration.unit == "periods" and self.context.period is not None
        text = f"{low:.3g} to {high:.3g} cycles" if in_cycles else f"{points[0]} to {points[1]} samples"
        step = self.workbench.series.step
        if step is None:
            return text
        first, last = (duration_text(each * step) for each in points)
        return f"{text} ({first if first == last else f'{first} to {last}'})"

    def normal_then(self, draft: RuleDraft) -> list[Rule]:
        """Return the benign rules for the hours of a draft, of any kind, in one of its channels."""
        hours, channels = draft.context.hours, set(named_channels(draft.context, self.context))
        if hours is None:
            return []
        return [
            rule
            for rule in (self.rules[each] for each in self.benign if each in self.rules)
            if rule.context.hours is not None
            and _overlap(rule.context.hours, hours)
            and (not channels or not (named := named_channels(rule.context, self.context)) or channels & set(named))
        ]

    def failed_figures(self, rule_id: str) -> list[str]:
        """Return the names of the figures that fail their thresholds; benign rules need none."""
        return [] if rule_id in self.benign else failures(self.figures[rule_id])

    def bank(self) -> RuleBank:
        """Return the rules that pass their check, as a Rule Bank."""
        benign = [rule for rule in self.rules.values() if rule.id in self.benign]
        passing = [rule for rule in self.rules.values() if rule not in benign and not self.failed_figures(rule.id)]
        by_person = sum(any(entry.agent == "person" for entry in rule.history) for rule in passing)
        bank = RuleBank(
            scenario=" ".join((self.workbench.series.text or "").split())[:2000],
            rules=passing,
            benign=benign,
            sentences=self.sentences,
            context=self.context,
            seed=self.seed,
            ended=f"{len(passing)} rules, {by_person} of them added or changed by a person",
        )
        return RuleBank.model_validate_json(bank.to_json())

    def _measured(self, rule: Rule) -> dict[str, float]:
        """Return the figures of a rule; raise a `ValueError` if it has no place in this series."""
        normal = {rule.id, *self.benign}
        others = [each for each in self.rules.values() if each.id not in normal and not self.failed_figures(each.id)]
        try:
            figures = discriminability([rule], others, self.context, self.hosts, self.seed)[rule.id]
        except ValueError as error:
            msg = f"the rule cannot be placed in this series: {error}"
            raise ValueError(msg) from error
        if rule.id in self.benign and not THRESHOLDS["placed"].passes(figures["placed"]):
            msg = "there is no such place in the training part: other hours, days or channels are needed"
            raise ValueError(msg)
        return figures

    def require_clock(self, prior: ContextualPrior) -> None:
        """Raise a `ValueError` if a prior needs times of day and the series has none."""
        if (prior.hours is not None or prior.weekdays) and self.context.first_hour is None:
            msg = "the series has no times of day, so a rule cannot be bound to hours or days"
            raise ValueError(msg)

    def _bounds(self, prior: ContextualPrior) -> dict[str, Any]:
        """Return what bounds a rule in place and time, without the defaults."""
        bounds = prior.model_dump(exclude_defaults=True, exclude={"spread"})
        if set(prior.channels) == {channel.name for channel in self.context.channels}:
            bounds.pop("channels", None)
        return bounds

    def _save_version(self) -> None:
        self.versions = [*self.versions, list(self.rules.values())][-MAX_VERSIONS:]


def _overlap(one: Range, other: Range) -> bool:
    """Return whether two ranges of hours of the day have a time in common; those after midnight are above 24."""
    return any(one.low + day < other.high and other.low < one.high + day for day in (-24, 0, 24))


def difference(before: dict[str, Rule], now: dict[str, Rule]) -> dict[str, Any]:
    """Return which rules are new, gone and changed."""
    changes = {rule: _changes(before[rule], now[rule]) for rule in now if rule in before}
    return {
        "new": [rule for rule in now if rule not in before],
        "gone": [rule for rule in before if rule not in now],
        "changed": {rule: fields for rule, fields in changes.items() if fields},
    }


def _changes(before: Rule, now: Rule) -> dict[str, list[Any]]:
    """Return the fields that differ, each with its old and new value."""
    old, new = (rule.model_dump(exclude={"history", "evidence", "note"}) for rule in (before, now))
    return {name: [old[name], new[name]] for name in new if old[name] != new[name]}
