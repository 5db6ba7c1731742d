"""Requests about the scored series: its events, why they are events, how many there are, and what is no event."""

from __future__ import annotations

import re
from typing import Any

from ape.agents.expert.transcript import ToolCalls, Transcript
from ape.agents.guide.clarify import ask
from ape.agents.guide.clock_words import NUMBERS, hours_in
from ape.agents.guide.drafts import draft_of, failure_in, kind_of
from ape.agents.guide.event_numbers import event_number, named_rank
from ape.agents.guide.layout import clock_text
from ape.agents.guide.names import channels_in
from ape.agents.guide.stretches import question, stretch_of
from ape.agents.guide.times import Stretch, Unclear
from ape.agents.records import Hint

EXPORT = "export the events"
_RULES = re.compile(r"^(?!.*\b(?:events?|alarms?|alerts?|anomal)).*\b(?:rules?|bank)\b", re.IGNORECASE | re.DOTALL)
MOST = 50  # events in a table
ASKED = 400  # characters of a request that are recorded
_TOP = re.compile(
    rf"\b(?:top|first|worst|largest|biggest)?\s*(?P<count>\d{{1,3}}|{'|'.join(NUMBERS)})\s+(?:(?:worst|biggest"
    r"|largest|top|most \w+|strongest)\s+)?(?:events?|anomal\w+|alarms?|alerts?|problems?|incidents?|findings?|ones"
    rf"|cases|outliers|stretches|spots|places|moments|bits)\b"
    rf"|\b(?:top|worst|first) (?P<top>\d{{1,3}}|{'|'.join(NUMBERS)})\b",
    re.IGNORECASE,
)
_WORST = re.compile(r"\b(?:worst|biggest|most severe) (?:event|anomaly|alarm|one)\b", re.IGNORECASE)
_BY_TIME = re.compile(
    r"\b(?:order of time|by (?:time|date)|chronolog\w+|sorted by (?:time|date)|latest|most recent|newest|last)\b", re.I
)
_RATE = re.compile(
    rf"\b(?P<count>\d+(?:\.\d+)?|once|twice|{'|'.join(NUMBERS)})(?: or (?:two|less"
    rf"|fewer))?(?: (?:\w+ ){{0,2}}(?:alarms?|alerts?|times?|events?))?"
    r" (?:a|an|per|each|every|in a) (?:(?P<some>couple of|few|two|three|\d+) )?(?P<per>hour|day|week|month|year)s?\b"
    r"|\b(?P<adverb>hourly|daily|weekly|monthly|yearly)\b",
    re.IGNORECASE,
)
_FEWER = re.compile(
    r"\b(?:fewer|less|too many|too much|too (?:often|nervous|sensitive)|so many|reduce|cut|calm|raise the threshold"
    r"|higher"
    r" threshold|increase the threshold|stricter|only (?:alert|warn|the)|down|rarer|quieter|cry wolf|false alarms?"
    r"|halve|fewer|tolerant|not so (?:many|often))\b", re.I
)  # fmt: skip
_MORE = re.compile(
    r"\b(?:more (?:\w+ )?(?:alerts?|alarms?|warnings?|notifications?|sensitive|often|events?)|double|too (?:few"
    r"|rare\w*|seldom)|lower the threshold|lower threshold|"
    r"decrease the threshold|miss(?:es|ed)?|sensitivity up|up the sensitivity)\b", re.IGNORECASE
)  # fmt: skip
_ASKED_WHY = re.compile(r"^\W*(?:why|how (?:many|much|come|often)|what (?:is|are|does|would|if))\b", re.IGNORECASE)
_LESS_SENSITIVE = re.compile(r"\b(?:less|not so|not that) sensitive\b", re.IGNORECASE)
_EVENT = re.compile(r"\b(?:that|this|the) (?:event|anomaly|alarm|alert)\b", re.IGNORECASE)
_PER_WEEK = {
    "hour": 168.0,
    "hourly": 168.0,
    "month": 7 / 30.44,
    "monthly": 7 / 30.44,
    "year": 7 / 365.25,
    "yearly": 7 / 365.25,
}


def list_events(transcript: Transcript) -> ToolCalls | str:
    """Return the call that lists events, narrowed by number, time and channel."""
    arguments = _narrowed(transcript)
    if isinstance(arguments, str):
        return arguments
    if not arguments and (rank := named_rank(transcript.request)) is not None:
        return [("explain_event", {"rank": rank})]
    stretch = stretch_of(transcript)
    if isinstance(stretch, Stretch) and stretch.is_moment:
        return [("explain_event", {"at": stretch.begin})]
    if _BY_TIME.search(transcript.request) and "begin" not in arguments:
        arguments["order"] = "time"
    return [("show_events", arguments)]


def export_events(transcript: Transcript) -> ToolCalls | str:
    """Return the call that writes events into a file."""
    if _RULES.search(transcript.request):
        return ask("Only the events can be written into another file; the rules are in the run folder.", [EXPORT])
    arguments = _narrowed(transcript)
    if isinstance(arguments, str):
        return arguments
    if re.search(r"\bjson\b", transcript.request, re.IGNORECASE):
        arguments["format"] = "json"
    return [("export_events", arguments)]


