"""The embedded guide: turns a person's request into tool calls, and their results into an answer.

It never acts on a guess. It asks where a request fits several things, and names the nearest ones where it fits none.
"""

from __future__ import annotations

import re

from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript
from ape.agents.guide.answers import summarise
from ape.agents.guide.clarify import ask, chosen, example_of, nearest
from ape.agents.guide.drafts import READ_TEXT
from ape.agents.guide.intents import Intent, Reading, read_request
from ape.agents.guide.names import unsure_channels
from ape.agents.guide.orders import not_an_order
from ape.agents.guide.requests import ACTIONS, Response, add_rule, asks_for_new_rule

UNDERSTOOD = 0.2  # least probability of what is only shown or measured
SURE = 0.35  # least probability of what changes something
AHEAD = 1.5  # times the probability of the next, at least, for what changes something
FAMILIAR, KNOWN = 0.35, 0.48  # least similarity to a phrase if the intent is clear, and if it is not
CLEAR = 0.6  # probability of a clear intent
SMALL_TALK, SAID = ("thanks", "quit", "help"), 0.65  # they need a phrase that is as similar
MOST_OPTIONS = 4  # channels that a question names
# intents that look at the channel that a request names
OF_CHANNELS = ("period", "trend", "spectrum", "changes", "values", "odd", "events", "show", "change", "export")
_HYPOTHETICAL = re.compile(r"\b(?:what (?:happens|if|would happen)|what would change|suppose)\b", re.IGNORECASE)


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return the tool calls for the last request; none once they are done, or if there is nothing to call."""
    if _results(transcript):
        return []
    response = _respond(transcript)
    return response if isinstance(response, list) else []


def answer(transcript: Transcript) -> str:
    """Return a summary of the results, or an answer or a question without any."""
    if results := _results(transcript):
        return "\n\n".join(summarise(result, transcript.task.get("step_seconds")) for result in results)
    response = _respond(transcript)
    return response if isinstance(response, str) else _not_understood(read_request(transcript), transcript)


def _results(transcript: Transcript) -> list[ToolResult]:
    """Results for the last request, without the text that was only read to understand it."""
    return [result for result in transcript.results[transcript.results_before :] if result.tool != READ_TEXT]


def _respond(transcript: Transcript) -> Response:
    """Tool calls for the last request, or an answer."""
    transcript = chosen(transcript)
    if asks_for_new_rule(transcript.request):
        return add_rule(transcript)
    reading = read_request(transcript)
    (first, share), (second, next_share), *_ = reading.ranked
    if not _understood(reading) or (first.acts and _HYPOTHETICAL.search(transcript.request)):
        return _not_understood(reading, transcript)
    if first.acts:
        if (reply := not_an_order(first, transcript)) is not None:
            return reply
        if share < SURE or share < AHEAD * next_share:
            return _which([first, second], transcript)
    if first.id in OF_CHANNELS and (
        channels := unsure_channels(transcript.request, transcript.task.get("channels", []))
    ):
        options = [f"{transcript.request.strip(' .?!')} in {name}" for name in channels[:MOST_OPTIONS]]
        return ask(f"Which channel do you mean: {', '.join(channels)}?", options)
    return ACTIONS[first.id](transcript)


def _understood(reading: Reading) -> bool:
    intent, share = reading.ranked[0]
    if intent.id in SMALL_TALK:
        return reading.familiar >= SAID
    return share >= UNDERSTOOD and reading.familiar >= (FAMILIAR if share >= CLEAR else KNOWN)


def _not_understood(reading: Reading, transcript: Transcript) -> str:
    listed = [intent for intent, _ in reading.ranked if intent.id not in SMALL_TALK]
    return nearest(listed[:2], transcript)


def _which(intents: list[Intent], transcript: Transcript) -> str:
    titles = " or ".join(intent.title for intent in intents)
    return ask(
        f"I am not sure what you mean, and did nothing: to {titles}?",
        [example_of(each, transcript) for each in intents],
    )
