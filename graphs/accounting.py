"""What becomes of each sentence that people wrote, and of each failure that they name: which rules come from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ape.agents.expert.failures import Failure, named_failures
from ape.agents.expert.rule_kinds import RULE_KINDS
from ape.agents.records import Hint, Inspection, Plan, Remark, Sighting
from ape.agents.understanding.sentences import Sentence, sentences
from ape.rules import Rule
from ape.rules.check import failures
from ape.rules.schema import Evidence, SentenceUse

NAMED_SHARE = 0.9  # of all incidents, at least, for rules that people name
LEAST_SHARE = 0.001  # of a rule
MOST_EVIDENCE = 16  # of a rule
LEAST_WORDS = 3  # of a quote that is found in a sentence of another line
SAME_WORDS = 0.8  # of the shorter text, from which a quote is of a sentence of the same line
MOST_SENTENCES = 1000  # of a bank
FAILED = {  # what a figure of the check means that does not pass
    "visible": "hardly differs from normal data",
    "border": "its borders alone would give it away",
    "plausible": "no plausible size was found",
    "own": "cannot happen as and where it is described",
    "new": "is like another rule",
    "placed": "finds no place where it is described",
}
_WORD = re.compile(r"\w+")


def with_shares(rules: Sequence[Rule]) -> list[Rule]:
    """Return rules whose weights are shares of all incidents: they sum to 1, and named ones have .9 or more."""
    named = [rule.weight if is_named(rule) else 0.0 for rule in rules]
    unnamed = [0.0 if weight else rule.weight for rule, weight in zip(rules, named, strict=True)]
    total, others = sum(named), sum(unnamed)
    if total and others:
        share = max(NAMED_SHARE, total / (total + others))
        factors = (share / total, (1 - share) / others)
    else:
        factors = (1 / (total or 1), 1 / (others or 1))
    weights = [factors[0] * a + factors[1] * b for a, b in zip(named, unnamed, strict=True)]
    return [
        rule.model_copy(update={"weight": max(LEAST_SHARE, round(weight, 3))})
        for rule, weight in zip(rules, weights, strict=True)
    ]


def is_named(rule: Rule) -> bool:
    """Return whether people name the failure of a rule, in a text, a log or a conversation."""
    return any(item.kind == "text" for item in rule.evidence)


def failures_of(plan: Plan, *, benign: bool = False) -> list[Failure]:
    """Return the failures that people name, or what they call normal although it looks unusual."""
    return named_failures([hint for hint in plan.hints if hint.benign == benign])


def rules_from(failure: Failure, rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules that cite a hint at a failure."""
    return [rule for rule in rules if any(_cites(rule, hint) for hint in failure.hints)]


def with_quote(rule: Rule, failures: Sequence[Failure]) -> Rule:
    """Return a rule that cites nobody with the words that name its failure, if there are any.

    The failure has its mechanism, and the same channels as far as both name some; that with its morphology comes first.
    """
    if is_named(rule) or len(rule.evidence) >= MOST_EVIDENCE:
        return rule
    fitting = [
        failure
        for failure in failures
        if failure.mechanism == rule.mechanism
        and _share_channels([*failure.channels, *failure.groups], [*rule.context.channels, *rule.context.groups])
    ]
    best = max(fitting, key=lambda failure: failure.morphology == rule.morphology, default=None)
    if best is None:
        return rule
    hint = best.hints[0]
    evidence = Evidence(kind="text", id=hint.source, quote=hint.quote, line=hint.line)
    return rule.model_copy(update={"evidence": [*rule.evidence, evidence]})


def with_sighting(rule: Rule, inspection: Inspection) -> Rule:
    """Return a rule with the clearest sighting that supports it as evidence, if it cites no picture yet."""
    if any(item.kind == "picture" for item in rule.evidence) or len(rule.evidence) >= MOST_EVIDENCE:
        return rule
    fitting = [each for each in inspection.sightings if _supports(each, rule)]
    best = max(fitting, key=lambda each: each.strength, default=None)
    if best is None:
        return rule
    evidence = Evidence(kind="picture", id=best.evidence, quote=best.look)
    return rule.model_copy(update={"evidence": [*rule.evidence, evidence]})


def sentence_uses(
    text: str | None, plan: Plan, rules: Sequence[Rule], benign: Sequence[Rule], rejected: Sequence[Rule]
) -> list[SentenceUse]:
    """Return what became of each sentence of the text, and of each line of the log that names something.

    Parameters
    ----------
    text : str or None
        Text of the series.
    plan : Plan
    rules, benign : sequence of Rule
        Those of the bank.
    rejected : sequence of Rule
        Rules that did not pass the check.
    """
    outcomes = [_outcome(failure, rules, rejected) for failure in failures_of(plan)]
    outcomes += [_benign_outcome(each, benign) for each in failures_of(plan, benign=True)]
    uses = []
    for sentence in sentences(enumerate((text or "").splitlines(), 1)):
        uses.append(_use(sentence, outcomes, plan.remarks, [*rules, *benign]))
    lines = {(hint.line, hint.quote) for hint in plan.hints if hint.source == "log"}
    uses += [_use(Sentence(line, quote), outcomes, [], [*rules, *benign], "log") for line, quote in sorted(lines)]
    return uses[:MOST_SENTENCES]


