"""Show the stretch of the series that a request names: with scores and events once there are some."""

from __future__ import annotations

import re
from typing import Any

from ape.agents.expert.transcript import ToolCalls, Transcript
from ape.agents.guide.clarify import ask
from ape.agents.guide.days import Span
from ape.agents.guide.event_numbers import event_number
from ape.agents.guide.names import channels_in, without_channels
from ape.agents.guide.times import Stretch, Unclear, find_stretch


def stretch_of(transcript: Transcript) -> Stretch | Unclear | None:
    """Return the stretch that the last request names, see `find_stretch`; names of channels may contain numbers."""
    request = without_channels(transcript.request, transcript.task.get("channels", []), "it")
    return find_stretch(request, Span.of(transcript.task))


def question(unclear: Unclear, transcript: Transcript) -> str:
    """Return a question for a time that is not clear."""
    if unclear.options:
        return ask(unclear.reason, unclear.options)
    return f"{unclear.reason} Say 'show 200 to 900', or times: '{_example_of_times(transcript)}'."


def show_stretch(transcript: Transcript) -> ToolCalls | str:
    """Return the call that draws a stretch, or a question."""
    task, stretch = transcript.task, stretch_of(transcript)
    channels = channels_in(transcript.request, task.get("channels", []))
    if isinstance(stretch, Unclear):
        return question(stretch, transcript)
    if task.get("scored"):
        arguments: dict[str, Any] = {"channels": channels} if channels else {}
        if stretch is not None:
            return [("show_stretch", {**arguments, "begin": stretch.begin, "end": stretch.end})]
        if (rank := event_number(transcript)) is not None:
            return [("explain_event", {"rank": rank})]
        if re.search(r"\d", without_channels(transcript.request, task.get("channels", []), "")):
            return f"From where to where? Say 'show 200 to 900', or times: '{_example_of_times(transcript)}'."
        return [("show_stretch", arguments)]
    channel = (channels or task.get("channels", []))[0]
    if stretch is None and not re.search(r"\d", without_channels(transcript.request, task.get("channels", []), "")):
        return [("render_overview", {"channel": channel})]
    if stretch is None or stretch.is_moment:
        return f"From where to where? Say 'show 200 to 900', or times: '{_example_of_times(transcript)}'."
    return [("render_zoom", {"channel": channel, "begin": stretch.begin, "end": stretch.end})]


def _example_of_times(transcript: Transcript) -> str:
    first, last = (transcript.task.get(name) for name in ("first_time", "last_time"))
    return f"show {first} to {last}" if first and last else "show 2024-01-31 8:00 to 12:00"
