"""What would have been an event, and is none because of a benign rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ape.monitor.alarms import alarms
from ape.monitor.context import Context
from ape.monitor.days import looks_like
from ape.monitor.event import Event
from ape.monitor.expected import expected
from ape.monitor.explained import SLACK, SMEAR, explained
from ape.monitor.reason import quotes
from ape.monitor.rule_limits import lengths, sizes
from ape.monitor.spans import BELOW, Span
from ape.monitor.times import span_text
from ape.posttrain.assessment import Assessment, Quiet
from ape.rules import Rule
from ape.rules.naming import named_channels
from ape.series.series import runs

HALF = 0.5  # of its score that a point must lose, and of the points of a span that must lose so much
CLEARLY = 0.5  # of the farthest value outside of what is usual: values that are clearly outside
EXACT = {"level", "peak", "ramp", "stuck", "missing"}  # findings whose events begin and end where values do
EARLY_OR_LATE = 4  # samples by which planned work may begin or end at another time
LEVEL = 8  # samples of which a level is the median


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


def settled(
    assessment: Assessment, score: np.ndarray, raised: list[Span], context: Context
) -> tuple[list[Span], tuple[Quieted, ...]]:
    """Decide which spans benign rules keep quiet, each span as a whole.

    A span that would raise an alarm without benign rules is quiet if these explain all that is unusual there, see
    `ape.monitor.explained`. It is also quiet if one of them can hold there, halves most of the score, and allows values
    so far and so long outside of what is usual. Without that, the edges would raise alarms of their own, and a larger
    anomaly of the same shape would raise none, or at its edges alone.

    Parameters
    ----------
    assessment : Assessment
    score : ndarray [T]
        With benign rules.
    raised : list of Span
        Alarms of this score.
    context : Context

    Returns
    -------
    spans : list of Span
        Alarms, in order of time.
    quiet : tuple of Quieted
        In order of time.
    """
    quiet, level = assessment.quiet, context.threshold.level
    if quiet is None or context.bank is None:
        return raised, ()
    kept, found = list(raised), []
    for span in alarms(context.series, quiet.score, level):
        whole, name = _with_shoulders(span, quiet.score, level), explained(span, quiet.able, context)
        if name is None and not _lowered(span, score, quiet):
            continue
        name = name or _allowed_by(span, whole, quiet, context)
        edges = [each for each in kept if whole.begin - SMEAR <= each.begin and each.end <= whole.end + SMEAR]
        longer = [each for each in kept if each not in edges and span.begin < each.end and each.begin < span.end]
        if name is None:  # one alarm, as without the rule
            begins, ends, peaks = zip(span, *edges, *longer, strict=True)
            kept = [each for each in kept if each not in (*edges, *longer)]
            kept.append(Span(min(begins), max(ends), max(peaks)))
        elif not longer:  # an alarm that goes on outside of it is about more than what is quiet
            kept = [each for each in kept if each not in edges]
            found.append(Quieted(span.begin, span.end, span.peak, name, _reason(span, name, context)))
    return sorted(kept), tuple(found)


def _lowered(span: Span, score: np.ndarray, quiet: Quiet) -> bool:
    """Whether benign rules halve most of the score of a span.

    Only the louder half of it counts: where the score is lower, windows hold little of what raises it.
    """
    loud = quiet.score[span.begin : span.end]
    core = (quiet.rule[span.begin : span.end] >= 0) & (loud >= np.median(loud))
    return bool(core.any()) and bool((score[span.begin : span.end] <= HALF * loud)[core].mean() >= HALF)


def _with_shoulders(span: Span, loud: np.ndarray, level: float) -> Span:
    """A span with the high score next to both of its ends, of which `spans` leaves the lower part out."""
    begins, ends = runs(np.nan_to_num(loud) >= level - BELOW)
    first, last = (max(int(np.searchsorted(begins, at, "right")) - 1, 0) for at in (span.begin, span.end - 1))
    begin, end = max(int(begins[first]), span.begin - SMEAR), min(int(ends[last]), span.end + SMEAR)
    return Span(min(begin, span.begin), max(end, span.end), span.peak)


def _allowed_by(span: Span, whole: Span, quiet: Quiet, context: Context) -> str | None:
    """The benign rule that allows the values of a span; of several, the one that says most at most of its points."""
    benign = () if context.bank is None else context.bank.benign
    rules = {rule.id: rule for rule in benign}
    at = quiet.rule[span.begin : span.end]
    names = [quiet.rules[k] for k, _ in Counter(at[at >= 0].tolist()).most_common()]
    able = quiet.rule[whole.begin : whole.end] >= 0
    return next((name for name in names if name in rules and _allows(rules[name], whole, able, context)), None)


def quiet_events(events: Iterable[Event], context: Context) -> tuple[list[Event], tuple[Quieted, ...]]:
    """Take the events out that lie in planned work, whatever they look like, or in a day that looks like another.

    Parameters
    ----------
    events : iterable of Event
        With begin and end sharpened.
    context : Context

    Returns
    -------
    events : list of Event
        The others. Those that begin before the work or go on after it are among them, and those on days that differ
        from the day that they should look like.
    quiet : tuple of Quieted
    """
    kept, found = [], []
    benign = [] if context.bank is None else context.bank.benign
    for event in events:
        rule = next((rule for rule in benign if _in_work(rule, event, context) or _in_day(rule, event, context)), None)
        if rule is None:
            kept.append(event)
        else:
            why = _reason(Span(event.begin, event.end, event.score), rule.id, context)
            found.append(Quieted(event.begin, event.end, event.score, rule.id, why))
    return kept, tuple(found)


def _in_work(rule: Rule, event: Event, context: Context) -> bool:
    clock, named = context.series.clock, _named(rule, context)
    if clock is None or (named and event.channels[0][0] not in named):
        return False
    slack = _slack(event) * np.median(np.diff(clock))
    first, last = clock[event.begin] + slack, clock[event.end - 1] - slack
    return any(np.datetime64(each.begin) <= first and last < np.datetime64(each.end) for each in rule.context.times)


def _in_day(rule: Rule, event: Event, context: Context) -> bool:
    named, days = _named(rule, context), rule.context.like_weekdays
    return bool(days) and looks_like(event, days, named or context.series.channels, context, _slack(event))


def _named(rule: Rule, context: Context) -> list[str]:
    """Channels that a benign rule names, itself or by their groups."""
    return rule.context.channels if context.bank is None else named_channels(rule.context, context.bank.context)


def _slack(event: Event) -> int:
    """Samples by which an event may begin before and end after what it is about."""
    return EARLY_OR_LATE if event.findings and event.findings[0].kind in EXACT else SMEAR


def _allows(rule: Rule, span: Span, able: np.ndarray, context: Context) -> bool:
    """Whether the values of a span are outside of what is usual no farther and no longer than a benign rule says.

    A high score spreads to both sides, so that a span may begin before the rule can hold (``able``, bool) and end
    after; values that are clearly outside may not.
    """
    bank = context.bank
    if bank is None:
        return False
    longest = SLACK * lengths(rule, bank)[1]
    if able.sum() > longest + 2 * SMEAR or not _after_change(rule, span, int(longest), context):
        return False
    names = _named(rule, context) or list(context.series.channels)
    at = [context.channel(name) for name in names]
    event = Event(span.begin, span.end, span.begin, span.peak, tuple((name, 1.0) for name in names), (), ongoing=False)
    usual = expected(event, context)
    values = context.values(span.begin, span.end)
    outside = np.nan_to_num(np.fmax(np.fmax(values - usual.high, usual.low - values), 0.0)[:, at])
    largest = np.array([sizes(rule, name, bank)[1] for name in names])
    clearly = (outside > CLEARLY * outside.max(axis=0)).any(axis=1)
    return bool(
        (outside.max(axis=0) <= SLACK * largest).all()
        and (outside > 0).any(axis=1)[able].sum() <= longest
        and not clearly[~able].any()
    )


def _after_change(rule: Rule, span: Span, longest: int, context: Context) -> bool:
    """Whether a span follows a change such as normal data have, if its rule asks for one.

    Any step opens a rule for what comes after a change, also the step that an anomaly begins with. Where a start or a
    switch lasts in normal data, as of a machine that is on afterwards, it must last here too.
    """
    if rule.context.after_change is None or context.bank is None:
        return True
    first = max(1, span.begin - int(rule.context.after_change.high))
    lasting, named = False, _named(rule, context)
    for channel in context.bank.context.channels:
        if named and channel.name not in named:
            continue
        at = context.channel(channel.name)
        normal, values = context.normal[:, at], context.series.values[:, at]
        known = context.usable[1:] & context.usable[:-1]
        moved = np.where(known, np.abs(np.diff(normal)), 0.0)
        large = 1 + np.flatnonzero(moved > max(channel.change, HALF * moved.max(initial=0.0)))
        if not len(large) or (_moved_for_long(normal, large, longest) > channel.change).mean() < HALF:
            continue
        here = np.nan_to_num(np.abs(np.diff(values[first - 1 : span.end])))
        change = first + np.argmax(here >= HALF * here.max())  # the first: a later one may be its end
        if _moved_for_long(values, np.array([change]), longest)[0] > channel.change:
            return True
        lasting = True
    return not lasting


def _moved_for_long(values: np.ndarray, at: np.ndarray, longest: int) -> np.ndarray:
    """How far values [n] are from those before some points, ``longest`` samples later, float [len(at)]."""
    before = (at[:, None] - 1 - np.arange(LEVEL)).clip(min=0)
    after = (at[:, None] + longest + np.arange(LEVEL)).clip(max=len(values) - 1)
    return np.asarray(np.abs(np.nanmedian(values[after], axis=1) - np.nanmedian(values[before], axis=1)))


def _reason(span: Span, name: str, context: Context) -> str:
    benign = () if context.bank is None else context.bank.benign
    quoted = [quote for rule in benign if rule.id == name for quote in quotes(rule, context.text)]
    because = f"'{name}' ({quoted[0]})" if quoted else f"'{name}'"
    return f"{span_text(context.series, span.begin, span.end)}: quiet because of {because}"