class _Outcome(NamedTuple):
    """What became of a failure: the use of its sentences, its rules, and why."""

    hints: tuple[Hint, ...]
    use: str
    rules: list[str]
    reason: str


def _outcome(failure: Failure, rules: Sequence[Rule], rejected: Sequence[Rule]) -> _Outcome:
    found = [rule.id for rule in rules_from(failure, rules)]
    unresolved = list(dict.fromkeys(each for hint in failure.hints for each in hint.unresolved))
    reasons = [f"not used: {', '.join(unresolved)}"] if unresolved else []
    if not found:
        tried = rules_from(failure, rejected)
        figures = tried[-1].history[-1].figures if tried and tried[-1].history else {}
        why = next((FAILED[name] for name in failures(figures)), "") if figures else ""
        kind = failure.mechanism.replace("_", " ")
        reasons.append(f"{kind}: {why or 'this series has nothing that such a failure could change'}")
    return _Outcome(failure.hints, "rule" if found else "no rule", found, "; ".join(reasons))


def _benign_outcome(normal: Failure, benign: Sequence[Rule]) -> _Outcome:
    found = [rule.id for rule in rules_from(normal, benign)]
    why = "" if found else "normal, but nothing like it can be placed in the training part, so that it may alarm"
    if not found and (normal.first("times") or normal.first("like_weekdays")):
        why = "normal, but it needs times in the data, and two weeks of them to compare days, so that it may alarm"
    return _Outcome(normal.hints, "benign" if found else "no rule", found, why)


def _use(
    sentence: Sentence,
    outcomes: Sequence[_Outcome],
    remarks: Sequence[Remark],
    rules: Sequence[Rule],
    source: str = "text",
) -> SentenceUse:
    """What became of one sentence: failures before what is normal, rules before remarks."""
    about = [
        outcome
        for outcome in outcomes
        if any(h.source == source and _same(h.quote, h.line, sentence.text, sentence.line) for h in outcome.hints)
    ]
    use, found, reasons = "not understood", [], []
    for each in ("no rule", "benign", "rule"):
        use = each if any(outcome.use == each for outcome in about) else use
    if about:
        found = [rule for outcome in about for rule in outcome.rules]
        reasons = [outcome.reason for outcome in about if outcome.reason]
    elif citing := [rule.id for rule in rules if _cites_sentence(rule, source, sentence)]:
        use, found = "rule", citing
    else:
        said = [each for each in remarks if _same(each.quote, each.line, sentence.text, sentence.line)]
        use, reasons = (said[0].use, [said[0].reason]) if said else (use, [])
    return SentenceUse(
        line=sentence.line,
        source=source,  # type: ignore[arg-type]
        text=sentence.text[:400],
        use=use,  # type: ignore[arg-type]
        rules=list(dict.fromkeys(found))[:8],
        reason="; ".join(reasons)[:200],
    )


def _cites(rule: Rule, hint: Hint) -> bool:
    return _cites_sentence(rule, hint.source, Sentence(hint.line, hint.quote))


def _cites_sentence(rule: Rule, source: str, sentence: Sentence) -> bool:
    quoted = [item for item in rule.evidence if item.kind == "text" and item.id == source]
    return any(_same(item.quote, item.line, sentence.text, sentence.line) for item in quoted)


def _same(quote: str, line: int | None, text: str, at: int) -> bool:
    """Whether a quote is of a text on line ``at``; a quote without words is of all texts on its line."""
    words, others = _WORD.findall(quote.lower()), _WORD.findall(text.lower())
    if not words or not others:
        return line == at
    shorter, longer = sorted((f" {' '.join(words)} ", f" {' '.join(others)} "), key=len)
    if shorter in longer:
        return line == at or min(len(words), len(others)) >= LEAST_WORDS
    common = len(set(words) & set(others))
    return line == at and common >= SAME_WORDS * min(len(set(words)), len(set(others)))


def _share_channels(some: Sequence[str], others: Sequence[str]) -> bool:
    return not some or not others or bool(set(some) & set(others))


def _supports(sighting: Sighting, rule: Rule) -> bool:
    """Whether a rule's operator is one that a sighting speaks for, on its channel."""
    kinds = [kind for kind in RULE_KINDS if kind.operator == rule.program[0].operator]
    looks = {look for kind in kinds for look, weight in kind.weights.items() if weight > 0}
    return sighting.look in looks and _share_channels(rule.context.channels, [sighting.channel])
