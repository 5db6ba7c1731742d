"""Check that a running server has what the agents need."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai
from PIL import Image

from ape.agents.answers import Mismatch, read_answer
from ape.agents.brain import Brain
from ape.agents.records import Proposal
from ape.agents.replies import read_reply, response_format
from ape.agents.served_http import OddReply
from ape.agents.server import LONGEST_REPLY, connect, odd_reply_error, server_error
from ape.agents.trial_consultations import try_consultations
from ape.agents.vllm_command import CONTEXT_TOKENS


@dataclass(frozen=True)
class Requirement:
    """A capability that the agents use, whether the server has it, and details or a hint.

    The agents can work without one that is not ``needed``, with poorer results.
    """

    name: str
    met: bool
    detail: str
    needed: bool = True


def check_server(address: str, model: str | None = None) -> list[Requirement]:
    """Test each requirement of the agents on a running server, and consult two agents.

    Raises
    ------
    InputError
        The server does not answer, or lacks the model.
    """
    connection = connect(address, model, seed=0)

    def test(probe: Callable[[Any], tuple[bool, str]]) -> tuple[bool, str]:
        try:
            return probe(connection.chat)
        except openai.OpenAIError as error:
            return False, server_error(error, connection.server).what
        except OddReply as reply:
            return False, odd_reply_error(reply, connection.server).what

    brain = Brain(connection.chat, connection.model, connection.server, connection.character_budget, cached=False)
    probes = {"JSON schema": _check_schema, "tool calls": _check_tool_calls, "vision": _check_vision}
    replied = [Requirement(name, *test(probe)) for name, probe in probes.items()]
    tried = try_consultations(brain) if any(each.met for each in replied) else []  # it would fail for minutes
    return [
        Requirement("model", True, connection.model),
        Requirement("context", *_check_context(connection.context_tokens)),
        *replied,
        *(Requirement(*found, needed=False) for found in tried),
    ]


def _check_context(tokens: float) -> tuple[bool, str]:
    if math.isinf(tokens):
        return True, f"not stated by the server; the agents need {CONTEXT_TOKENS} tokens"
    if tokens < CONTEXT_TOKENS:
        return False, f"{tokens:.0f} tokens; serve at least {CONTEXT_TOKENS}"
    return True, f"{tokens:.0f} tokens"


def _check_schema(chat: Any) -> tuple[bool, str]:
    request = "No rule fits this scenario. Answer with a Proposal that says so and has no rules."
    raw = chat.invoke(request, extra_body={"response_format": response_format(Proposal)})
    content = str(read_reply(raw, (), {}, Proposal).content)
    try:
        read_answer(content, Proposal)
    except Mismatch:
        return False, f"the answer does not match the schema: {content[:80]!r}"
    return True, "answers in the largest of the agents' records"


def _check_tool_calls(chat: Any) -> tuple[bool, str]:
    request = "Call robust_stats for the channel 'value'."
    properties = {"channel": {"type": "string", "enum": ["value"]}}
    tool = {
        "type": "function",
        "function": {
            "name": "robust_stats",
            "description": "Median and spread of a channel.",
            "parameters": {"type": "object", "properties": properties, "required": ["channel"]},
        },
    }
    reply = chat.invoke(request, tools=[tool])
    if reply.tool_calls or reply.invalid_tool_calls:
        return True, "calls a tool on request"
    if read_reply(reply, (), {"robust_stats": ["channel"]}, None).tool_calls:
        return True, "writes calls as text, which also works; a --tool-call-parser of the server is better"
    if chat.invoke(request, tools=[tool], tool_choice="required").tool_calls:
        return True, "calls a tool only when forced; a larger model calls tools by itself"
    return False, "the model calls no tool"


def _check_vision(chat: Any) -> tuple[bool, str]:
    png = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(png, "png")
    picture = {"type": "image", "base64": base64.b64encode(png.getvalue()).decode(), "mime_type": "image/png"}
    question = {"type": "text", "text": "Which colour is this square? One word."}
    reply = chat.invoke([("user", [question, picture])], max_completion_tokens=min(32, LONGEST_REPLY))
    said = str(read_reply(reply, (), {}, None).content)
    return True, f"accepts pictures; describes a red square as {said[:40]!r}"
