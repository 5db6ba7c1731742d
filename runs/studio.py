"""The conversation graph for LangGraph's development server, which can pass a graph only the name of a run folder.

``langgraph dev --allow-blocking`` in the project's folder reads ``langgraph.json``. Messages are stored in the threads
of that server; rules, banks and scores are stored in the run folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from langgraph.runtime import Runtime

from ape.graphs.conversation import ConversationGraph, ConversationState, Node, act, build_conversation, think
from ape.runs.session import Session


@dataclass(frozen=True)
class FolderContext:
    """The context that the user of the server gives: the run folder of a conversation that ``ape chat`` started."""

    folder: str


def conversation() -> ConversationGraph:
    """Return the graph of `ape.graphs.conversation` for the run folder that its context names."""
    return build_conversation(_in_folder(think), _in_folder(act), FolderContext)


def _in_folder(node: Node) -> Callable[[ConversationState, Runtime[FolderContext]], Awaitable[ConversationState]]:
    """Return the node with the context of the conversation in the run folder."""

    async def run_node(state: ConversationState, runtime: Runtime[FolderContext]) -> ConversationState:
        session = await asyncio.to_thread(Session, Path(runtime.context.folder))
        return await node(state, Runtime(context=session.context()))

    return run_node
