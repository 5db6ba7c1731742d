"""Connect to a model server, and describe its errors in one line.

The server is vLLM's, or any other with OpenAI's ``/v1/models`` and ``/v1/chat/completions``.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
from pydantic import SecretStr

from ape.agents.served_chat import OddReply, ServedChat
from ape.core.errors import InputError

KEY_VARIABLE = "APE_BRAIN_KEY"
TIMEOUT = 180.0  # seconds for one reply; a server that is shutting down may never answer
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
    served = {entry["id"]: entry for entry in served_models(server) if isinstance(entry.get("id"), str)}
    if not served:
        raise InputError("the server serves no model", server, START_HINT)
    if model is not None and model not in served:
        raise InputError(f"the server has no model '{model}'", server, f"use one of: {', '.join(served)[:200]}")
    name = model or next(iter(served))
    chat = ServedChat(
        base_url=server,
        api_key=SecretStr(_key()),
        model=name,
        use_responses_api=False,
        temperature=0,
        stream_usage=True,
        seed=seed,
        timeout=TIMEOUT,
        max_retries=0,  # `ape.agents.replies` retries for longer than the client would
        max_completion_tokens=LONGEST_REPLY,
        default_headers={
            "Connection": "close"
        },  # an open connection would be bound to the event loop of its first call
    )
    return Connection(server, name, chat, _context_tokens(served[name]))


def base_address(address: str) -> str:
    """Return the address with the version of the protocol, ``/v1``, if it has no path."""
    address = address.rstrip("/")
    return address if urlsplit(address).path else f"{address}/v1"


def served_models(server: str) -> list[dict[str, Any]]:
    """Return the entries of ``/models``.

    Raises
    ------
    InputError
        The server does not answer, or is not a model server.
    """
    try:
        with openai.OpenAI(base_url=server, api_key=_key(), timeout=10, max_retries=0) as client:
            return [entry.model_dump() for entry in client.models.list().data]
    except openai.APIConnectionError as error:
        raise InputError("no server answers", server, START_HINT) from error
    except openai.NotFoundError as error:
        raise InputError("this is not a model server", server, START_HINT) from error
    except openai.OpenAIError as error:
        raise server_error(error, server) from error
    except (ValueError, TypeError, AttributeError) as error:  # the reply has another form
        raise InputError("this is not a model server", server, START_HINT) from error


def server_error(error: openai.OpenAIError, server: str) -> InputError:
    """Return the error of a failed request as an `InputError` with a hint."""
    if isinstance(error, openai.APITimeoutError):
        return InputError(f"no answer within {TIMEOUT:.0f} seconds", server, "check the server's load, then resume")
    if isinstance(error, openai.APIConnectionError):
        return InputError("lost the connection to the server", server, "restart the server, then resume")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return InputError("the server rejects the key", server, f"set {KEY_VARIABLE}")
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
        try:
            tokens = float(stated)  # type: ignore[arg-type]
        except (ValueError, TypeError):
            continue
        if tokens > 0:
            return tokens
    return math.inf


def _message_of(error: openai.OpenAIError) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error).split())[:300]
