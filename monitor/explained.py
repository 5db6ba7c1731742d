"""Whether benign rules explain a span by its values: which channels leave what is usual, which way, how far, how long.

The discriminator takes a point for benign one channel at a time. A normal event that moves several channels may look
like many failures in each of them. Here the event is judged as a whole: all that clearly leaves what is usual must be
said by the rules, and all that they say must be there.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy import ndimage

from ape.monitor.context import Context
from ape.monitor.event import Event
from ape.monitor.expected import expected
from ape.monitor.rule_limits import lengths, sizes
from ape.monitor.spans import Span
from ape.rules import Rule, RuleBank
from ape.rules.naming import named_channels
from ape.series.series import runs

SLACK = 1.5  # times the size and the length that a benign rule gives
SHIFTS = {"level_shift", "trend_drift", "spike_context", "spike_global"}  # operators that move values one way
WAYS = {"up": 1.0, "down": -1.0}
HALF = 0.5  # of a span, in which a rule must be able to hold; of the shortest length, for which values must be away
REST = 0.75  # of the farthest value that is explained: what is not explained may be so far outside
STILL = 0.2  # of the least size of a rule: values that are so far away still belong to the event
SMOOTH = 6  # parts of the shortest length, over one of which values are averaged
SMEAR = 32  # samples by which high scores spread to either side of what raises them
STEADY = 3  # samples of which the median is taken, against single outliers

At = tuple[str, str]  # a channel and a way


def explained(span: Span, able: np.ndarray, context: Context) -> str | None:
    """Return the id of a benign rule that explains a span, together with the other rules from the same sentence.

    Only rules of changes in a stated direction count. Rules that quote the same sentence describe one normal event.
    It explains the span if each of them shows: a channel is as far away from the usual values as the rule says; if one
    of these is away as long as its rule says; and if no other channel is nearly as far outside.

    Parameters
    ----------
    span : Span
    able : ndarray, bool [T, Q]
        Where each benign rule can hold.
    context : Context

    Returns
    -------
    str or None
    """
    bank = context.bank
    if bank is None:
        return None
    events: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, rule in enumerate(bank.benign[: able.shape[1]]):
        quotes = tuple(each.quote for each in rule.evidence if each.kind == "text")
        events[quotes or (rule.id,)].append(number)
    for numbers in events.values():
        rules = [bank.benign[number] for number in numbers]
        can_hold = able[span.begin : span.end, numbers].mean(axis=0) >= HALF
        if can_hold.all() and all(_moves_one_way(rule) for rule in rules) and _explain(rules, span, context, bank):
            return rules[0].id
    return None


def _moves_one_way(rule: Rule) -> bool:
    return rule.scale.direction in WAYS and all(step.operator in SHIFTS for step in rule.program)


def _explain(rules: list[Rule], span: Span, context: Context, bank: RuleBank) -> bool:
    """Whether the rules of one normal event explain all that is outside of the usual values in a span."""
    if span.end - span.begin > SLACK * max(lengths(rule, bank)[1] for rule in rules) + 2 * SMEAR:
        return False
    channels = tuple((name, 1.0) for name in context.series.channels)
    event = Event(span.begin, span.end, span.begin, span.peak, channels, (), ongoing=False)
    outside = _outside(event, context)
    allowed = {at: [rule for rule in rules if _allows(rule, at, far, context, bank)] for at, far in outside.items()}
    most = max((far for at, far in outside.items() if allowed[at]), default=0.0)
    rest = max((far for at, far in outside.items() if not allowed[at]), default=0.0)
    if most <= 0 or rest > REST * most:
        return False
    shown = [
        [length for at in allowed if rule in allowed[at] and (length := _length(event, at, rule, context, bank))]
        for rule in rules
    ]
    wanted = [len(named_channels(rule.context, bank.context)) if rule.context.spread == "all" else 1 for rule in rules]
    return all(len(found) >= max(1, count) for found, count in zip(shown, wanted, strict=True)) and any(
        HALF * lengths(rule, bank)[0] <= length <= SLACK * lengths(rule, bank)[1]
        for rule, found in zip(rules, shown, strict=True)
        for length in found
    )


def _outside(event: Event, context: Context) -> dict[At, float]:
    """How far each channel leaves the usual values each way, in standard deviations."""
    usual, values = expected(event, context), context.values(event.begin, event.end)
    found: dict[At, float] = {}
    for way, beyond in (("up", values - usual.high), ("down", usual.low - values)):
        steady = ndimage.median_filter(np.nan_to_num(beyond / context.scale), (STEADY, 1), mode="nearest")
        most = steady.max(axis=0).clip(min=0.0)
        found |= {(name, way): float(most[c]) for c, name in enumerate(context.series.channels)}
    return found


def _allows(rule: Rule, at: At, outside: float, context: Context, bank: RuleBank) -> bool:
    name, way = at
    names = named_channels(rule.context, bank.context)
    named = not names or name in names
    beyond = outside * context.scale[context.channel(name)]
    return named and rule.scale.direction == way and beyond <= SLACK * sizes(rule, name, bank)[1]


def _length(event: Event, at: At, rule: Rule, context: Context, bank: RuleBank) -> int:
    """How long a channel is away from the usual values, in samples; 0 if it is not as far away as a rule says."""
    name, way = at
    shortest, longest = lengths(rule, bank)
    least = sizes(rule, name, bank)[0]
    first, last = next(part for part in context.series.segments if part[0] <= event.begin < part[1])
    begin, end = max(first, event.begin - int(longest)), min(last, event.end + int(longest))
    channel, inside = context.channel(name), slice(event.begin - begin, event.end - begin)
    usual = expected(event, context, begin, end).middle[:, channel]
    away = np.nan_to_num(WAYS[way] * (context.values(begin, end)[:, channel] - usual))
    if ndimage.median_filter(away[inside], STEADY, mode="nearest").max() < least / SLACK:
        return 0
    smooth = ndimage.uniform_filter1d(away, max(1, int(shortest) // SMOOTH), mode="nearest")
    peak = inside.start + int(smooth[inside].argmax())
    begins, ends = runs(smooth >= STILL * min(smooth[peak], least))
    own = int(np.searchsorted(begins, peak, "right")) - 1
    return int(ends[own] - begins[own]) if own >= 0 else 0
