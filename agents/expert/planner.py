"""The embedded planner: weighs evidence for kinds of rules, tries and sizes drafts, revises what the critic names."""

from __future__ import annotations

import re
from typing import Any

from ape.agents.expert.candidates import STRONG_END
from ape.agents.expert.choosing import NAMED, chosen
from ape.agents.expert.drafting import draft_of
from ape.agents.expert.lexicon import hints
from ape.agents.expert.quantities import sampling_step
from ape.agents.expert.reading import Transcript
from ape.agents.records import Hint, Plan, Proposal
from ape.rules import OPERATORS, RuleDraft
from ape.rules.schema import DurationPrior, Evidence, Parameter, ScalePrior, Step

MOST_RULES = 8
LEAST_WEIGHT = 0.05
LEAST_SIZE = 0.05  # of the largest
MAX_READS = 5
MOST_HINTS = 16
LOGGED, ROUTINE = 0.7, 0.3  # strength of what a log says once and often, against a manual


def next_calls(seen: Transcript) -> list[tuple[str, dict[str, Any]]]:
    """Tools to call next."""
    task = seen.task.get("task")
    if task == "plan":
        if not seen.results:
            return [("describe_series", {}), ("read_text", {"first_line": 1}), ("log_templates", {})]
        reads = seen.all("read_text")
        if reads and reads[-1].value.get("more") and len(reads) < MAX_READS:
            return [("read_text", {"first_line": reads[-1].value["lines"][-1]["line"] + 1})]
    elif (task == "propose" or seen.task.get("missing")) and not seen.called("try_rule"):
        if not seen.called("describe_series"):
            return [("describe_series", {})]
        return [("try_rule", {"draft": draft.model_dump(mode="json")}) for draft in _drafts(seen)]
    return []


def plan(seen: Transcript) -> Plan:
    """What the scenario is, which channels to study, and what the text hints at."""
    described = next((result.value for result in seen.all("describe_series")), {})
    lines = [(line["line"], line["text"]) for result in seen.all("read_text") for line in result.value["lines"]]
    names = list(described.get("channels", []))
    spread = described.get("relative_spread", [0.0] * len(names))
    order = sorted(range(len(names)), key=lambda i: -(spread[i] or 0.0))
    told = hints([line for line in lines if not _describes(line[1], names)], names)
    told = sorted([*told, *_logged(seen, names)], key=lambda hint: -hint.strength)[:MOST_HINTS]
    blamed = [name for hint in told for name in hint.channels]
    mentioned = [name for name in names if any(name.lower() in text.lower() for _, text in lines)]
    channels = list(dict.fromkeys([*blamed, *mentioned, *(names[i] for i in order)]))[:4] if len(names) > 1 else names
    about = next((text.strip() for _, text in lines if text.strip()), "A series without a description")
    points = described.get("training_points")
    step = described.get("step_seconds") or sampling_step(" ".join(text for _, text in lines))
    clock = f", one sample every {step:g} s" if step else ""
    count = f"{len(names)} channel{'' if len(names) == 1 else 's'}"
    return Plan(
        rationale=f"text and log give {len(told)} hints; studying {', '.join(channels)[:200]}",
        scenario=f"{about[:280]} ({points} training points, {count}{clock})",
        channels=channels or ["value"],
        step_seconds=step,
        hints=told,
    )


def _logged(seen: Transcript, channels: list[str]) -> list[Hint]:
    """Hints of the first line of each of the log's templates; a log tells of much that is no failure here."""
    kinds = [entry for result in seen.all("log_templates") for entry in result.value["templates"]]
    return [
        hint.model_copy(update={"strength": (LOGGED if entry["rare"] else ROUTINE) * hint.strength})
        for entry in kinds
        for hint in hints([(entry["line"], entry["example"])], channels, "log")
    ]


def _describes(line: str, channels: list[str]) -> bool:
    """Whether a line says what a channel is."""
    return any(re.match(rf"\s*[-*]?\s*{re.escape(name)}\s*[:=(]", line, re.IGNORECASE) for name in channels)


def propose_or_revise(seen: Transcript) -> Proposal:
    """New rules for the task "propose", changed ones for "revise"."""
    return _revise(seen) if seen.task.get("task") == "revise" else _propose(seen)


