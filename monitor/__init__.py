"""From scores to answers: thresholds with a meaning, events, and reasons."""

from ape.core.alert_rates import AlertRate
from ape.monitor.answer import Answer, answer
from ape.monitor.durations import Expectation, duration_text, expectation
from ape.monitor.event import Event, Finding
from ape.monitor.event_files import events_frame, read_events, write_events
from ape.monitor.expected import Expected, expected
from ape.monitor.quiet import Quieted
from ape.monitor.threshold import Threshold, threshold_for
from ape.monitor.times import span_text

__all__ = [
    "AlertRate",
    "Answer",
    "Event",
    "Expectation",
    "Expected",
    "Finding",
    "Quieted",
    "Threshold",
    "answer",
    "duration_text",
    "events_frame",
    "expectation",
    "expected",
    "read_events",
    "span_text",
    "threshold_for",
    "write_events",
]
