"""The embedded planner: reads the scenario, proposes rules that the evidence supports, and revises them as asked."""

from __future__ import annotations

import re
from typing import Any

from ape.agents.expert.drafts import FACTORS, write_draft
from ape.agents.expert.rule_kinds import STRONG_END
from ape.agents.expert.selection import Choice, hints_of, select, select_benign, select_lost
from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript
from ape.agents.records import Hint, Plan, Proposal, Remark
from ape.agents.understanding.groups import with_groups
from ape.agents.understanding.quantities import sampling_step
from ape.agents.understanding.reading import read_statements
from ape.rules import OPERATORS, RuleDraft
from ape.rules.check import THRESHOLDS
from ape.rules.schema import DurationPrior, Evidence, Parameter, Step

LEAST_SIZE = 0.05  # share of the largest size
LEAST_OWN, LEAST_VISIBLE = 0.5, 0.6  # figures of a trial, below which another operator is tried
MOST_TRIALS = 3  # of alternatives of a rule
MOST_READS = 5  # of pages of the text, and of the channels
MOST_HINTS, MOST_LOG_HINTS, MOST_REMARKS = 48, 16, 400
STUDIED, MOST_STUDIED = 4, 8  # channels, unless people speak of more; of a wide series
LEAST_NAME = 3  # letters of a channel's name that is sought in sentences which name no failure
RARE_LINE, FREQUENT_LINE = 0.7, 0.3  # factors on the strength of a log's hints, relative to a text's


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return calls that read the scenario, or that try drafts."""
    task = transcript.task.get("task")
    if task == "plan":
        if not transcript.results:
            return [("describe_series", {}), ("read_text", {"first_line": 1}), ("log_templates", {})]
        return _next_pages(transcript)
    if task == "propose" or transcript.task.get("lost"):
        if not transcript.called("describe_series"):
            return [("describe_series", {})]
        return _next_channels(transcript) or _next_trials(transcript)
    return []


def _next_pages(transcript: Transcript) -> ToolCalls:
    """Calls that read on in the text and in the list of channels."""
    reads = transcript.results_of("read_text")
    calls = _next_channels(transcript)
    if reads and reads[-1].value.get("more") and len(reads) < MOST_READS:
        calls.append(("read_text", {"first_line": reads[-1].value["lines"][-1]["line"] + 1}))
    return calls


def _next_channels(transcript: Transcript) -> ToolCalls:
    described = transcript.results_of("describe_series")
    if described and described[-1].value.get("more") and len(described) < MOST_READS:
        listed = sum(len(result.value["channels"]) for result in described)
        return [("describe_series", {"first_channel": listed + 1})]
    return []


def _next_trials(transcript: Transcript) -> ToolCalls:
    """Trials of the best alternatives; of the next ones for rules that could not be made as stated."""
    trials = _trials(transcript)
    drafts = []
    for choices in _wanted(transcript):
        tried = [choice for choice in choices[:MOST_TRIALS] if choice.id in trials]
        untried = [choice for choice in choices[:MOST_TRIALS] if choice.id not in trials]
        if untried and not any(_works(choice, trials[choice.id]) for choice in tried):
            drafts.append(write_draft(transcript, untried[0]))
    return [("try_rule", {"draft": draft.model_dump(mode="json")}) for draft in drafts]


def plan(transcript: Transcript) -> Plan:
    """Return a summary of the scenario, the channels to study, and what each sentence of text and log says."""
    pages = [result.value for result in transcript.results_of("describe_series")]
    described = pages[0] if pages else {}
    lines = [
        (line["line"], line["text"]) for result in transcript.results_of("read_text") for line in result.value["lines"]
    ]
    names = [name for page in pages for name in page["channels"]]
    step = described.get("step_seconds") or sampling_step(" ".join(text for _, text in lines))
    reading = read_statements(lines, names, "text", step)
    hints = [*reading.hints[: MOST_HINTS - MOST_LOG_HINTS], *_log_hints(transcript, names, step)]
    groups = [group for group in described.get("groups", []) if "name" in group]
    hints = [with_groups(hint, groups) for hint in hints]
    channels = _channels(described, names, hints, reading.remarks)
    title = next((text.strip() for _, text in lines if text.strip()), "A series without a description")
    points = described.get("training_points")
    clock = f", one sample every {step:g} s" if step else ""
    count = f"{len(names)} channel{'' if len(names) == 1 else 's'}"
    if groups:
        count += f" in {len(groups)} groups and alone"
    failures = sum(not hint.benign for hint in hints)
    return Plan(
        rationale=f"text and log give {failures} hints at failures and {len(hints) - failures} at what is normal;"
        f" {'representatives' if groups else 'channels'} to study: {', '.join(channels)[:200]}",
        scenario=f"{title[:280]} ({points} training points, {count}{clock})",
        channels=channels or ["value"],
        step_seconds=step,
        hints=hints,
        remarks=reading.remarks[:MOST_REMARKS],
    )


def _channels(described: dict[str, Any], names: list[str], hints: list[Hint], remarks: list[Remark]) -> list[str]:
    """Channels that people speak of, those of failures first; then one of each group that goes together."""
    affected = [name for hint in sorted(hints, key=lambda hint: hint.benign) for name in hint.channels]
    quotes = " ".join([*(hint.quote for hint in hints), *(remark.quote for remark in remarks)])
    mentioned = [
        name
        for name in names
        if len(name) >= LEAST_NAME and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", quotes, re.IGNORECASE)
    ]
    spoken_of = list(dict.fromkeys([*affected, *mentioned]))[:8]
    groups = described.get("groups", [])
    of_group = {name: group["representative"] for group in groups for name in group["channels"]}
    covered = {of_group.get(name) for name in spoken_of}
    others = [group["representative"] for group in groups if group["representative"] not in covered]
    most = MOST_STUDIED if any("name" in group for group in groups) else STUDIED
    return [*spoken_of, *others[: max(0, most - len(spoken_of))]] or names[:1]


def _log_hints(transcript: Transcript, channels: list[str], step: float | None) -> list[Hint]:
    """Hints in the example of each log template, weakened because most lines of a log report no failure."""
    templates = [entry for result in transcript.results_of("log_templates") for entry in result.value["templates"]]
    rare = {entry["line"]: entry["rare"] for entry in templates}
    hints = read_statements([(entry["line"], entry["example"]) for entry in templates], channels, "log", step).hints
    weakened = [
        hint.model_copy(update={"strength": (RARE_LINE if rare[hint.line] else FREQUENT_LINE) * hint.strength})
        for hint in hints
    ]
    return sorted(weakened, key=lambda hint: -hint.strength)[:MOST_LOG_HINTS]


def propose_or_revise(transcript: Transcript) -> Proposal:
    """Return new rules for the task "propose", changed ones for "revise"."""
    return _revise(transcript) if transcript.task.get("task") == "revise" else _propose(transcript)


def _propose(transcript: Transcript) -> Proposal:
    drafts = _tried_drafts(transcript)
    listed = ", ".join(f"{draft.id} {draft.weight:.2f}" for draft in drafts)
    return Proposal(
        rationale=f"rules by their expected share of incidents: {listed}"[:600],
        rules=drafts,
        benign=[write_draft(transcript, choice) for choice in select_benign(transcript)],
    )


def _wanted(transcript: Transcript) -> list[list[Choice]]:
    """Wanted rules, each with its alternatives."""
    return select(transcript) if transcript.task.get("task") == "propose" else select_lost(transcript)


def _trials(transcript: Transcript) -> dict[str, ToolResult]:
    return {result.value["rule"]: result for result in transcript.results_of("try_rule")}


def _works(choice: Choice, trial: ToolResult) -> bool:
    """Whether a trial made the anomalies as stated, or with a size that a revision can change."""
    value, additive = trial.value, OPERATORS[choice.kind.operator].additive
    return value["own"] >= LEAST_OWN and (additive or value["visible"] >= LEAST_VISIBLE)


def _tried_drafts(transcript: Transcript) -> list[RuleDraft]:
    """New drafts: the best alternative whose trial works, or else the best one, with the sizes of its trial."""
    trials = _trials(transcript)
    drafts = []
    for choices in _wanted(transcript):
        working = (choice for choice in choices if choice.id in trials and _works(choice, trials[choice.id]))
        choice = next(working, choices[0])
        draft = write_draft(transcript, choice)
        trial = trials.get(choice.id)
        drafts.append(draft if trial is None else _with_trial(draft, trial.value, trial.evidence))
    return drafts


def _with_trial(draft: RuleDraft, trial: dict[str, Any], evidence: str) -> RuleDraft:
    """The draft with its trial as evidence, and for an operator that sets its own size with the measured scale."""
    scale = draft.scale
    if not OPERATORS[draft.program[0].operator].additive and trial["realised_high"]:
        low, high = float(trial["realised_low"]), float(trial["realised_high"])
        scale = scale.model_copy(update={"low": max(low, LEAST_SIZE * high), "high": high})
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
        named = _named_fields(transcript, draft)
        for change in item["changes"]:
            field, factor = change["field"], float(change["factor"])
            if field in named:
                draft = _within_what_is_named(draft, field, factor)
            else:
                draft = _changed(draft, field, factor, item["figures"])
        revised.append(draft)
    new = _tried_drafts(transcript) if transcript.task.get("lost") else []
    rationale = f"{len(revised)} rules revised as the critic asked"
    if new:
        rationale += f"; {', '.join(draft.id for draft in new)} for failures without a rule"
    return Proposal(rationale=rationale[:600], rules=[*revised, *new])


def _named_fields(transcript: Transcript, draft: RuleDraft) -> set[str]:
    """Fields of a change that would alter the size or length that people name."""
    quotes = {(item.id, item.line, item.quote) for item in draft.evidence if item.kind == "text"}
    hints = [hint for hint in hints_of(transcript) if (hint.source, hint.line, hint.quote) in quotes]
    operator = draft.program[0].operator
    sized = any(hint.change or (hint.amount and draft.scale.unit == "data") for hint in hints)
    fields = {"scale"} if sized and (OPERATORS[operator].additive or operator in FACTORS) else set()
    return fields | ({"duration", "border"} if any(hint.seconds or hint.samples for hint in hints) else set())


def _within_what_is_named(draft: RuleDraft, field: str, factor: float) -> RuleDraft:
    """Use the larger or the smaller part of the named range; a larger size also where the series is quiet."""
    name = "scale" if field == "scale" else "duration"
    prior = getattr(draft, name)
    ends = {"low": min(prior.low * factor, prior.high)} if factor > 1 else {"high": max(prior.high * factor, prior.low)}
    update: dict[str, Any] = {name: prior.model_copy(update=ends)}
    note = f"{name} within what people say"
    if field == "scale" and factor > 1 and not draft.context.activity and not draft.context.level:
        update["context"] = draft.context.model_copy(update={"activity": ["low"]})
        note += ", where the series is quiet"
    return draft.model_copy(update={**update, "note": "; ".join(filter(None, [draft.note, note]))[:400]})


def _changed(draft: RuleDraft, field: str, factor: float, figures: dict[str, float]) -> RuleDraft:
    note = f"{field} times {factor:.2g}"
    step = draft.program[0]
    if field == "scale" and THRESHOLDS["visible"].passes(figures["visible"]) and not OPERATORS[step.operator].additive:
        measured = {"low": figures["realised_low"], "high": figures["realised_high"]}  # its parameters set its size
        update: dict[str, Any] = {"scale": draft.scale.model_copy(update=measured)}
        note = "scale as measured"
    elif field == "scale":
        low, high = draft.scale.low * factor, draft.scale.high * factor
        update = {"scale": draft.scale.model_copy(update={"low": low, "high": high})}
        if factor > 1 and not OPERATORS[step.operator].additive:
            update["program"] = [_stronger(step), *draft.program[1:]]
            note += ", stronger parameters"
    elif field == "duration" or field == "border":  # a longer segment has a longer fade
        duration = draft.duration
        update = {"duration": DurationPrior(low=duration.low * factor, high=duration.high * factor, unit=duration.unit)}
    else:
        note = "no longer bound to a phase, a regime or a change"
        update = {
            "context": draft.context.model_copy(
                update={"phase": None, "level": [], "activity": [], "after_change": None}
            )
        }
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
