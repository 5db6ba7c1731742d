"""Connect to a model server, and describe its errors in one line.

The server is vLLM's, or any other with OpenAI's ``/v1/models`` and ``/v1/chat/completions``.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import openai
from pydantic import SecretStr

from ape.agents.served_chat import ServedChat, error_reply
from ape.agents.served_http import BoundedClient, OddReply
from ape.core.blocking import run_blocking
from ape.core.errors import InputError
from ape.core.redaction import redacted, without_credentials

KEY_VARIABLE = "APE_BRAIN_KEY"
TIMEOUT = 180.0  # seconds for a whole reply; a server that is shutting down may never answer
STREAM_TIMEOUT = 600.0  # for one that is streamed: a slow model's, which a person sees growing
MODELS_TIMEOUT = 10.0  # for the list of models
REPLY_BYTES = 4 * 2**20  # of a reply, also of a stream, which has some 200 bytes for each token
MODELS_BYTES = 48 * 2**20  # of the list of models; 300,000 take 30 MB
LONGEST_NAME = 300  # characters of a model's name
MOST_NAMED = 20  # models in a message
MOST_CONTEXT = 10**9  # tokens that a server may state
LONGEST_REPLY = 4096  # tokens
INSTRUCTIONS = 3072  # tokens of the longest prompt, with its task and tools
CHARACTERS_PER_TOKEN = 2.0  # for numbers in JSON
START_HINT = "start one ('ape brain serve' prints the command), or use --brain embedded"


@dataclass(frozen=True)
class Connection:
    """A model on a server, with the client for it.

    Parameters
    ----------
    server : str
        Base address.
    model : str
    chat : ServedChat
    context_tokens : float
        Longest conversation with the model, infinity if the server does not state it.
    """

    server: str
    model: str
    chat: ServedChat
    context_tokens: float

    @property
    def character_budget(self) -> float:
        """Characters of tool results that fit into a conversation, see `ape.agents.Brain`."""
        return CHARACTERS_PER_TOKEN * (self.context_tokens - LONGEST_REPLY - INSTRUCTIONS)


def connect(address: str, model: str | None, seed: int) -> Connection:
    """Connect to a model on a server; by default to the first model that it lists.

    Raises
    ------
    InputError
        The server does not answer, or does not serve the model.
    """
    server = base_address(address)
    served = {entry["id"]: entry for entry in served_models(address)}
    if not served:
        raise InputError("the server serves no model", server, START_HINT)
    if model is not None and model not in served:
        some = ", ".join(list(served)[:MOST_NAMED])
        raise InputError(f"the server has no model '{model}'", server, f"use one of: {some[:200]}")
    name = model or next(iter(served))
    if redacted(name) != name:
        raise InputError("the name of the server's model contains the key", server, "rename the model")
    chat = ServedChat(
        base_url=server,
        api_key=SecretStr(_key()),
        model=name,
        use_responses_api=False,
        temperature=0,
        stream_usage=True,
        seed=seed,
        timeout=TIMEOUT,
        stream_chunk_timeout=None,  # the client ends a stream in time
        max_retries=0,  # `ape.agents.replies` retries for longer than the client would
        max_completion_tokens=LONGEST_REPLY,
        http_async_client=_client(address, TIMEOUT, STREAM_TIMEOUT, REPLY_BYTES),
    )
    return Connection(server, name, chat, _context_tokens(served[name]))


def base_address(address: str) -> str:
    """Return the address without user and password, and with the version of the protocol, ``/v1``, if it has no path.

    Raises
    ------
    InputError
        It is no address of a server.
    """
    try:
        plain = without_credentials(address.strip()).rstrip("/")
        parts, url = urlsplit(plain), httpx.URL(plain)
        port = parts.port
    except (ValueError, httpx.InvalidURL):
        raise _no_address() from None
    if url.scheme not in ("http", "https") or not url.host or port == 0 or parts.query or parts.fragment:
        raise _no_address()
    return plain if parts.path else f"{plain}/v1"


def _no_address() -> InputError:
    """Error that repeats nothing of the address, which may hold a secret."""
    hint = f"give http://HOST:PORT or http://HOST:PORT/v1, and a key in {KEY_VARIABLE}"
    return InputError("not the address of a model server", "brain", hint)


def served_models(address: str) -> list[dict[str, Any]]:
    """Return the entries of ``/models`` with a usable name as ``id``.

    Raises
    ------
    InputError
        The server does not answer, or is not a model server.
    """
    server = base_address(address)
    try:
        return run_blocking(_ask_for_models(address, server))
    except openai.APITimeoutError as error:
        what = f"no list of models within {MODELS_TIMEOUT:.0f} seconds"
        raise InputError(what, server, START_HINT) from error
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, OddReply):
            raise odd_reply_error(error.__cause__, server) from error
        raise InputError("no server answers", server, START_HINT) from error
    except openai.NotFoundError as error:
        raise InputError("this is not a model server", server, START_HINT) from error
    except openai.OpenAIError as error:
        raise server_error(error, server) from error
    except OddReply as reply:
        raise odd_reply_error(reply, server) from reply
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:  # the reply has another form
        raise InputError("this is not a model server", server, START_HINT) from error


async def _ask_for_models(address: str, server: str) -> list[dict[str, Any]]:
    async with _client(address, MODELS_TIMEOUT, MODELS_TIMEOUT, MODELS_BYTES) as http:
        client = openai.AsyncOpenAI(
            base_url=server,
            api_key=_key(),
            max_retries=0,
            http_client=http,  # type: ignore[arg-type]  # version 3 has types for httpx2 alone, and takes both
        )
        body = json.loads((await client.get("/models", cast_to=httpx.Response)).content)
    if isinstance(body, dict):
        if body.get("error"):
            raise error_reply(body["error"])
        body = next((body[field] for field in ("data", "models") if isinstance(body.get(field), list)), None)
    entries = []
    for entry in (each for given in body for each in (given if isinstance(given, list) else [given])):
        given = entry if isinstance(entry, dict) else {"id": entry}
        name = given.get("id") or given.get("name")
        if isinstance(name, str) and len(name) <= LONGEST_NAME and name.isprintable():
            entries.append({**given, "id": name})
    return entries


def _client(address: str, seconds: float, stream_seconds: float, most_bytes: int) -> BoundedClient:
    """Client that sends the user and the password of the address."""
    given = urlsplit(address.strip())
    auth = None if given.username is None else httpx.BasicAuth(unquote(given.username), unquote(given.password or ""))
    return BoundedClient(
        seconds,
        stream_seconds,
        most_bytes,
        auth=auth,
        limits=httpx.Limits(max_connections=None),
        headers={"Connection": "close"},  # an open connection would be bound to the event loop of its first call
    )


def server_error(error: openai.OpenAIError, server: str) -> InputError:
    """Return the error of a failed request as an `InputError` with a hint."""
    if isinstance(error, openai.APITimeoutError):
        what = f"no answer within {TIMEOUT:.0f} seconds ({STREAM_TIMEOUT:.0f} for a stream)"
        return InputError(what, server, "check the server's load, then resume")
    if isinstance(error, openai.APIConnectionError):
        reason = " ".join(str(error.__cause__ or error).split())[:120]
        return InputError(f"lost the connection to the server: {reason}", server, "restart the server, then resume")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        hint = f"set {KEY_VARIABLE}, or APE_BRAIN_URL to the address with user and password"
        return InputError("the server rejects the key", server, hint)
    if isinstance(error, openai.NotFoundError):
        return InputError("the server no longer serves the model", server, "serve it again, then resume")
    if isinstance(error, openai.BadRequestError):
        hint = "run 'ape brain check' to see what the server lacks"
        return InputError(f"the server rejects the request: {_message_of(error)}", server, hint)
    hint = "read the server's log, restart the server, then resume"
    return InputError(f"the server fails: {_message_of(error)}", server, hint)


def odd_reply_error(reply: OddReply, server: str) -> InputError:
    """Return the error of a reply that is none of a model."""
    hint = "wait and resume" if reply.temporary else "check the address and the server's log, then resume"
    return InputError(f"the server gave no reply of a model: {reply.what}", server, hint)


def _key() -> str:
    """Key for the server; most local servers need none."""
    return os.environ.get(KEY_VARIABLE, "EMPTY")


def _context_tokens(entry: dict[str, Any]) -> float:
    """Context length in a model's entry, as vLLM or llama.cpp states it."""
    meta = entry["meta"] if isinstance(entry.get("meta"), dict) else {}
    for stated in (entry.get("max_model_len"), meta.get("n_ctx_train")):
        if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 < stated <= MOST_CONTEXT:
            return float(stated)
    return math.inf


def _message_of(error: openai.OpenAIError) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error).split())[:300]
