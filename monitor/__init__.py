"""From scores to answers: thresholds with a meaning, events, and reasons."""

from ape.monitor.answer import Answer, answer
from ape.monitor.event import Event
from ape.monitor.event_files import read_events, write_events
from ape.monitor.threshold import AlertRate, Threshold, threshold_for

__all__ = ["AlertRate", "Answer", "Event", "Threshold", "answer", "read_events", "threshold_for", "write_events"]
