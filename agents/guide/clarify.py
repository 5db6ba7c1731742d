"""Ask back where a request fits several things, and find out which of them the next message means.

A question contains each option as a request in double quotes. So the conversation itself stores what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ape.agents.expert.transcript import Transcript
from ape.agents.guide.intents import Intent

SAY = "Say for example"
NEAREST = "The nearest that I can do is"
_OPTIONS = re.compile(rf"(?:{SAY}|{NEAREST}) (.*)", re.DOTALL)
_QUOTED = re.compile(r'"([^"\n]+)"')
_YES = re.compile(
    r"^\W*(?:yes|y|yeah|yep|sure|ok(?:ay)?|do (?:it|that)|please(?: do)?|right|exactly|correct|that(?: one)?)\W*$", re.I
)
_ORDINALS = (("1", "first", "former"), ("2", "second", "latter"), ("3", "third"))
_LONGEST_CHOICE = 6  # words
_SMALL = {
    "the",
    "one",
    "on",
    "of",
    "a",
    "it",
    "i",
    "mean",
    "please",
    "in",
    "that",
    "rule",
    "at",
    "to",
    "option",
    "number",
}


def ask(question: str, options: Sequence[str]) -> str:
    """Return a question with its options, each a complete request."""
    quoted = " or ".join(f'"{option.replace(chr(34), "")}"' for option in options)
    return f"{question} {SAY} {quoted}."


def nearest(intents: Sequence[Intent], transcript: Transcript) -> str:
    """Return that a request was not understood, and the nearest things that can be done."""
    listed = " or ".join(f'{intent.title}: "{example_of(intent, transcript)}"' for intent in intents)
    return f"I did not understand that, and did nothing. {NEAREST} to {listed}. 'help' lists all."


def example_of(intent: Intent, transcript: Transcript) -> str:
    """Return a request for an intent, with the names of this conversation."""
    rules = transcript.task.get("dropped" if intent.id == "restore" else "rules", []) or ["RULE"]
    channels = transcript.task.get("channels", []) or ["CHANNEL"]
    return intent.example.replace("RULE", rules[0]).replace("CHANNEL", channels[0])


def chosen(transcript: Transcript) -> Transcript:
    """Return the conversation with the option as the last request, if this chooses an option of the last question."""
    last = next((text for text in reversed(transcript.earlier) if text), "")
    listed = _OPTIONS.search(last)
    if listed is None or len(transcript.request.split()) > _LONGEST_CHOICE:
        return transcript
    options = _QUOTED.findall(listed[1])
    choice = _choice(transcript.request, options)
    return transcript if choice is None else replace(transcript, request=choice)


def _choice(reply: str, options: list[str]) -> str | None:
    if _YES.match(reply):
        return options[0] if len(options) == 1 else None
    words = set(re.findall(r"[\w-]+", reply.lower())) - _SMALL
    if not words:
        return None
    for names, option in zip(_ORDINALS, options, strict=False):
        if words <= set(names):
            return option
    if words <= {"last", "latter"}:
        return options[-1]
    fitting = [option for option in options if words <= set(re.findall(r"[\w-]+", option.lower()))]
    return fitting[0] if len(fitting) == 1 else None
