"""Request one reply of the brain: from the cache or the server, with retries and a count of the cost.

A reply of a server is read as it comes: without its thoughts, with the calls that the model wrote as text, and with an
id for each call.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, wait_exponential

from ape.agents import reply_cache
from ape.agents.answers import Mismatch, read_valid_items
from ape.agents.brain import Brain
from ape.agents.dialogue import plain_dialogue
from ape.agents.request_slots import request_slot
from ape.agents.thoughts import split_thoughts
from ape.agents.written_calls import MOST_CALLS, UNREADABLE, read_arguments, written_calls
from ape.core.errors import InputError
from ape.core.redaction import redacted

CACHED_REPLY = "cached reply"  # name of the callback event
RETRY_SECONDS = 120.0  # for a server that fails or restarts
MOST_ODD_REPLIES = 5  # in a row, for a server that answers but sends an error as a reply, or breaks off
LONGEST_PAUSE = 20.0  # seconds between two attempts
LONGEST_TOOL_REPLY = 1024  # tokens of a reply that may call tools
PICTURES_REMOVED = "(this server accepts no pictures)"
ABOUT_SCHEMA = re.compile(r"response_format|schema|grammar", re.IGNORECASE)
ABOUT_ROLES = re.compile(r"\broles?\b|alternat|jinja|template|system (?:message|prompt)", re.IGNORECASE)
CALL_ID_LENGTH = 9  # characters; the templates of some models accept no other length


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
    answered : int
        Consultations that the model answered.
    replaced : int
        Consultations that the embedded agent answered, because the model gave no valid answer.
    """

    calls: int = 0
    known: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    answered: int = 0
    replaced: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


class ReplyError(InputError):
    """A server answers, but not with what was asked for; ``usage`` is what its replies cost."""

    usage: Usage = Usage()


async def request_reply(
    brain: Brain,
    messages: Sequence[BaseMessage],
    tools: Sequence[BaseTool] = (),
    schema: type[BaseModel] | None = None,
    stream: bool = False,
    listen: Callable[[str], None] = lambda note: None,
) -> tuple[AIMessage, Usage]:
    """Request the next message of a conversation.

    Replies of a server are cached under the digest of all that they depend on, but those that cannot be used: they may
    be others next time.

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
    listen : callable
        Called with a note before the server is asked again.

    Returns
    -------
    AIMessage
    Usage

    Raises
    ------
    ReplyError
        The server sends no reply of a model, twice in a row.
    InputError
        The server fails for `RETRY_SECONDS`, or rejects the request.
    """
    options: dict[str, Any] = {"tools": [convert_to_openai_tool(tool) for tool in tools]} if tools else {}
    if schema is not None:
        options["response_format"] = response_format(schema)
    if brain.server is None:
        return await brain.model.bind(**options).ainvoke(list(messages)), Usage(calls=1)
    path = reply_cache.cache_path(brain.name, messages, options)
    if brain.cached and (cached := reply_cache.load_reply(path)) is not None:
        dispatch_custom_event(CACHED_REPLY, {"content": cached.content, "tool_calls": cached.tool_calls})
        return cached, Usage(known=1)
    start = time.perf_counter()
    raw = await _ask_server(brain, list(messages), options | {"stream": stream}, listen)
    reply = read_reply(raw, messages, {tool.name: list(tool.args) for tool in tools}, schema)
    seconds, tokens = time.perf_counter() - start, reply.usage_metadata
    if brain.cached and _is_usable(reply, schema):
        reply_cache.store_reply(path, reply)
    return reply, Usage(
        1, 0, tokens["input_tokens"] if tokens else 0, tokens["output_tokens"] if tokens else 0, seconds
    )


def read_reply(
    raw: AIMessage,
    messages: Iterable[BaseMessage],
    tools: Mapping[str, Sequence[str]],
    schema: type[BaseModel] | None,
) -> AIMessage:
    """Return a server's reply in the form that the agents work with.

    Parameters
    ----------
    raw : AIMessage
        The reply of `ape.agents.served_chat.ServedChat`.
    messages : iterable of BaseMessage
        The conversation before it, whose calls have ids.
    tools : mapping of str to sequence of str
        The tools that the reply may call, with their parameters.
    schema : type of BaseModel or None
        Record that the reply must match.

    Returns
    -------
    AIMessage
        The content is what the model says, without its thoughts. If it says nothing, the content of a reply that must
        match a schema is what it thinks, or the arguments of its call.
    """
    from ape.agents.served_chat import THOUGHT, WHOLE

    said, thought = split_thoughts(redacted(str(raw.additional_kwargs.get(WHOLE, raw.content))))
    thought = "\n".join(filter(None, [redacted(raw.additional_kwargs.get(THOUGHT, "")), thought]))
    calls = [
        {
            "name": str(call["name"]),
            "args": redacted(_arguments(call["args"], tools.get(str(call["name"]), ()))),
            "id": call["id"],
        }
        for call in (*raw.tool_calls, *raw.invalid_tool_calls)
        if call["name"]
    ]
    if schema is not None and not said:
        said = json.dumps(calls[0]["args"]) if calls else thought
    if not tools:
        calls = []
    elif not calls and (calls := written_calls(said, tools) or written_calls(thought, tools)):
        said = ""
    return raw.model_copy(
        update={
            "content": said,
            "tool_calls": _with_ids(calls[:MOST_CALLS], messages),
            "invalid_tool_calls": [],
            "additional_kwargs": {},
        }
    )


def _is_usable(reply: AIMessage, schema: type[BaseModel] | None) -> bool:
    """Whether a reply is a call, a text, or the record that was asked for."""
    if schema is None:
        return bool(reply.content or reply.tool_calls)
    try:
        read_valid_items(str(reply.content), schema)
    except Mismatch:
        return False
    return True


