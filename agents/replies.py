"""One reply of the brain: looked up or asked for, counted, and faults of the server outlasted or told in one line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from ape.agents.brain import Brain
from ape.agents.slots import slot
from ape.core.files import write_json

PATIENCE = 120.0  # seconds, for a server that fails or is being restarted
LONGEST_WAIT = 20.0  # seconds between two attempts
WRITTEN_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
LONGEST_CALLS = 1024  # tokens, of a reply that calls tools
KEPT_REPLY = "kept reply"  # the event of a reply that was known
UNSEEN = "(this server shows no pictures)"


@dataclass(frozen=True)
class Spent:
    """What replies cost: how many were asked for and how many known, tokens in and out, seconds waited."""

    calls: int = 0
    known: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


async def reply(
    brain: Brain,
    messages: Sequence[BaseMessage],
    tools: Sequence[BaseTool] = (),
    schema: type[BaseModel] | None = None,
    piecewise: bool = False,
) -> tuple[AIMessage, Spent]:
    """What the brain says next: with ``tools`` it may call them, with ``schema`` it answers in that record.

    A server's reply comes to the callbacks word by word if ``piecewise``.

    Replies of a server are kept under the digest of all that they depend on, so that the same question costs nothing.

    Raises
    ------
    InputError
        The server does not answer for two minutes, or refuses.
    """
    asked: dict[str, Any] = {"tools": [convert_to_openai_tool(tool) for tool in tools]} if tools else {}
    if schema is not None:
        asked["response_format"] = response_format(schema)
    if brain.server is None:
        return _message(await brain.model.bind(**asked).ainvoke(list(messages))), Spent(calls=1)
    path = kept_replies() / f"{_digest(brain.name, messages, asked)}.json"
    if (known := _known(path)) is not None:
        dispatch_custom_event(KEPT_REPLY, {"content": known.content, "tool_calls": known.tool_calls})
        return known, Spent(known=1)
    began = time.perf_counter()
    message = await _served(brain, list(messages), asked | {"stream": piecewise})
    usage = message.usage_metadata
    _keep(path, message)
    return message, Spent(
        1, 0, usage["input_tokens"] if usage else 0, usage["output_tokens"] if usage else 0, time.perf_counter() - began
    )


def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """What makes a server answer in a record, as OpenAI's protocol has it."""
    record = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": record}


def kept_replies() -> Path:
    """Folder of replies, shared by all runs of a person."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ape" / "replies"


async def _served(brain: Brain, messages: list[BaseMessage], asked: dict[str, Any]) -> AIMessage:
    import openai

    from ape.agents.served import fault

    passing = openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError
    limit = {"max_completion_tokens": LONGEST_CALLS} if "tools" in asked else {}
    model = brain.model.bind(**asked, **limit)
    attempts = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, passing) and "image" not in str(error)),
        stop=stop_after_delay(PATIENCE),
        wait=wait_exponential(max=LONGEST_WAIT),
        reraise=True,
    )
    try:
        try:
            return _message(await attempts(_asked, brain, model, messages))
        except (openai.BadRequestError, openai.InternalServerError):  # some servers call a picture their own error
            if (blind := [_without_pictures(message) for message in messages]) == messages:
                raise
            return _message(await attempts(_asked, brain, model, blind))
    except openai.LengthFinishReasonError as error:  # whoever reads it sees that it is cut off
        return AIMessage(error.completion.choices[0].message.content or "")
    except openai.OpenAIError as error:
        raise fault(error, str(brain.server)) from error


async def _asked(brain: Brain, model: Any, messages: list[BaseMessage]) -> Any:
    async with slot(str(brain.server), kept_replies().parent / "slots"):
        return await model.ainvoke(messages)


def _message(message: Any) -> AIMessage:
    """The message with calls that a server left in the text, as those with another parser than the model's do."""
    written = [] if message.tool_calls else WRITTEN_CALL.findall(str(message.content))
    calls = []
    for number, text in enumerate(written):
        try:
            body = json.loads(text)
            calls.append({"name": str(body["name"]), "args": dict(body["arguments"]), "id": f"written_{number}"})
        except (ValueError, KeyError, TypeError):
            continue
    return message if not calls else AIMessage("", tool_calls=calls, usage_metadata=message.usage_metadata)


def _without_pictures(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, HumanMessage) or isinstance(message.content, str):
        return message
    texts = [block["text"] for block in message.content if isinstance(block, dict) and block.get("type") == "text"]
    return HumanMessage("\n".join([*texts, UNSEEN]))


def _digest(name: str, messages: Sequence[BaseMessage], asked: dict[str, Any]) -> str:
    told = [
        [message.type, message.content, getattr(message, "tool_calls", None), getattr(message, "tool_call_id", None)]
        for message in messages
    ]
    return hashlib.sha256(json.dumps([name, told, asked], sort_keys=True).encode()).hexdigest()


def _keep(path: Path, message: AIMessage) -> None:
    calls = [{"name": call["name"], "args": call["args"], "id": call["id"]} for call in message.tool_calls]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"content": message.content, "tool_calls": calls})


def _known(path: Path) -> AIMessage | None:
    """A kept reply; a damaged one is asked for again."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return AIMessage(kept["content"], tool_calls=[{**call, "type": "tool_call"} for call in kept["tool_calls"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None
