"""A chat model on a server that accepts replies as servers really send them.

LangChain's client expects OpenAI's exact format. Other servers send arguments as objects, content as a list of parts,
calls in the old format, an error with status 200, or a page of HTML.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import openai
from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from ape.agents.json_text import encodable, is_complete
from ape.agents.served_http import OddReply
from ape.agents.thoughts import Screen
from ape.agents.written_calls import MOST_CALLS, read_arguments
from ape.core.blocking import run_blocking
from ape.core.redaction import redacted

THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
THOUGHT, WHOLE = "thought", "whole text"  # keys in a message's additional arguments
QUOTED = 120  # characters of an odd reply
MOST_CHARACTERS = 100_000  # of a text; a reply is much shorter, unless a model repeats itself
MOST_NAME = 100  # characters of a call's name, id and other short texts
MOST_TOKENS = 10**9  # that a server may say it counted
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

# The client warns of every field that has another type than OpenAI's; they are read here.
warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)


class ServedChat(ChatOpenAI):
    """`ChatOpenAI` for all servers, see the module's docstring.

    The thoughts of a reply are in ``additional_kwargs["thought"]``. A streamed reply shows neither thoughts nor calls
    written as text; its whole text is in ``additional_kwargs["whole text"]``.
    """

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        body = _as_data(response)
        choice = _first_choice(body)
        message = redacted(_plain_message(choice.get("message") or choice.get("text")))
        plain = {"choices": [{"message": message, "finish_reason": _short(choice.get("finish_reason"))}]}
        usage = _plain_usage(body.get("usage"))
        result = super()._create_chat_result({**plain, "usage": usage, "model": self.model_name}, generation_info)
        result.generations[0].message.additional_kwargs = {THOUGHT: message["thought"]} if message["thought"] else {}
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type[BaseMessageChunk], base_generation_info: Any
    ) -> ChatGenerationChunk | None:
        if not isinstance(chunk, dict):
            return None
        if chunk.get("error"):
            raise error_reply(chunk["error"])
        given = chunk.get("choices")
        choices, thought = [], ""
        for choice in [each for each in given if isinstance(each, dict)][:1] if isinstance(given, list) else []:
            delta = _plain_message(choice.get("delta") or choice.get("message"), streamed=True)
            choices.append({"delta": delta, "finish_reason": _short(choice.get("finish_reason"))})
            thought = delta["thought"]
        made = super()._convert_chunk_to_generation_chunk(
            {"choices": choices, "usage": _plain_usage(chunk.get("usage"))}, default_chunk_class, base_generation_info
        )
        if made is not None and isinstance(made.message, AIMessageChunk):
            made.message.additional_kwargs = {THOUGHT: thought} if thought else {}
        return made

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        # only the asynchronous client can end a request in time
        return run_blocking(self._agenerate(messages, stop, **kwargs))

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with _reading():
            return await super()._agenerate(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        screen, places, length = Screen(), CallPlaces(), 0
        received = False
        with _reading():
            async for chunk in super()._astream(*args, **kwargs):
                received = True
                if isinstance(chunk.message, AIMessageChunk) and chunk.message.tool_call_chunks:
                    pieces = places.separate(chunk.message.tool_call_chunks)
                    chunk.message.tool_call_chunks = pieces
                    length += sum(len(piece["args"] or "") for piece in pieces)
                if piece := str(chunk.message.content):
                    chunk.message.additional_kwargs[WHOLE] = piece
                    chunk.message.content = screen.show(piece)
                    chunk = ChatGenerationChunk(message=chunk.message, generation_info=chunk.generation_info)
                    length += len(piece)
                yield chunk
                if length > MOST_CHARACTERS or places.count >= MOST_CALLS:
                    break
        if not received:
            raise OddReply("it sent no stream")


class CallPlaces:
    """Give each call of a stream an index of its own; some servers send several calls with index 0."""

    def __init__(self) -> None:
        self._last: dict[int, ToolCallChunk] = {}  # the last call of each index sent, with its arguments
        self.count = 0

    def separate(self, pieces: list[ToolCallChunk]) -> list[ToolCallChunk]:
        """Return the pieces of calls with the indices of their calls; the first piece of a call has its name and id."""
        return [self._placed(piece) for piece in pieces]

    def _placed(self, piece: ToolCallChunk) -> ToolCallChunk:
        sent, call = piece["index"] or 0, self._last.get(piece["index"] or 0)
        if call is None or _begins_another(piece, call):
            self._last[sent] = {**piece, "args": piece["args"] or "", "index": self.count}
            self.count += 1
            return self._last[sent].copy()
        call["args"] = f"{call['args']}{piece['args'] or ''}"
        return {**piece, "index": call["index"], "name": None, "id": None}


def _begins_another(piece: ToolCallChunk, call: ToolCallChunk) -> bool:
    """Whether a piece has another id or name than the call, or a name after complete arguments."""
    if not piece["name"]:
        return False
    other_id = bool(piece["id"] and call["id"] and piece["id"] != call["id"])
    return other_id or piece["name"] != call["name"] or (bool(piece["args"]) and is_complete(call["args"] or ""))


@contextmanager
def _reading() -> Iterator[None]:
    """Turn the errors of a client that reads an unexpected body into an `OddReply`."""
    try:
        yield
    except openai.APIConnectionError as error:  # some versions of the client wrap all errors of a request
        raise (error.__cause__ if isinstance(error.__cause__, OddReply) else error) from error.__cause__
    except openai.APIStatusError:
        raise
    except openai.APIError as error:  # an event of a stream
        raise error_reply(error.body or error.message) from error
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        reason = " ".join(str(error).split())[:QUOTED]
        raise OddReply(f"it cannot be read ({type(error).__name__}: {reason})") from error


def _as_data(response: Any) -> Any:
    """Body of a reply as plain data. The client gives text if the server does not say that it sends JSON."""
    if isinstance(response, openai.BaseModel):
        return response.model_dump(warnings=False)
    if not isinstance(response, str):
        return response
    text = response.lstrip("\ufeff \r\n\t")
    if text.startswith("data:"):
        raise OddReply("it sent a stream that was not asked for", streamed=True)
    return json.loads(text) if text.startswith("{") else response


def _first_choice(body: Any) -> dict[str, Any]:
    """First choice of a reply; no choice is an empty reply.

    Raises
    ------
    OddReply
        The body is no reply of a model.
    """
    if not isinstance(body, dict):
        raise OddReply(f"it sent {_quoted(body)}" if body else "it sent nothing")
    if body.get("error"):
        raise error_reply(body["error"])
    if not any(body.get(field) for field in ("choices", "message", "model", "usage")) and body.get("choices") != []:
        sent = {name: value for name, value in body.items() if value is not None}
        raise OddReply(f"it sent {_quoted(json.dumps(sent, default=str))}")
    if body.get("object") == "error":  # vLLM's form
        raise error_reply(body)
    choices = body.get("choices") or [{"message": body.get("message") or {}}]
    return choices[0] if isinstance(choices, list) and isinstance(choices[0], dict) else {}


def error_reply(error: Any) -> OddReply:
    """Return the error that a server sent in place of a reply, as an exception."""
    details = error if isinstance(error, dict) else {"message": error}
    code = str(details.get("code") or details.get("status") or "")
    temporary = code == "429" or (len(code) == 3 and code.startswith("5"))
    return OddReply(" ".join(str(details.get("message") or error).split())[:300], temporary)


def _plain_usage(usage: Any) -> dict[str, int] | None:
    if not isinstance(usage, dict):
        return None
    return {name: _count(usage.get(name)) for name in COUNTS}


def _count(given: Any) -> int:
    """A number of tokens; what cannot be one counts as none."""
    return int(given) if isinstance(given, int | float) and 0 <= given <= MOST_TOKENS else 0


def _short(given: Any) -> str | None:
    return encodable(given[:MOST_NAME]) if isinstance(given, str) else None


def _plain_message(given: Any, streamed: bool = False) -> dict[str, Any]:
    """Message with its content as one text, calls in the current format with arguments as text, and its thought."""
    message: dict[str, Any] = given if isinstance(given, dict) else {"content": given}
    content, thought = _parts(message.get("content") or message.get("refusal"))
    content, thought = (encodable(text[:MOST_CHARACTERS]) for text in (content, thought))
    thought += "".join(encodable(message[field]) for field in THOUGHT_FIELDS if isinstance(message.get(field), str))
    entries = message.get("tool_calls") or []
    calls = entries if isinstance(entries, list) else [entries]
    if isinstance(legacy := message.get("function_call"), dict):
        calls = [*calls, {"function": legacy}]
    calls = [call for call in calls if isinstance(call, dict)][:MOST_CALLS]
    plain_calls = [_plain_call(call, place, streamed) for place, call in enumerate(calls)]
    return {"role": "assistant", "content": content, "thought": thought, "tool_calls": plain_calls}


def _parts(content: Any) -> tuple[str, str]:
    """Text and thought of a content, which may be a list of parts."""
    if not isinstance(content, list):
        return (content if isinstance(content, str) else "" if content is None else json.dumps(content)), ""
    said: list[str] = []
    thought: list[str] = []
    for part in content:
        if isinstance(part, dict):
            text = part.get("text") or part.get("content") or part.get("thinking") or part.get("reasoning") or ""
            text = text if isinstance(text, str) else _parts(text)[0]
            (thought if str(part.get("type", "")).startswith(("think", "reason")) else said).append(text)
        else:
            said.append(str(part))
    return "".join(said), "".join(thought)


def _plain_call(call: dict[str, Any], place: int, streamed: bool) -> dict[str, Any]:
    body = call["function"] if isinstance(call.get("function"), dict) else call
    given = body.get("arguments", body.get("parameters", body.get("input")))
    if not streamed:
        arguments = json.dumps(read_arguments(given))
    else:  # a piece of the arguments
        arguments = given if isinstance(given, str) else "" if given is None else json.dumps(given)
    name = _short(body.get("name"))
    function = {"name": name if streamed else name or "", "arguments": arguments}
    index = call.get("index")
    known = isinstance(index, int) and 0 <= index < MOST_TOKENS
    return {"id": _short(call.get("id")), "type": "function", "function": function, "index": index if known else place}


def _quoted(body: Any) -> str:
    return repr(" ".join(str(body).split())[:QUOTED])
