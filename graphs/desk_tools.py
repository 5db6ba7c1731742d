"""The tools that list, add, change, draw, compare and undo the rules of a desk."""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.tools import BaseTool
from pydantic import Field

from ape.agents.understanding.reading import read_statements
from ape.graphs.desk import Desk, difference
from ape.rules import RuleDraft
from ape.rules.schema import ContextualPrior, DurationPrior, Range, Tercile
from ape.tools.boundary import agent_tool
from ape.tools.preview import draw_examples, sample_examples

GRADUAL = Range(low=0.5, high=1.0)  # share of the duration over which a slow change builds up
MAX_EXAMPLES = 30
MAX_SENTENCES = 60  # in a tool result
TRIAL = "trial"  # id of a rule that is only drawn

RuleId = Annotated[str, Field(max_length=40, description="id of a rule, as listed by list_rules")]
Factor = Annotated[float, Field(gt=0, le=20, description="factor that multiplies the present value")]
Weekday = Annotated[int, Field(ge=0, le=6, description="0 is Monday")]
Asked = Annotated[str, Field(max_length=400, description="the person's words, verbatim")]


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
        return desk.put(desk.new_rule(draft), asked, "proposed")

    @agent_tool
    def add_benign_rule(draft: RuleDraft, asked: Asked) -> dict[str, Any]:
        """Add a rule of what looks unusual and is normal, as the person says; it counts from the next training on."""
        return desk.put_benign(draft, asked)

    @agent_tool
    def try_kind(draft: RuleDraft, count: Annotated[int, Field(ge=1, le=MAX_EXAMPLES)] = 6) -> dict[str, Any]:
        """Draw what a kind of failure would look like in this series, without adding a rule."""
        rule = desk.new_rule(draft.model_copy(update={"id": TRIAL}))
        examples = sample_examples(rule, desk.context, desk.hosts, desk.seed, count)
        picture = artefacts.put_bytes(draw_examples(examples, desk.workbench.time), ".png")
        return {"mechanism": rule.mechanism, "morphology": rule.morphology, "count": count, "artefact": picture}

    @agent_tool
    def change_rule(
        rule_id: RuleId,
        asked: Asked,
        size: Factor = 1.0,
        length: Factor = 1.0,
        samples: Annotated[Range | None, Field(description="new length in samples, instead of a factor")] = None,
        weight: Factor = 1.0,
        gradual: Annotated[bool | None, Field(description="whether the anomaly builds up slowly")] = None,
        hours: Annotated[Range | None, Field(description="hours of the day of its begin; 22 to 30: 22 to 6 h")] = None,
        weekdays: Annotated[list[Weekday] | None, Field(description="days of the week of its begin")] = None,
        level: Annotated[list[Tercile] | None, Field(description="terciles of the value at its begin")] = None,
        activity: Annotated[list[Tercile] | None, Field(description="terciles of the activity at its begin")] = None,
        channels: Annotated[list[str] | None, Field(description="channels in which it may occur")] = None,
        groups: Annotated[list[str] | None, Field(description="groups of channels, by name, in the same way")] = None,
        anywhere: Annotated[bool, Field(description="first remove all bounds on place and time")] = False,
    ) -> dict[str, Any]:
        """Change a rule as the person asks, and check it again. Fields that are not given stay unchanged."""
        rule = desk.get(rule_id)
        desk.require_names(channels or (), groups or ())
        given: dict[str, Any] = {"hours": hours, "weekdays": weekdays, "level": level, "activity": activity}
        if channels is not None or groups is not None:
            given |= {"channels": channels or [], "groups": groups or []}
        bounds = ContextualPrior(spread=rule.context.spread) if anywhere else rule.context
        scale, duration = rule.scale, rule.duration
        if samples is not None:
            duration = DurationPrior(low=max(samples.low, 1.0), high=max(samples.high, 1.0), unit="samples")
        changed = rule.model_copy(
            update={
                "scale": scale.model_copy(update={"low": size * scale.low, "high": size * scale.high}),
                "duration": DurationPrior(low=length * duration.low, high=length * duration.high, unit=duration.unit),
                "weight": min(max(weight * rule.weight, 0.001), 100.0),
                "creep": rule.creep if gradual is None else GRADUAL if gradual else None,
                "context": bounds.model_copy(update={k: v for k, v in given.items() if v is not None}),
            }
        )
        desk.require_clock(changed.context)
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
        return difference({rule.id: rule for rule in desk.versions[version]}, desk.rules)

    @agent_tool
    def undo() -> dict[str, Any]:
        """Undo the last change of the rules, whatever it was."""
        return desk.undo()

    @agent_tool
    def list_sentences() -> dict[str, Any]:
        """List what mining made of each sentence of the text, and the rules that cite it."""
        cited = {
            rule.id: [item.quote for item in rule.evidence if item.kind == "text"]
            for rule in desk.rules.values()
            if any(item.kind == "text" for item in rule.evidence)
        }
        uses = [use.model_dump(exclude_defaults=True) for use in desk.sentences[:MAX_SENTENCES]]
        return {"has_text": bool(desk.workbench.series.text), "rules": cited, "sentences": uses}

    @agent_tool
    def list_normal() -> dict[str, Any]:
        """List what counts as normal here: benign rules, and what the text says about normal behaviour."""
        return {
            "training": desk.workbench.span(0, desk.workbench.series.length),
            "benign": [desk.describe(rule) for rule in desk.rules.values() if rule.id in desk.benign],
            "said": said_to_be_normal(desk)[:MAX_SENTENCES],
            "mined": bool(desk.sentences),
        }

    return [
        list_rules,
        add_rule,
        add_benign_rule,
        change_rule,
        drop_rule,
        restore_rule,
        undo,
        show_examples,
        try_kind,
        why_rule,
        compare_banks,
        list_sentences,
        list_normal,
    ]


def said_to_be_normal(desk: Desk) -> list[str]:
    """Return the sentences of the text about what is normal: as mining took them, or as they read before it."""
    if desk.sentences:
        return [use.text for use in desk.sentences if use.use in ("normal", "benign")]
    series = desk.workbench.series
    lines = list(enumerate((series.text or "").splitlines(), 1))
    reading = read_statements(lines, list(series.channels), step_seconds=series.step)
    normal = [(remark.line, remark.quote) for remark in reading.remarks if remark.use == "normal"]
    benign = [(hint.line, hint.quote) for hint in reading.hints if hint.benign]
    return [text for _, text in sorted(dict.fromkeys([*normal, *benign]), key=lambda said: said[0])]
