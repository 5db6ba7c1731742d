"""The embedded planner: weighs evidence for kinds of rules, tries and sizes drafts, revises what the critic names."""

from __future__ import annotations

from typing import Any

from ape.agents.expert.candidates import CANDIDATES, STRONG_END, Candidate
from ape.agents.expert.lexicon import hints
from ape.agents.expert.reading import Transcript
from ape.agents.records import Plan, Proposal
from ape.rules import OPERATORS, RuleDraft
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, Parameter, ScalePrior, Step

HINTED = 0.6  # what a quote adds for its mechanism
BAR = 0.45  # score that a kind of rule needs
MOST_RULES = 7
REGIME_BAR = 0.5  # strength of variance_changes from which rules are bound to a regime
MAX_READS = 5


def next_calls(seen: Transcript) -> list[tuple[str, dict[str, Any]]]:
    """Tools to call next."""
    task = seen.task.get("task")
    if task == "plan":
        if not seen.results:
            return [("describe_series", {}), ("read_text", {"first_line": 1})]
        reads = seen.all("read_text")
        if reads and reads[-1].value.get("more") and len(reads) < MAX_READS:
            return [("read_text", {"first_line": reads[-1].value["lines"][-1]["line"] + 1})]
    if task == "propose" and not seen.called("try_rule"):
        drafts = [_draft(seen, candidate, score) for candidate, score in _ranked(seen)]
        return [("try_rule", {"draft": draft.model_dump(mode="json")}) for draft in drafts]
    return []


def plan(seen: Transcript) -> Plan:
    """What the scenario is, which channels to study, and what the text hints at."""
    described = next((result.value for result in seen.all("describe_series")), {})
    lines = [(line["line"], line["text"]) for result in seen.all("read_text") for line in result.value["lines"]]
    names = list(described.get("channels", []))
    spread = described.get("relative_spread", [0.0] * len(names))
    order = sorted(range(len(names)), key=lambda i: -(spread[i] or 0.0))
    mentioned = [name for name in names if any(name.lower() in text.lower() for _, text in lines)]
    channels = list(dict.fromkeys([*mentioned, *(names[i] for i in order)]))[:4] if len(names) > 1 else names
    found = hints(lines)[:12]
    about = next((text.strip() for _, text in lines if text.strip()), "A series without a description")
    points, step = described.get("training_points"), described.get("step_seconds")
    clock = f", one sample every {step:g} s" if step else ""
    count = f"{len(names)} channel{'' if len(names) == 1 else 's'}"
    return Plan(
        rationale=f"{len(lines)} lines of text give {len(found)} hints; studying {', '.join(channels)[:200]}",
        scenario=f"{about[:280]} ({points} training points, {count}{clock})",
        channels=channels or ["value"],
        hints=found,
    )


def propose_or_revise(seen: Transcript) -> Proposal:
    """New rules for the task "propose", changed ones for "revise"."""
    return _revise(seen) if seen.task.get("task") == "revise" else _propose(seen)


def _propose(seen: Transcript) -> Proposal:
    trials = {result.value["rule"]: result for result in seen.all("try_rule")}
    drafts = []
    for candidate, score in _ranked(seen):
        draft = _draft(seen, candidate, score)
        if candidate.id in trials:
            draft = _sized(draft, trials[candidate.id].value, trials[candidate.id].evidence)
        drafts.append(draft)
    listed = ", ".join(f"{draft.id} {draft.weight:.2f}" for draft in drafts)
    return Proposal(rationale=f"evidence in favour, best first: {listed}", rules=drafts)


def _ranked(seen: Transcript) -> list[tuple[Candidate, float]]:
    """Kinds of rules that the evidence speaks for, best first."""
    strength = _strengths(seen)
    hinted = {hint["mechanism"] for hint in seen.task.get("plan", {}).get("hints", [])}
    scored = []
    for candidate in CANDIDATES:
        if any(strength.get(term, 0.0) < 0.3 for term in candidate.needs):
            continue
        score = candidate.prior + sum(weight * strength.get(term, 0.0) for term, weight in candidate.weights.items())
        score += HINTED * (candidate.mechanism in hinted)
        if score >= BAR:
            scored.append((candidate, round(score, 3)))
    return sorted(scored, key=lambda pair: -pair[1])[:MOST_RULES]


def _strengths(seen: Transcript) -> dict[str, float]:
    """Largest strength of each finding and sighting."""
    strength: dict[str, float] = {}
    findings = seen.task.get("profile", {}).get("findings", [])
    sightings = seen.task.get("inspection", {}).get("sightings", [])
    for term, value in [(f["term"], f["strength"]) for f in findings] + [(s["look"], s["strength"]) for s in sightings]:
        strength[term] = max(value, strength.get(term, 0.0))
    return strength


def _draft(seen: Transcript, candidate: Candidate, score: float) -> RuleDraft:
    reasons = [
        term for term, weight in candidate.weights.items() if weight > 0 and _strengths(seen).get(term, 0) >= 0.3
    ]
    quoted = [hint for hint in seen.task["plan"]["hints"] if hint["mechanism"] == candidate.mechanism][:2]
    findings = [f for f in seen.task["profile"]["findings"] if f["term"] in reasons][:3]
    seen_looks = [s for s in seen.task["inspection"]["sightings"] if s["look"] in reasons][:1]
    evidence = [Evidence(kind="text", id="text", quote=hint["quote"], line=hint["line"]) for hint in quoted]
    evidence += [Evidence(kind="tool", id=e, quote=f["term"]) for f in findings for e in f["evidence"][:1]]
    evidence += [Evidence(kind="picture", id=s["evidence"], quote=s["look"]) for s in seen_looks]
    regime = _strengths(seen).get("variance_changes", 0.0) >= REGIME_BAR
    low, high, unit = candidate.duration
    given = [*(f"the text says '{hint['quote'][:80]}'" for hint in quoted), *reasons] or ["it can happen to any series"]
    return RuleDraft(
        note=f"{candidate.mechanism}: {', '.join(given)}"[:400],
        id=candidate.id,
        mechanism=candidate.mechanism,
        morphology=candidate.morphology,
        context=ContextualPrior(
            activity=list(candidate.activity) if regime else [],
            spread="one" if len(seen.task.get("channels", [])) < 3 else "some",
        ),
        scale=ScalePrior(low=candidate.scale[0], high=candidate.scale[1], unit=candidate.scale[2]),  # type: ignore[arg-type]
        duration=DurationPrior(low=low, high=high, unit=unit),  # type: ignore[arg-type]
        program=[
            Step(
                operator=candidate.operator,
                parameters=[Parameter(name=name, low=a, high=b) for name, (a, b) in candidate.parameters.items()],
            )
        ],
        weight=score,
        evidence=evidence[:7],
    )


def _sized(draft: RuleDraft, trial: dict[str, Any], evidence: str) -> RuleDraft:
    """Size a draft by its trial: where an operator sets its own size, the scale prior says what came out."""
    scale = draft.scale
    if not OPERATORS[draft.program[0].operator].additive and trial["realised_scale"]:
        size = float(trial["realised_scale"])
        scale = ScalePrior(low=0.25 * size, high=1.8 * size, unit=scale.unit)
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
    return Proposal(rationale=f"{len(drafts)} rules revised as the critic asked", rules=drafts)


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