def _propose(seen: Transcript) -> Proposal:
    drafts = _tried(seen)
    listed = ", ".join(f"{draft.id} {draft.weight:.2f}" for draft in drafts)
    return Proposal(rationale=f"evidence in favour, best first: {listed}"[:600], rules=drafts)


def _tried(seen: Transcript) -> list[RuleDraft]:
    """New drafts, sized by their trials."""
    trials = {result.value["rule"]: result for result in seen.all("try_rule")}
    return [
        draft if draft.id not in trials else _sized(draft, trials[draft.id].value, trials[draft.id].evidence)
        for draft in _drafts(seen)
    ]


def _drafts(seen: Transcript) -> list[RuleDraft]:
    """Drafts of what the evidence speaks for, or of another way to what is missing; the first weighs most."""
    missing = seen.task.get("missing")
    choices = chosen(seen, MOST_RULES, without=seen.task.get("tried", ()))
    if missing is not None:
        named = [choice for choice in choices if choice.mechanism in missing]
        choices = list({choice.mechanism: choice for choice in reversed(named)}.values())
    drafts: list[RuleDraft] = []
    for choice in choices:
        score = choice.score if missing is None else choice.score - NAMED  # a second try comes after all first ones
        weight = min([score, *(draft.weight for draft in drafts)])
        drafts.append(draft_of(seen, choice, max(weight, LEAST_WEIGHT)))
    return drafts


def _sized(draft: RuleDraft, trial: dict[str, Any], evidence: str) -> RuleDraft:
    """Size a draft by its trial: where an operator sets its own size, the scale prior says what came out."""
    scale = draft.scale
    if not OPERATORS[draft.program[0].operator].additive and trial["realised_high"]:
        low, high = float(trial["realised_low"]), float(trial["realised_high"])
        scale = ScalePrior(low=max(low, LEAST_SIZE * high), high=high, unit=scale.unit)
    note = f"; tried: peak {trial['realised_scale']} {scale.unit}, {trial['realised_duration']} samples"
    return draft.model_copy(
        update={
            "scale": scale,
            "note": (draft.note + note)[:400],
            "evidence": [*draft.evidence, Evidence(kind="tool", id=evidence, quote="trial")],
        }
    )


def _revise(seen: Transcript) -> Proposal:
    drafts = []
    for item in seen.task.get("rules", []):
        draft = RuleDraft.model_validate(item["rule"]).model_copy(update={"note": ""})
        for change in item["changes"]:
            draft = _changed(draft, change["field"], float(change["factor"]))
        drafts.append(draft)
    others = _tried(seen) if seen.task.get("missing") else []
    told = f"{len(drafts)} rules revised as the critic asked"
    told += f"; {', '.join(draft.id for draft in others)} for what was missing" if others else ""
    return Proposal(rationale=told[:600], rules=[*drafts, *others])


def _changed(draft: RuleDraft, field: str, factor: float) -> RuleDraft:
    told = f"{field} times {factor:.2g}"
    if field == "scale":
        step = draft.program[0]
        low, high = draft.scale.low * factor, draft.scale.high * factor
        update: dict[str, Any] = {"scale": ScalePrior(low=low, high=high, unit=draft.scale.unit)}
        if factor > 1 and not OPERATORS[step.operator].additive:
            update["program"] = [_stronger(step), *draft.program[1:]]
            told += ", parameters towards their strong end"
    elif field == "duration" or field == "border":  # a longer segment has a longer fade
        duration = draft.duration
        update = {"duration": DurationPrior(low=duration.low * factor, high=duration.high * factor, unit=duration.unit)}
    else:
        told = "bound to no phase or regime any more"
        update = {"context": draft.context.model_copy(update={"phase": None, "level": [], "activity": []})}
    return draft.model_copy(update={**update, "note": "; ".join(filter(None, [draft.note, told]))[:400]})


def _stronger(step: Step) -> Step:
    """Move each parameter's weak end half way to its strong end."""
    given = {parameter.name: (parameter.low, parameter.high) for parameter in step.parameters}
    moved = []
    for name, bounds in OPERATORS[step.operator].parameters.items():
        low, high = given.get(name, bounds.default)
        end = STRONG_END.get((step.operator, name))
        if end == "high":
            low = (low + high) / 2
        elif end == "low":
            high = (low + high) / 2
        moved.append(Parameter(name=name, low=low, high=high))
    return Step(operator=step.operator, parameters=moved)
