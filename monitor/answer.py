"""From a series to an answer: where it is anomalous, since when, in which channels, like which rule, how sure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ape.detectors import Detector
from ape.detectors.inputs import prepared
from ape.monitor.alarms import alarms
from ape.monitor.context import Context
from ape.monitor.direction import without_opposite
from ape.monitor.edges import joined, sharpened
from ape.monitor.event import Event
from ape.monitor.findings import MOSTLY, findings
from ape.monitor.quiet import Quieted, quiet_events, settled
from ape.monitor.reason import reason
from ape.monitor.spans import Span
from ape.monitor.threshold import Threshold
from ape.posttrain.assessment import Assessment
from ape.posttrain.channels import assess
from ape.posttrain.detector import EnhancedDetector
from ape.rules import RuleBank
from ape.series import Series

AT_FAULT = 0.5  # least share of a channel at fault, of the largest share


@dataclass(frozen=True)
class Answer:
    """What a detector found in a series.

    Parameters
    ----------
    series : Series
        As the detector scores it: the channels in the order of training.
    assessment : Assessment
    score : ndarray, float [T]
        Calibrated score of each point.
    threshold : Threshold
    events : tuple of Event
        The worst first.
    context : Context
        What the events are explained with.
    quiet : tuple of Quieted
        What would be an event without benign rules, in order of time.
    """

    series: Series
    assessment: Assessment
    score: np.ndarray
    threshold: Threshold
    events: tuple[Event, ...]
    context: Context
    quiet: tuple[Quieted, ...] = ()


def answer(
    detector: Detector | EnhancedDetector,
    series: Series,
    threshold: Threshold,
    bank: RuleBank | None = None,
    text: str | None = None,
    assessment: Assessment | None = None,
) -> Answer:
    """Score a series and find its events. The training part is taken as normal: events in it are left out.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series
    threshold : Threshold
        Of this detector.
    bank : RuleBank, optional
        Default: that of an enhanced detector.
    text : str, optional
        Name of the file with the text that the bank quotes, for the reasons.
    assessment : Assessment, optional
        Of the series by this detector, if it is known already.
    """
    series = prepared(detector, series)
    assessment = assessment or assess(detector, series)
    score = threshold.score(assessment)
    raised = alarms(series, score, threshold.level)
    loud = [] if assessment.quiet is None else alarms(series, assessment.quiet.score, threshold.level)
    context = Context.of(detector, series, [*raised, *loud], threshold, bank, text)
    raised, quiet = settled(assessment, score, raised, context)
    found = [examined(_event(span, score, assessment, series), context) for span in raised]
    sharp, whole = quiet_events(joined(sharpened(event, context) for event in found), context)
    quiet = tuple(sorted((*quiet, *whole), key=lambda each: each.begin))
    worst_first = sorted(sharp, key=lambda event: (-event.score, event.begin))
    final = (event if event in found else examined(event, context) for event in worst_first)
    events = tuple(explained_by_rules(event, context) for event in final)
    return Answer(series, assessment, score, threshold, events, context, quiet)


def examined(event: Event, context: Context) -> Event:
    """Return the event with what is unusual in it."""
    return replace(event, findings=findings(event, context) if len(context.points) else ())


def explained_by_rules(event: Event, context: Context) -> Event:
    """Return the event with its reason, and without the rules that state the opposite of what its values do."""
    event = replace(event, rules=without_opposite(event.rules, event.findings, context.bank))
    return replace(event, reason=reason(event, event.findings, context))


def _event(span: Span, score: np.ndarray, assessment: Assessment, series: Series) -> Event:
    where = slice(span.begin, span.end)
    channels = _at_fault(score[where], assessment.shares[where], series.channels)
    worst = series.channels.index(channels[0][0])
    unseen = series.missing is not None and series.missing[where, worst].mean() >= MOSTLY
    return Event(
        begin=span.begin,
        end=span.end,
        peak=span.begin + int(np.nanargmax(score[where])),
        score=span.peak,
        channels=channels,
        rules=() if unseen else tuple(assessment.ranking(span.begin, span.end)),
        ongoing=span.end == series.length,
    )


def _at_fault(score: np.ndarray, shares: np.ndarray, channels: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Return the channels at fault: points count by their score."""
    scored = np.isfinite(score) & np.isfinite(shares).all(axis=1)
    share = np.average(shares[scored], axis=0, weights=score[scored])
    order = np.argsort(-share, kind="stable")
    return tuple((channels[c], float(share[c])) for c in order if share[c] >= AT_FAULT * share.max())
