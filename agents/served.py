"""A model behind HTTP: finding it on its server, and saying in one line what went wrong there.

The server is vLLM's, or any other with OpenAI's ``/v1/models`` and ``/v1/chat/completions``.
"""

from __future__ import annotations

import math
import os
from typing import Any
from urllib.parse import urlsplit

import openai
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ape.core.errors import InputError

KEY = "APE_BRAIN_KEY"
TIMEOUT = 180.0  # seconds, of one reply: a server that is being stopped may never answer
LONGEST_REPLY = 4096  # tokens
INSTRUCTIONS = 3072  # tokens, of the longest prompt, task and tools
DENSITY = 2.0  # characters a token: numbers in JSON
START = "start one ('ape brain serve' tells how), or give --brain embedded"


def connect(address: str, model: str | None, seed: int) -> tuple[str, str, ChatOpenAI, float]:
    """Base address of the server, name of the model, the client for it, and the room for tool results, see `Brain`.

    Raises
    ------
    InputError
        The server does not answer, or does not serve the model.
    """
    server = base_of(address)
    served = {str(entry["id"]): entry for entry in served_models(server)}
    if not served:
        raise InputError("the server serves no model", server, START)
    if model is not None and model not in served:
        raise InputError(f"the server has no model '{model}'", server, f"give one of: {', '.join(served)[:200]}")
    name = model or next(iter(served))
    chat = ChatOpenAI(
        base_url=server,
        api_key=SecretStr(key()),
        model=name,
        use_responses_api=False,
        temperature=0,
        stream_usage=True,
        seed=seed,
        timeout=TIMEOUT,
        max_retries=0,  # `ape.agents.replies` waits longer than the client would
        max_completion_tokens=LONGEST_REPLY,
        default_headers={"Connection": "close"},  # one kept open would belong to the event loop of its first call
    )
    room = DENSITY * (context_of(served[name]) - LONGEST_REPLY - INSTRUCTIONS)
    return server, name, chat, room


def context_of(entry: dict[str, Any]) -> float:
    """Tokens that a conversation with a model may have, where its entry tells; else infinity."""
    return float(entry.get("max_model_len") or (entry.get("meta") or {}).get("n_ctx_train") or math.inf)


def base_of(address: str) -> str:
    """The address with the protocol's version, which people leave out."""
    address = address.rstrip("/")
    return address if urlsplit(address).path else f"{address}/v1"


def key() -> str:
    """What the server is shown; most that run at home ask for none."""
    return os.environ.get(KEY, "EMPTY")


def served_models(server: str) -> list[dict[str, Any]]:
    """Entries of ``/models``; `InputError` where the server does not answer as it should."""
    try:
        with openai.OpenAI(base_url=server, api_key=key(), timeout=10, max_retries=0) as client:
            return [entry.model_dump() for entry in client.models.list().data]
    except openai.APIConnectionError as error:
        raise InputError("no server answers", server, START) from error
    except openai.NotFoundError as error:
        raise InputError("what answers there is no server of models", server, START) from error
    except openai.OpenAIError as error:
        raise fault(error, server) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError("what answers there is no server of models", server, START) from error


def fault(error: openai.OpenAIError, server: str) -> InputError:
    """What a person should know of a failed call."""
    if isinstance(error, openai.APITimeoutError):
        return InputError(f"no answer within {TIMEOUT:.0f} seconds", server, "look at its load, then resume")
    if isinstance(error, openai.APIConnectionError):
        return InputError("the server has gone", server, "start it again, then resume")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return InputError("the server refuses the key", server, f"set {KEY}")
    if isinstance(error, openai.NotFoundError):
        return InputError("the server no longer has the model", server, "serve it again, then resume")
    if isinstance(error, openai.BadRequestError):
        return InputError(
            f"the server refuses the request: {_said(error)}", server, "'ape brain check' tells what it lacks"
        )
    return InputError(f"the server fails: {_said(error)}", server, "look at its log, start it again, then resume")


def _said(error: openai.OpenAIError) -> str:
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(said or error).split())[:300]
