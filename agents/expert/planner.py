"""The embedded planner: reads the scenario, proposes rules that the evidence supports, and revises them as asked."""

from __future__ import annotations

import re
from typing import Any

from ape.agents.expert.drafts import write_draft
from ape.agents.expert.rule_kinds import STRONG_END
from ape.agents.expert.selection import NAMED_SCORE, select
from ape.agents.expert.transcript import ToolCalls, Transcript
from ape.agents.records import Hint, Plan, Proposal
from ape.agents.understanding.hints import find_hints
from ape.agents.understanding.quantities import sampling_step
from ape.rules import OPERATORS, RuleDraft
from ape.rules.schema import DurationPrior, Evidence, Parameter, ScalePrior, Step

MOST_RULES = 8
LEAST_WEIGHT = 0.05
LEAST_SIZE = 0.05  # share of the largest size
MOST_READS = 5  # of the text
MOST_HINTS = 16
RARE_LINE, FREQUENT_LINE = 0.7, 0.3  # factors on the strength of a log's hints, relative to a text's


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return calls that read the scenario, or that try drafts."""
    task = transcript.task.get("task")
    if task == "plan":
        if not transcript.results:
            return [("describe_series", {}), ("read_text", {"first_line": 1}), ("log_templates", {})]
        reads = transcript.results_of("read_text")
        if reads and reads[-1].value.get("more") and len(reads) < MOST_READS:
            return [("read_text", {"first_line": reads[-1].value["lines"][-1]["line"] + 1})]
    elif (task == "propose" or transcript.task.get("missing")) and not transcript.called("try_rule"):
        if not transcript.called("describe_series"):
            return [("describe_series", {})]
        return [("try_rule", {"draft": draft.model_dump(mode="json")}) for draft in _drafts(transcript)]
    return []


def plan(transcript: Transcript) -> Plan:
    """Return a summary of the scenario, the channels to study, and the hints of text and log."""
    described = next((result.value for result in transcript.results_of("describe_series")), {})
    lines = [
        (line["line"], line["text"]) for result in transcript.results_of("read_text") for line in result.value["lines"]
    ]
    names = list(described.get("channels", []))
    spread = described.get("relative_spread", [0.0] * len(names))
    by_spread = sorted(range(len(names)), key=lambda i: -(spread[i] or 0.0))
    hints = find_hints([line for line in lines if not _describes_channel(line[1], names)], names)
    hints = sorted([*hints, *_log_hints(transcript, names)], key=lambda hint: -hint.strength)[:MOST_HINTS]
    affected = [name for hint in hints for name in hint.channels]
    mentioned = [name for name in names if any(name.lower() in text.lower() for _, text in lines)]
    order = [*affected, *mentioned, *(names[i] for i in by_spread)]
    channels = list(dict.fromkeys(order))[:4] if len(names) > 1 else names
    title = next((text.strip() for _, text in lines if text.strip()), "A series without a description")
    points = described.get("training_points")
    step = described.get("step_seconds") or sampling_step(" ".join(text for _, text in lines))
    clock = f", one sample every {step:g} s" if step else ""
    count = f"{len(names)} channel{'' if len(names) == 1 else 's'}"
    return Plan(
        rationale=f"text and log give {len(hints)} hints; channels to study: {', '.join(channels)[:200]}",
        scenario=f"{title[:280]} ({points} training points, {count}{clock})",
        channels=channels or ["value"],
        step_seconds=step,
        hints=hints,
    )


def _log_hints(transcript: Transcript, channels: list[str]) -> list[Hint]:
    """Hints in the example of each log template, weakened because most lines of a log report no failure."""
    templates = [entry for result in transcript.results_of("log_templates") for entry in result.value["templates"]]
    return [
        hint.model_copy(update={"strength": (RARE_LINE if entry["rare"] else FREQUENT_LINE) * hint.strength})
        for entry in templates
        for hint in find_hints([(entry["line"], entry["example"])], channels, "log")
    ]


def _describes_channel(line: str, channels: list[str]) -> bool:
    """Whether a line only explains a channel, as in ``flow: water per hour``."""
    return any(re.match(rf"\s*[-*]?\s*{re.escape(name)}\s*[:=(]", line, re.IGNORECASE) for name in channels)


def propose_or_revise(transcript: Transcript) -> Proposal:
    """Return new rules for the task "propose", changed ones for "revise"."""
    return _revise(transcript) if transcript.task.get("task") == "revise" else _propose(transcript)


def _propose(transcript: Transcript) -> Proposal:
    drafts = _tried_drafts(transcript)
    listed = ", ".join(f"{draft.id} {draft.weight:.2f}" for draft in drafts)
    return Proposal(rationale=f"rules by supporting evidence, best first: {listed}"[:600], rules=drafts)


def _tried_drafts(transcript: Transcript) -> list[RuleDraft]:
    """New drafts, with the sizes measured in their trials."""
    trials = {result.value["rule"]: result for result in transcript.results_of("try_rule")}
    return [
        draft if draft.id not in trials else _with_trial(draft, trials[draft.id].value, trials[draft.id].evidence)
        for draft in _drafts(transcript)
    ]


def _drafts(transcript: Transcript) -> list[RuleDraft]:
    """Drafts of new rules, by decreasing weight; if mechanisms are missing, one for each of these."""
    missing = transcript.task.get("missing")
    choices = select(transcript, MOST_RULES, excluded=transcript.task.get("tried", ()))
    if missing is not None:
        wanted = [choice for choice in choices if choice.mechanism in missing]
        choices = list({choice.mechanism: choice for choice in reversed(wanted)}.values())
    drafts: list[RuleDraft] = []
    for choice in choices:
        # a rule for a missing mechanism is a second try, so it weighs less than all first ones
        score = choice.score if missing is None else choice.score - NAMED_SCORE
        weight = min([score, *(draft.weight for draft in drafts)])
        drafts.append(write_draft(transcript, choice, max(weight, LEAST_WEIGHT)))
    return drafts


def _with_trial(draft: RuleDraft, trial: dict[str, Any], evidence: str) -> RuleDraft:
    """The draft with its trial as evidence, and for an operator that sets its own size with the measured scale."""
    scale = draft.scale
    if not OPERATORS[draft.program[0].operator].additive and trial["realised_high"]:
        low, high = float(trial["realised_low"]), float(trial["realised_high"])
        scale = ScalePrior(low=max(low, LEAST_SIZE * high), high=high, unit=scale.unit)
    note = f"; in trials: peak {trial['realised_scale']} {scale.unit}, {trial['realised_duration']} samples"
    return draft.model_copy(
        update={
            "scale": scale,
            "note": (draft.note + note)[:400],
            "evidence": [*draft.evidence, Evidence(kind="tool", id=evidence, quote="trial")],
        }
    )


def _revise(transcript: Transcript) -> Proposal:
    revised = []
    for item in transcript.task.get("rules", []):
        draft = RuleDraft.model_validate(item["rule"]).model_copy(update={"note": ""})
        for change in item["changes"]:
            draft = _changed(draft, change["field"], float(change["factor"]))
        revised.append(draft)
    new = _tried_drafts(transcript) if transcript.task.get("missing") else []
    rationale = f"{len(revised)} rules revised as the critic asked"
    if new:
        rationale += f"; {', '.join(draft.id for draft in new)} for missing mechanisms"
    return Proposal(rationale=rationale[:600], rules=[*revised, *new])


def _changed(draft: RuleDraft, field: str, factor: float) -> RuleDraft:
    note = f"{field} times {factor:.2g}"
    if field == "scale":
        step = draft.program[0]
        low, high = draft.scale.low * factor, draft.scale.high * factor
        update: dict[str, Any] = {"scale": ScalePrior(low=low, high=high, unit=draft.scale.unit)}
        if factor > 1 and not OPERATORS[step.operator].additive:
            update["program"] = [_stronger(step), *draft.program[1:]]
            note += ", stronger parameters"
    elif field == "duration" or field == "border":  # a longer segment has a longer fade
        duration = draft.duration
        update = {"duration": DurationPrior(low=duration.low * factor, high=duration.high * factor, unit=duration.unit)}
    else:
        note = "no longer bound to a phase or regime"
        update = {"context": draft.context.model_copy(update={"phase": None, "level": [], "activity": []})}
    return draft.model_copy(update={**update, "note": "; ".join(filter(None, [draft.note, note]))[:400]})


def _stronger(step: Step) -> Step:
    """Move each parameter's weak end halfway to its strong end."""
    given = {parameter.name: (parameter.low, parameter.high) for parameter in step.parameters}
    parameters = []
    for name, bounds in OPERATORS[step.operator].parameters.items():
        low, high = given.get(name, bounds.default)
        strong_end = STRONG_END.get((step.operator, name))
        if strong_end == "high":
            low = (low + high) / 2
        elif strong_end == "low":
            high = (low + high) / 2
        parameters.append(Parameter(name=name, low=low, high=high))
    return Step(operator=step.operator, parameters=parameters)
