"""Say in one sentence what is unusual in an event, which rule it is like, and how often that happens by chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ape.monitor.context import Context
from ape.monitor.durations import expectation
from ape.monitor.event import Event, Finding
from ape.monitor.findings import UNLIKE
from ape.monitor.times import span_text
from ape.rules.schema import Rule
from ape.rules.vocabulary import MECHANISMS

LIKELY, PERHAPS = 0.5, 0.25  # least probability of a rule that is named, and of one that is named as a guess
LONGEST_QUOTE = 100  # characters


def reason(event: Event, found: Sequence[Finding], context: Context) -> str:
    """Return one sentence about an event.

    Parameters
    ----------
    event : Event
    found : sequence of Finding
        What is unusual in its channels.
    context : Context
    """
    series = context.series
    when = span_text(series, event.begin, event.begin + 1 if event.ongoing else event.end)
    if event.ongoing:
        when = f"since {when}, still going on at the end of the data"
    what = _what(event, found, named=series.n_channels > 1 or series.named)
    like = _like(event, found, context)
    parts = [what, like] if "; " in what or not like else [f"{what}, {like}"]
    if any(each.kind != "missing" for each in found):  # the score of missing values is set, not measured
        chance = expectation(event.score, series.step, context.threshold.trained)
        parts.append(f"expected by chance {chance.once}")
    return f"{when}, {'; '.join(filter(None, parts))}"


def _what(event: Event, found: Sequence[Finding], named: bool) -> str:
    """Describe the channels; those of which the same is true together."""
    if not found:  # there are no normal values to compare with
        return f"{_listed([name for name, _ in event.channels])}: unlike the training data"
    groups = groupby(found, key=lambda finding: finding.text)
    texts = [f"{_listed([each.channel for each in group])}: {text}" if named else text for text, group in groups]
    rest = len(event.channels) - len(found)
    more = [f"and {rest} more channel{'s' * (rest > 1)}"] if rest else []
    return "; ".join([*texts, *more])


def _listed(names: Sequence[str]) -> str:
    names = [" ".join(name.split()) for name in names]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _like(event: Event, found: Sequence[Finding], context: Context) -> str:
    """Name the rule that fits, with the line of the text that it comes from."""
    if not event.rules:
        return ""
    name, probability = event.rules[0]
    if name is None or probability < PERHAPS:
        return "not like any of the rules"
    if probability < LIKELY:
        return f"perhaps like '{name}', {100 * probability:.0f} %"
    rule = rule_named(context, name)
    if rule is None:
        return f"like '{name}'"
    unclear = [MECHANISMS[rule.mechanism]] if all(each.kind == UNLIKE for each in found) else []
    notes = "; ".join([*unclear, *quotes(rule, context.text)])
    return f"like '{name}' ({notes})" if notes else f"like '{name}'"


def rule_named(context: Context, name: str) -> Rule | None:
    """Return the rule of the bank with this id."""
    rules = () if context.bank is None else context.bank.rules
    return next((rule for rule in rules if rule.id == name), None)


def quotes(rule: Rule, text: str) -> list[str]:
    """Return the first quoted line of the text that a rule comes from, if there is one."""
    for evidence in rule.evidence:
        if evidence.kind == "text" and evidence.quote:
            quote = " ".join(evidence.quote.split())
            if len(quote) > LONGEST_QUOTE:
                quote = quote[:LONGEST_QUOTE].rsplit(" ", 1)[0] + " ..."
            where = text if evidence.line is None else f"line {evidence.line} of {text}"
            return [f'{where}: "{quote}"']
    return []
