"""The conversation for LangGraph's own development server, which can give a graph no more than a run folder's name.

``langgraph dev --allow-blocking`` in the project's folder reads ``langgraph.json``; what is said there stays in that
server's threads, and what is done to rules, banks and scores in the folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.graph import StateGraph
from langgraph.runtime import Runtime

from ape.graphs.conversation import Conversation, Talk, act, build_conversation, think
from ape.runs.session import Session

Node = Callable[[Talk, Runtime[Conversation]], Awaitable[Talk]]


@dataclass(frozen=True)
class Opened:
    """What the server's user gives: the folder of a conversation that ``ape chat`` has begun."""

    folder: str


def conversation() -> StateGraph[Talk, Any, Talk, Talk]:
    """The graph of `ape.graphs.conversation`, on the folder that its context names."""
    return build_conversation(_opening(think), _opening(act), Opened)


def _opening(node: Node) -> Callable[[Talk, Runtime[Opened]], Awaitable[Talk]]:
    async def opened(state: Talk, runtime: Runtime[Opened]) -> Talk:
        session = await asyncio.to_thread(Session, Path(runtime.context.folder))
        return await node(state, Runtime(context=session.conversation()))

    return opened