def _arguments(given: Any, parameters: Sequence[str]) -> dict[str, Any]:
    if isinstance(given, dict) and given.keys() == {UNREADABLE}:
        given = given[UNREADABLE]  # may be a list, which could not be read without the parameters
    return read_arguments(given, parameters)


def _with_ids(calls: list[dict[str, Any]], messages: Iterable[BaseMessage]) -> list[dict[str, Any]]:
    """Calls with ids that are new in the conversation; servers may send none, or the same one again."""
    used = {call["id"] for message in messages for call in getattr(message, "tool_calls", [])}
    complete = []
    for call in calls:
        given = call.get("id")
        if not given or given in used:
            text = json.dumps([len(used), call["name"], call["args"]], sort_keys=True, default=str)
            given = hashlib.sha256(text.encode()).hexdigest()[:CALL_ID_LENGTH]
        used.add(given)
        complete.append({"name": call["name"], "args": call["args"], "id": given, "type": "tool_call"})
    return complete


def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the option of OpenAI's protocol that makes a server answer in a record."""
    record = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": record}


async def _ask_server(
    brain: Brain, messages: list[BaseMessage], options: dict[str, Any], listen: Callable[[str], None]
) -> AIMessage:
    """Ask with retries; ask a server that rejects pictures or schemas again without them."""
    import openai  # slow to load, and the embedded brain does not need it

    from ape.agents.served_http import OddReply
    from ape.agents.server import odd_reply_error, server_error

    while True:
        try:
            return await _ask_with_retries(brain, messages, options, listen)
        except openai.APIStatusError as error:
            simpler = _simpler_request(messages, options, str(error))
            rejected = 400 <= error.status_code < 500 or error.status_code == 500  # some report a picture as a fault
            if simpler is None or not rejected:
                raise server_error(error, str(brain.server)) from error
            messages, options = simpler
        except openai.OpenAIError as error:
            raise server_error(error, str(brain.server)) from error
        except OddReply as reply:
            told = odd_reply_error(reply, str(brain.server))
            raise told if reply.temporary else ReplyError(told.what, told.where, told.hint) from reply


def _simpler_request(
    messages: list[BaseMessage], options: dict[str, Any], error: str
) -> tuple[list[BaseMessage], dict[str, Any]] | None:
    """The request without the option, the roles or the pictures that the server rejects; ``None`` without any."""
    if "response_format" in options and ABOUT_SCHEMA.search(error):
        schema = json.dumps(options["response_format"]["json_schema"]["schema"])
        described = HumanMessage(f"The JSON schema of the answer:\n{schema}")
        return [*messages, described], {name: value for name, value in options.items() if name != "response_format"}
    if ABOUT_ROLES.search(error) and (plain := plain_dialogue(messages)) != messages:
        return plain, options
    without_pictures = [_without_pictures(message) for message in messages]
    return None if without_pictures == messages else (without_pictures, options)


async def _ask_with_retries(
    brain: Brain, messages: list[BaseMessage], options: dict[str, Any], listen: Callable[[str], None]
) -> AIMessage:
    import httpx
    import openai

    from ape.agents.served_chat import THOUGHT
    from ape.agents.served_http import OddReply
    from ape.agents.server import odd_reply_error, server_error

    temporary = openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError
    options = dict(options)
    if answer := options.pop("response_format", None):
        options["extra_body"] = {"response_format": answer}  # the client would parse the answer of a known option

    odd = 0

    def may_pass(state: RetryCallState) -> bool:
        nonlocal odd
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, OddReply):
            odd += 1
            options["stream"] = error.streamed  # some servers cannot, and some can nothing else
            return odd < (MOST_ODD_REPLIES if error.temporary else 2)
        if state.seconds_since_start is None or state.seconds_since_start >= RETRY_SECONDS:
            return False
        if (
            isinstance(getattr(error, "__cause__", None), httpx.ProtocolError)
            and state.attempt_number >= MOST_ODD_REPLIES
        ):
            return False
        lasting = "image" in str(error) or ABOUT_ROLES.search(str(error))  # some report these as faults of their own
        return isinstance(error, temporary) and not lasting

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, OddReply):
            listen(f"asks {brain.name} again ({odd_reply_error(error, str(brain.server)).what})")
        elif isinstance(error, openai.OpenAIError):
            listen(f"asks {brain.name} again ({server_error(error, str(brain.server)).what})")

    async def ask(limit: dict[str, int]) -> Any:
        async with request_slot(str(brain.server), reply_cache.cache_folder().parent / "slots"):
            return await brain.model.bind(**options, **limit).ainvoke(messages)

    async def ask_with_retries(limit: dict[str, int]) -> Any:
        retrying = AsyncRetrying(
            retry=may_pass,
            wait=wait_exponential(max=LONGEST_PAUSE),
            before_sleep=tell,
            reraise=True,
        )
        return await retrying(ask, limit)

    if "tools" not in options:
        return await ask_with_retries({})
    reply = await ask_with_retries({"max_completion_tokens": LONGEST_TOOL_REPLY})
    thinks = reply.additional_kwargs.get(THOUGHT) or split_thoughts(str(reply.content))[1]
    if reply.response_metadata.get("finish_reason") == "length" and thinks and not reply.tool_calls:
        return await ask_with_retries({})  # it needs more tokens to think
    return reply


def _without_pictures(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, HumanMessage) or isinstance(message.content, str):
        return message
    texts = [block["text"] for block in message.content if isinstance(block, dict) and block.get("type") == "text"]
    return HumanMessage("\n".join([*texts, PICTURES_REMOVED]))
