"""Request one reply of the brain: from the cache or the server, with retries and a count of the cost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from ape.agents import reply_cache
from ape.agents.brain import Brain
from ape.agents.request_slots import request_slot

CACHED_REPLY = "cached reply"  # name of the callback event
RETRY_SECONDS = 120.0  # for a server that fails or restarts
LONGEST_PAUSE = 20.0  # seconds between two attempts
LONGEST_TOOL_REPLY = 1024  # tokens of a reply that may call tools
WRITTEN_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
PICTURES_REMOVED = "(this server accepts no pictures)"


@dataclass(frozen=True)
class Usage:
    """The cost of replies.

    Parameters
    ----------
    calls : int
        Replies that the model gave.
    known : int
        Cached replies. The ledger has them under this name.
    tokens_in, tokens_out : int
    seconds : float
        Time spent waiting for the server.
    """

    calls: int = 0
    known: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


async def request_reply(
    brain: Brain,
    messages: Sequence[BaseMessage],
    tools: Sequence[BaseTool] = (),
    schema: type[BaseModel] | None = None,
    stream: bool = False,
) -> tuple[AIMessage, Usage]:
    """Request the next message of a conversation.

    Replies of a server are cached under the digest of all that they depend on.

    Parameters
    ----------
    brain : Brain
    messages : sequence of BaseMessage
        The conversation so far.
    tools : sequence of BaseTool
        Tools that the reply may call.
    schema : type of BaseModel, optional
        Record that the reply must match.
    stream : bool
        Whether callbacks receive a server's reply word by word.

    Returns
    -------
    AIMessage
    Usage

    Raises
    ------
    InputError
        The server fails for `RETRY_SECONDS`, or rejects the request.
    """
    options: dict[str, Any] = {"tools": [convert_to_openai_tool(tool) for tool in tools]} if tools else {}
    if schema is not None:
        options["response_format"] = response_format(schema)
    if brain.server is None:
        return _with_written_calls(await brain.model.bind(**options).ainvoke(list(messages))), Usage(calls=1)
    path = reply_cache.cache_path(brain.name, messages, options)
    if (cached := reply_cache.load_reply(path)) is not None:
        dispatch_custom_event(CACHED_REPLY, {"content": cached.content, "tool_calls": cached.tool_calls})
        return cached, Usage(known=1)
    start = time.perf_counter()
    reply = await _ask_server(brain, list(messages), options | {"stream": stream})
    seconds, tokens = time.perf_counter() - start, reply.usage_metadata
    reply_cache.store_reply(path, reply)
    return reply, Usage(
        1, 0, tokens["input_tokens"] if tokens else 0, tokens["output_tokens"] if tokens else 0, seconds
    )


def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the option of OpenAI's protocol that makes a server answer in a record."""
    record = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": record}


async def _ask_server(brain: Brain, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
    """Ask with retries; ask a server that rejects pictures again without them."""
    import openai  # slow to load, and the embedded brain does not need it

    from ape.agents.server import server_error

    try:
        try:
            return await _ask_with_retries(brain, messages, options)
        except (openai.BadRequestError, openai.InternalServerError):  # some servers report a picture as their own error
            without_pictures = [_without_pictures(message) for message in messages]
            if without_pictures == messages:
                raise
            return await _ask_with_retries(brain, without_pictures, options)
    except openai.LengthFinishReasonError as error:  # the caller's validation notices that the answer is cut off
        return AIMessage(error.completion.choices[0].message.content or "")
    except openai.OpenAIError as error:
        raise server_error(error, str(brain.server)) from error


async def _ask_with_retries(brain: Brain, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
    import openai

    temporary = openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError
    limit = {"max_completion_tokens": LONGEST_TOOL_REPLY} if "tools" in options else {}
    model = brain.model.bind(**options, **limit)

    async def ask() -> Any:
        async with request_slot(str(brain.server), reply_cache.cache_folder().parent / "slots"):
            return await model.ainvoke(messages)

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, temporary) and "image" not in str(error)),
        stop=stop_after_delay(RETRY_SECONDS),
        wait=wait_exponential(max=LONGEST_PAUSE),
        reraise=True,
    )
    return _with_written_calls(await retrying(ask))


def _with_written_calls(message: Any) -> AIMessage:
    """Parse tool calls in the text, which a server with another model's parser leaves there."""
    texts = [] if message.tool_calls else WRITTEN_CALL.findall(str(message.content))
    calls = []
    for number, text in enumerate(texts):
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
    return HumanMessage("\n".join([*texts, PICTURES_REMOVED]))
