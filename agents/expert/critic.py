"""The embedded rule critic: compares each rule's figures with the thresholds in its task."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ape.agents.expert.transcript import ToolCalls, Transcript
from ape.agents.records import Change, Critique, Verdict

MOST_ALIKE = 3  # rules of one mechanism
MOST_PREVIEWS = 3


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return calls that draw the rules whose border fails."""
    if transcript.results:
        return []
    doubtful = [
        item["rule"]["id"]
        for item in transcript.task.get("rules", [])
        if "border" in _failed(transcript, item["figures"])
    ]
    return [("preview_rule", {"rule_id": rule}) for rule in doubtful[:MOST_PREVIEWS]]


def critique(transcript: Transcript) -> Critique:
    """Return a verdict on each rule, and remarks on the bank."""
    task = transcript.task
    verdicts = [_verdict(transcript, item) for item in task.get("rules", [])]
    counts = {word: sum(v.verdict == word for v in verdicts) for word in ("accept", "revise", "reject")}
    not_rejected = {verdict.rule_id for verdict in verdicts if verdict.verdict != "reject"}
    pending = [item["rule"] for item in task.get("rules", [])]
    rules = [*task.get("accepted", []), *(rule for rule in pending if rule["id"] in not_rejected)]
    rules_of = Counter(rule["mechanism"] for rule in rules)
    named = dict.fromkeys(task.get("named", []))
    missing = [mechanism for mechanism in named if mechanism not in rules_of]
    return Critique(
        rationale=", ".join(f"{word} {count}" for word, count in counts.items()),
        verdicts=verdicts,
        bank=_remarks(rules_of, len(named), len(missing))[:400],
        missing=missing[:8],
    )


def _remarks(rules_of: Counter[str], named: int, missing: int) -> str:
    """Coverage and balance of the bank."""
    coverage = f"{named - missing} of {named} mechanisms that the text names have a rule" if named else ""
    crowded = [f"{mechanism} has {count} rules" for mechanism, count in rules_of.items() if count > MOST_ALIKE]
    return "; ".join(filter(None, [coverage, *crowded]))


def _failed(transcript: Transcript, figures: dict[str, float]) -> list[str]:
    failed = []
    for name, threshold in transcript.task.get("thresholds", {}).items():
        low, high = threshold.get("at_least"), threshold.get("at_most")
        if (low is not None and figures[name] < low) or (high is not None and figures[name] > high):
            failed.append(name)
    return failed


def _verdict(transcript: Transcript, item: dict[str, Any]) -> Verdict:
    rule, figures = item["rule"], item["figures"]
    failed = _failed(transcript, figures)
    listed = ", ".join(f"{name} {figures[name]:.2f}" for name in transcript.task.get("thresholds", {}))
    if not failed:
        return Verdict(rationale=f"all figures pass: {listed}", rule_id=rule["id"], verdict="accept")
    reason = f"fails {', '.join(failed)}: {listed}"
    if "new" in failed:
        return Verdict(rationale=f"copies another rule; {reason}", rule_id=rule["id"], verdict="reject")
    if item.get("revisions_left", transcript.task.get("revisions_left", 0)) <= 0:
        return Verdict(rationale=f"not fixed by revisions; {reason}", rule_id=rule["id"], verdict="reject")
    changes = [change for name in failed for change in _fixes(name, rule, figures)]
    return Verdict(rationale=reason, rule_id=rule["id"], verdict="revise", changes=changes[:4])


def _fixes(failed: str, rule: dict[str, Any], figures: dict[str, float]) -> list[Change]:
    """Changes that could fix a failed figure."""
    if failed == "own" and rule["context"]["after_change"]:
        return [Change(field="context")]
    if failed in ("visible", "own"):
        return [Change(field="scale", factor=1.5), Change(field="duration", factor=1.3)]
    if failed == "border":
        return [Change(field="border", factor=1.5)]
    if failed == "plausible":
        realised, high = figures["realised_scale"], rule["scale"]["high"]
        return [Change(field="scale", factor=min(10.0, 1.3 * realised / high) if realised > 0.8 * high else 0.7)]
    return [Change(field="context")]
