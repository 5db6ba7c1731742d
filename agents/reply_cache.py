"""Replies of served models on disk: a request that was answered before costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from ape.core.files import write_json


def cache_folder() -> Path:
    """Return the folder of the cached replies, shared by all runs of a user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ape" / "replies"


def cache_path(model: str, messages: Sequence[BaseMessage], options: dict[str, Any]) -> Path:
    """Return the file of a reply, named by the digest of all that the reply depends on."""
    plain = [
        [message.type, message.content, getattr(message, "tool_calls", None), getattr(message, "tool_call_id", None)]
        for message in messages
    ]
    digest = hashlib.sha256(json.dumps([model, plain, options], sort_keys=True).encode()).hexdigest()
    return cache_folder() / f"{digest}.json"


def load_reply(path: Path) -> AIMessage | None:
    """Return a cached reply, ``None`` if there is none or its file is damaged."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return AIMessage(body["content"], tool_calls=[{**call, "type": "tool_call"} for call in body["tool_calls"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store_reply(path: Path, reply: AIMessage) -> None:
    """Write a reply to the cache."""
    calls = [{"name": call["name"], "args": call["args"], "id": call["id"]} for call in reply.tool_calls]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"content": reply.content, "tool_calls": calls})
