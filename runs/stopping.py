"""Stop a turn of a conversation: cancel what waits, and interrupt a long step at its next report of progress."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from ape.agents.tool_calls import result_message, store_evidence
from ape.runs.updates import Update
from ape.tools.artefacts import Artefacts

STOPPED = "Stopped. What was not finished is dropped; ask again to resume."


class StoppedError(Exception):
    """The person stopped the turn."""


class Stopper:
    """Stops the turn that runs; another thread may call `stop`."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._cancel: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """Stop the turn that runs, if any."""
        if not self._asked.is_set():
            self._asked.set()
            self._cancel()

    def begin(self, on_update: Callable[[Update], None]) -> Callable[[Update], None]:
        """Begin a turn; return ``on_update``, which from now on raises `StoppedError` once the turn is stopped."""
        self._asked.clear()

        def checked(update: Update) -> None:
            if self._asked.is_set():
                raise StoppedError
            on_update(update)

        return checked

    async def stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run the work of a turn; return whether it was stopped."""
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            await task
        except (StoppedError, asyncio.CancelledError):
            return True
        finally:
            self._cancel = lambda: None
        return False


async def answer_stopped_calls(graph: CompiledStateGraph, config: RunnableConfig, artefacts: Artefacts) -> None:
    """End a turn that was stopped, so that its tool calls do not wait for their results."""
    messages: list[AnyMessage] = (await graph.aget_state(config)).values.get("messages", [])
    result = {"error": "the person stopped it"}
    calls = getattr(messages[-1], "tool_calls", []) if messages else []
    ended = [result_message(call, result, store_evidence(call, result, artefacts)) for call in calls]
    await graph.aupdate_state(config, {"messages": [*ended, AIMessage(STOPPED)]}, as_node="think")
