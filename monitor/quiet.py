"""What would have been an event, and is none because of a benign rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.monitor.alarms import alarms
from ape.monitor.context import Context
from ape.monitor.reason import quotes
from ape.monitor.spans import Span
from ape.monitor.times import span_text
from ape.posttrain.assessment import Assessment


@dataclass(frozen=True)
class Quieted:
    """A span that a benign rule keeps quiet.

    Parameters
    ----------
    begin, end : int
        Points of the series; ``end`` is exclusive.
    score : float
        Highest score that it would have without the rule.
    rule : str
        Id of the benign rule.
    reason : str
        One sentence for people, with the line that the rule comes from.
    """

    begin: int
    end: int
    score: float
    rule: str
    reason: str


def quieted(assessment: Assessment, raised: list[Span], context: Context) -> tuple[Quieted, ...]:
    """Return the spans that would raise an alarm without benign rules, and raise none with them, in order of time."""
    quiet = assessment.quiet
    if quiet is None:
        return ()
    found = []
    for span in alarms(context.series, quiet.score, context.threshold.level):
        rules = quiet.rule[span.begin : span.end]
        rules = rules[rules >= 0]
        if len(rules) and not any(span.begin < other.end and other.begin < span.end for other in raised):
            name = quiet.rules[int(np.bincount(rules).argmax())]
            found.append(Quieted(span.begin, span.end, span.peak, name, _reason(span, name, context)))
    return tuple(found)


def _reason(span: Span, name: str, context: Context) -> str:
    benign = () if context.bank is None else context.bank.benign
    quoted = [quote for rule in benign if rule.id == name for quote in quotes(rule, context.text)]
    because = f"'{name}' ({quoted[0]})" if quoted else f"'{name}'"
    return f"{span_text(context.series, span.begin, span.end)}: quiet because of {because}"