def explain_event(transcript: Transcript) -> ToolCalls | str:
    """Return the call that explains an event, or what happened at a time."""
    if (rank := event_number(transcript)) is not None:
        return [("explain_event", {"rank": rank})]
    stretch = stretch_of(transcript)
    if isinstance(stretch, Unclear):
        return question(stretch, transcript)
    if stretch is None:
        single = transcript.task["scored"].get("events") == 1
        return [("explain_event", {"rank": 1}) if single else ("show_events", {})]
    if stretch.is_moment:
        return [("explain_event", {"at": stretch.begin})]
    return [("show_events", {"begin": stretch.begin, "end": stretch.end})]


def show_alert_rates(transcript: Transcript) -> ToolCalls | str:
    """Return the call that tells the threshold and the number of alerts, also at a rate that the request names."""
    rate = _rate(transcript.request)
    return [("show_alert_rates", dict(zip(("number", "per"), rate, strict=True)) if rate else {})]


def change_rate(transcript: Transcript) -> ToolCalls | str:
    """Return the call that changes the accepted rate of false alarms, or shows the rates if it is not clear to which.

    The person is asked before it is made.
    """
    rate = _rate(transcript.request)
    if _ASKED_WHY.match(transcript.request):
        return [("show_alert_rates", {})]
    if rate is not None:
        return [("set_alert_rate", {"number": rate[0], "per": rate[1]})]
    text = transcript.request
    more, fewer = _MORE.search(text) is not None, _FEWER.search(text) is not None
    if _LESS_SENSITIVE.search(text):
        more = False
    if more and fewer:
        return ask("Do you want fewer alerts, or more?", ["fewer alerts", "more alerts"])
    if not more and not fewer:
        return [("show_alert_rates", {})]  # with what fewer and more would mean
    return [("set_alert_rate", {"direction": "more" if more else "fewer"})]


def take_as_normal(transcript: Transcript) -> ToolCalls | str:
    """Return the call that adds a benign rule for what a request describes, or for an event; otherwise a question."""
    text, asked = transcript.request, transcript.request[:ASKED]
    which: dict[str, Any] = {"rank": event_number(transcript)}
    stretch = stretch_of(transcript)
    if which["rank"] is None and isinstance(stretch, Stretch) and isinstance(stretch.begin, str) and _dated(stretch):
        which = {"at": stretch.begin}
    if which.get("rank") or which.get("at"):
        scored = transcript.task.get("scored")
        return [("add_benign_event", {**which, "asked": asked})] if scored else _describe_it(transcript)
    if _EVENT.search(text):
        return ask("Which event is normal?", ["event 1 is normal", "event 2 is normal"])
    hint = failure_in(text, transcript)
    kind = None if hint is None else kind_of(hint, transcript)
    if kind is None and hours_in(text) is not None:  # some work at that time; the person is asked before it counts
        hint = Hint(rationale="benign", quote=text[:200], line=1, mechanism="abrupt_change", morphology="step")
        kind = kind_of(hint, transcript)
    if hint is None or kind is None:
        return _describe_it(transcript)
    return [("add_benign_rule", {"draft": draft_of(text, hint, kind, transcript, id_prefix="normal-"), "asked": asked})]


def _dated(stretch: Stretch) -> bool:
    """Whether a stretch is a moment or a day, rather than a time of the day."""
    return stretch.begin == stretch.end and str(stretch.begin)[:4].isdecimal()


def _describe_it(transcript: Transcript) -> str:
    channel = transcript.task.get("channels", ["the value"])[0]
    hours = hours_in(transcript.request)
    when = "at night" if hours is None else f"between {clock_text(hours[0])} and {clock_text(hours[1])}"
    options = [f"do not alert when {channel} jumps {when}"]
    if transcript.task.get("scored"):
        options.append("event 1 is normal")
    return ask("I do not see what happens then, so nothing was changed. What does it look like?", options)


def _narrowed(transcript: Transcript) -> dict[str, Any] | str:
    """Return the arguments that narrow a list of events, or a question."""
    arguments: dict[str, Any] = {}
    if match := _TOP.search(transcript.request):
        word = (match["count"] or match["top"]).lower()
        arguments["top"] = min(int(NUMBERS.get(word) or word), MOST)
    elif _WORST.search(transcript.request):
        arguments["top"] = 1
    channels = channels_in(transcript.request, transcript.task.get("channels", []))
    if channels:
        arguments["channel"] = channels[0]
    stretch = stretch_of(transcript)
    if isinstance(stretch, Unclear):
        return question(stretch, transcript)
    if stretch is not None and not (match and stretch.text and match[0] in stretch.text):
        arguments |= {"begin": stretch.begin, "end": stretch.end}
    return arguments


def _rate(text: str) -> tuple[float, str] | None:
    """Return the rate that a text names, as a number and ``day`` or ``week``."""
    match = _RATE.search(text)
    if match is None:
        return None
    if match["adverb"]:
        count, per = 1.0, match["adverb"].lower().removesuffix("ly").replace("dai", "day")
    else:
        word = match["count"].lower()
        count, per = {"once": 1.0, "twice": 2.0}.get(word) or NUMBERS.get(word) or float(word), match["per"].lower()
        if match["some"]:
            count /= NUMBERS.get(match["some"].lower()) or float(match["some"])
    if per in _PER_WEEK:
        return round(count * _PER_WEEK[per], 4), "week"
    return count, per
