"""The embedded rule critic: judges each rule by its figures against the thresholds that it was sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ape.agents.expert.reading import Transcript
from ape.agents.records import Change, Critique, Verdict

MOST_ALIKE = 3  # rules of one mechanism


def next_calls(seen: Transcript) -> list[tuple[str, dict[str, Any]]]:
    """Look at the pictures of rules whose borders are in doubt."""
    if seen.results:
        return []
    doubtful = [item["rule"]["id"] for item in seen.task.get("rules", []) if "border" in _failed(seen, item["figures"])]
    return [("preview_rule", {"rule_id": rule}) for rule in doubtful[:3]]


def critique(seen: Transcript) -> Critique:
    """A verdict on every rule."""
    verdicts = [_verdict(seen, item) for item in seen.task.get("rules", [])]
    counts = {word: sum(v.verdict == word for v in verdicts) for word in ("accept", "revise", "reject")}
    kept = {verdict.rule_id for verdict in verdicts if verdict.verdict != "reject"}
    pending = [item["rule"] for item in seen.task.get("rules", [])]
    rules = [*seen.task.get("accepted", []), *(rule for rule in pending if rule["id"] in kept)]
    mechanisms = Counter(rule["mechanism"] for rule in rules)
    named = dict.fromkeys(seen.task.get("named", []))
    missing = [mechanism for mechanism in named if mechanism not in mechanisms]
    about = f"{len(named) - len(missing)} of {len(named)} mechanisms that the text names have a rule" if named else ""
    heavy = [f"{mechanism} has {count} rules" for mechanism, count in mechanisms.items() if count > MOST_ALIKE]
    return Critique(
        rationale=", ".join(f"{word} {count}" for word, count in counts.items()),
        verdicts=verdicts,
        bank="; ".join(filter(None, [about, *heavy]))[:400],
        missing=missing[:8],
    )


def _failed(seen: Transcript, figures: dict[str, float]) -> list[str]:
    failed = []
    for name, threshold in seen.task.get("thresholds", {}).items():
        low, high = threshold.get("at_least"), threshold.get("at_most")
        if (low is not None and figures[name] < low) or (high is not None and figures[name] > high):
            failed.append(name)
    return failed


def _verdict(seen: Transcript, item: dict[str, Any]) -> Verdict:
    rule, figures = item["rule"], item["figures"]
    failed = _failed(seen, figures)
    shown = ", ".join(f"{name} {figures[name]:.2f}" for name in seen.task.get("thresholds", {}))
    if "spotted" in figures:
        shown += f"; by eye {figures['spotted']:+.2f}"
    if not failed:
        return Verdict(rationale=f"all figures pass: {shown}", rule_id=rule["id"], verdict="accept")
    why = f"fails {', '.join(failed)}: {shown}"
    if "new" in failed:
        return Verdict(rationale=f"a copy of another rule; {why}", rule_id=rule["id"], verdict="reject")
    if seen.task.get("revisions_left", 0) <= 0:
        return Verdict(rationale=f"revisions did not fix it; {why}", rule_id=rule["id"], verdict="reject")
    changes = [change for name in failed for change in _mend(name, rule, figures)]
    return Verdict(rationale=why, rule_id=rule["id"], verdict="revise", changes=changes[:4])


def _mend(failed: str, rule: dict[str, Any], figures: dict[str, float]) -> list[Change]:
    """What would fix a failed figure."""
    if failed in ("visible", "own"):
        return [Change(field="scale", factor=1.5), Change(field="duration", factor=1.3)]
    if failed == "border":
        return [Change(field="border", factor=1.5)]
    if failed == "plausible":
        realised, high = figures["realised_scale"], rule["scale"]["high"]
        return [Change(field="scale", factor=min(10.0, 1.3 * realised / high) if realised > 0.8 * high else 0.7)]
    return [Change(field="context")]
