"""One conversation as both faces use it, the terminal and the page: say, answer, act, branch, and what there is to see.

A turn runs in a thread of its own and to its end, whether or not anyone still listens; one turn at a time, whoever asks
(another tab, another process). All state is in the run folder.
"""

from __future__ import annotations

import json
import queue
import re
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from uuid import uuid4

import pandas as pd
from filelock import FileLock, Timeout
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StreamMode

from ape.agents import open_brain
from ape.core.blocking import run_blocking
from ape.core.errors import InputError
from ape.graphs.conversation import Conversation, Talk, build_conversation, desk_of
from ape.runs.execution import Callbacks, execute, retrain
from ape.runs.folder import Request, Run
from ape.runs.ledger import Ledger
from ape.runs.report import draw_scores
from ape.runs.tracing import recorded
from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.preview import draw_examples, sample_examples
from ape.tools.workbench import Workbench

TALK = "conversation.sqlite"
LOCK = ".talking.lock"
MAIN = "main"
BUSY = "I am still at work on the last request; ask again when it is done."
QUESTION = "A question waits for your yes or no first."
YES, NO = ("yes", "y", "ok", "do it", "sure"), ("no", "n", "don't", "stop", "not now")
NAME = re.compile(r"[\w-]{1,40}")

Kind = Literal["person", "saying", "said", "called", "found", "asked", "progress", "refused", "failed"]
Result = TypeVar("Result")
Graph = CompiledStateGraph[Talk, Any, Talk, Talk]


class Refused(Exception):
    """What was asked cannot be done now."""


@dataclass(frozen=True)
class Event:
    """One thing that happened, for whoever shows it.

    Parameters
    ----------
    kind : str
        ``person`` and ``said`` are what people and the guide say, ``saying`` some words of the latter as a server sends
        them, ``called`` and ``found`` a tool and its result, ``asked`` a question that waits for yes or no,
        ``progress`` a step that counts, ``refused`` and ``failed`` why nothing was done.
    text : str
    picture : Path, optional
    """

    kind: Kind
    text: str
    picture: Path | None = None


@dataclass(frozen=True)
class Card:
    """A rule on the desk, for people to look at and change; ``told`` is what the tools tell of it."""

    rule: str
    told: dict[str, Any]
    picture: Path


class Session:
    """A conversation in a run folder, in one of its threads.

    Parameters
    ----------
    folder : Path
        Of a conversation, see `begin`.
    thread : str
        The main one, or a branch.
    """

    def __init__(self, folder: Path, thread: str = MAIN) -> None:
        self.run = Run.open(folder)
        if not NAME.fullmatch(thread):
            raise InputError(f"no thread '{thread[:40]}'", str(folder), "use letters, digits and -")
        self.folder, self.thread = folder, thread
        self._artefacts = Artefacts(folder / "artefacts")

    @classmethod
    def begin(cls, folder: Path, request: Request, series: Series) -> Session:
        """Make the run folder of a new conversation."""
        Run.create(folder, request, series)
        return cls(folder)

    def say(self, text: str) -> Iterator[Event]:
        """Say something; what happens, as it happens."""
        text = text.strip()
        if not text:
            yield Event("refused", "Say what you want to know or to change; 'help' lists what I understand.")
            return
        yield from self._turn(lambda graph, config: _refuse_pending(graph, config, text))

    def answer(self, agreed: bool) -> Iterator[Event]:
        """Answer the question that waits."""
        yield from self._turn(lambda graph, config: _resumed(graph, config, agreed))

    def act(self, tool: str, arguments: dict[str, Any], asked: str) -> Iterator[Event]:
        """Call a tool as a button does, with the words that stand for it in the conversation."""

        async def laid(graph: Graph, config: RunnableConfig) -> Any:
            if await _pending(graph, config):
                raise Refused(QUESTION)
            call = {"name": tool, "args": arguments, "id": f"call_{uuid4().hex[:12]}", "type": "tool_call"}
            said: list[AnyMessage] = [HumanMessage(asked), AIMessage("", tool_calls=[call])]
            await graph.aupdate_state(config, {"messages": said}, as_node="think")
            return None

        yield from self._turn(laid)

    def history(self) -> list[Event]:
        """Everything that was said and done in this thread, and the question that waits, if any."""
        state, question = self._state()
        events = [event for message in state.get("messages", []) for event in self._events(message)]
        return [*events, *([Event("asked", question)] if question else [])]

    def cards(self) -> list[Card]:
        """The rules on the desk, each with a picture of its examples."""
        state, _ = self._state()
        desk = desk_of(state, Workbench(self.run.series, self._artefacts), self.run.request.seed)
        found = []
        for rule in desk.rules.values():
            drawn = draw_examples(*sample_examples(rule, desk.context, desk.hosts, desk.seed))
            picture = self._artefacts.path(self._artefacts.put_bytes(drawn, ".png"))
            found.append(Card(rule.id, desk.told(rule), picture))
        return found

    def scores(self) -> Path:
        """Picture of the scores before and after; a `ValueError` where there are none yet."""
        return self._artefacts.path(self._artefacts.put_bytes(_drawn(self.folder, self.run.series), ".png"))

    def threads(self) -> list[str]:
        """Names of the main thread and of all branches."""
        path = self.folder / TALK
        if not path.is_file():
            return [MAIN]
        with sqlite3.connect(path) as database:
            rows = database.execute("select distinct thread_id from checkpoints order by rowid").fetchall()
        return list(dict.fromkeys([MAIN, *(str(row[0]) for row in rows)]))

    def branch(self, turn: int | None = None, name: str | None = None) -> Session:
        """A new thread that stands where this one stood after the person's ``turn``-th word was dealt with.

        Parameters
        ----------
        turn : int, optional
            Default: the last one.
        name : str, optional
            Default: ``branch-`` and a number.
        """
        threads = self.threads()
        if turn is None:
            turn = sum(event.kind == "person" for event in self.history())
        name = name or f"branch-{len(threads)}"
        if name in threads:
            raise InputError(f"there is a thread '{name}' already", str(self.folder), "choose another name")
        other = Session(self.folder, name)

        async def copied(graph: Graph) -> None:
            async for state in graph.aget_state_history(_config(self.thread)):
                said = sum(isinstance(message, HumanMessage) for message in state.values.get("messages", []))
                if said == turn and not state.next:
                    await graph.aupdate_state(_config(name), state.values, as_node="think")
                    return
            raise InputError(f"there is no turn {turn} to branch off", str(self.folder), "give one that was dealt with")

        self._blocking(copied)
        return other

    def _turn(self, prepare: Callable[[Graph, RunnableConfig], Awaitable[Any]]) -> Iterator[Event]:
        """Run the graph to its end or to a question, in a thread that goes on when nobody listens any more."""
        told: queue.Queue[Event | None] = queue.Queue()

        def run() -> None:
            try:
                with FileLock(self.folder / LOCK, timeout=0):
                    self._blocking(lambda graph: self._run(graph, prepare, told.put), told.put)
            except Timeout:
                told.put(Event("refused", BUSY))
            except Refused as refusal:
                told.put(Event("refused", str(refusal)))
            except InputError as error:
                told.put(Event("failed", str(error)))
            except Exception as error:
                told.put(Event("failed", f"{type(error).__name__}: {error}"))
                raise
            finally:
                told.put(None)

        threading.Thread(target=run).start()
        while (event := told.get()) is not None:
            yield event

    async def _run(
        self,
        graph: Graph,
        prepare: Callable[[Graph, RunnableConfig], Awaitable[Any]],
        tell: Callable[[Event], None],
    ) -> None:
        config, talk = _config(self.thread), self.conversation(tell)
        given = await prepare(graph, config)
        with recorded(self.folder, self.thread) as callbacks:
            config = {**config, "callbacks": callbacks, "run_name": "conversation"}
            modes: list[StreamMode] = ["updates", "messages"]
            async for mode, update in graph.astream(given, config, context=talk, stream_mode=modes, durability="sync"):
                for event in self._pieces(update) if mode == "messages" else self._updates(update):
                    tell(event)

    @staticmethod
    def _pieces(update: Any) -> Iterator[Event]:
        """Words that a server has just sent; whole messages come as updates."""
        if isinstance(update[0], AIMessageChunk) and update[0].content:
            yield Event("saying", str(update[0].content))

    def _updates(self, update: Any) -> Iterator[Event]:
        for node, change in update.items():
            if node == "__interrupt__":
                yield Event("asked", change[0].value["question"])
                continue
            for message in (change or {}).get("messages", []):
                yield from self._events(message)

    def _events(self, message: AnyMessage) -> Iterator[Event]:
        if isinstance(message, HumanMessage):
            yield Event("person", str(message.content))
        elif isinstance(message, ToolMessage):
            body = json.loads(str(message.content))
            drawn = str(body["result"].get("artefact", ""))
            picture = self._artefacts.path(drawn) if drawn.endswith(".png") else None
            yield Event("found", f"{message.name}: {json.dumps(body['result'])}", picture)
        elif isinstance(message, AIMessage):
            for call in message.tool_calls:
                yield Event("called", f"{call['name']}({json.dumps(call['args'])})")
            if message.content:
                yield Event("said", str(message.content))

    def conversation(self, tell: Callable[[Event], None] = lambda event: None) -> Conversation:
        """What the graph's nodes work with."""

        def listen(agent: str, note: str) -> None:
            tell(Event("progress", f"{agent}: {note}"))

        def progress(step: str, done: int, total: int, note: str = "") -> None:
            tell(Event("progress", f"{step} {done} of {total} {note}".strip()))

        callbacks = Callbacks(listen, progress)
        return Conversation(
            workbench=Workbench(self.run.series, self._artefacts),
            brain=open_brain(self.run.request.brain, self.run.request.model, self.run.request.seed),
            record=Ledger(self.folder / "ledger.jsonl").write,
            seed=self.run.request.seed,
            mine=lambda: execute(self.run, callbacks, stop_before="train").bank,
            train=lambda bank: retrain(self.run, bank, callbacks).post_training,
            scores=lambda: _drawn(self.folder, self.run.series),
            listen=listen,
        )

    def _state(self) -> tuple[Talk, str]:
        """State of the thread, and the question that waits."""

        async def read(graph: Graph) -> tuple[Talk, str]:
            config = _config(self.thread)
            return cast(Talk, (await graph.aget_state(config)).values), await _pending(graph, config)

        return self._blocking(read)

    def _blocking(
        self, work: Callable[[Graph], Awaitable[Result]], tell: Callable[[Event], None] = lambda event: None
    ) -> Result:
        async def opened() -> Result:
            async with AsyncSqliteSaver.from_conn_string(str(self.folder / TALK)) as saver:
                return await work(build_conversation().compile(checkpointer=saver))

        try:
            return run_blocking(opened())
        except sqlite3.DatabaseError as error:
            where = str(self.folder / TALK)
            raise InputError(
                f"the conversation cannot be used: {error}", where, "free space, or move it away"
            ) from error


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}, "recursion_limit": 60}


async def _pending(graph: Graph, config: RunnableConfig) -> str:
    state = await graph.aget_state(config)
    waiting = [each for task in state.tasks for each in task.interrupts]
    return str(waiting[0].value["question"]) if waiting else ""


async def _refuse_pending(graph: Graph, config: RunnableConfig, text: str) -> Any:
    """What a person says, as input; where a question waits, yes and no are its answer, and anything else waits too."""
    if not await _pending(graph, config):
        return {"messages": [HumanMessage(text)]}
    word = text.lower().strip(" .!")
    if word in (*YES, *NO):
        return Command(resume=word in YES)
    raise Refused(QUESTION)


async def _resumed(graph: Graph, config: RunnableConfig, agreed: bool) -> Any:
    if not await _pending(graph, config):
        raise Refused("Nothing waits for an answer.")
    return Command(resume=agreed)


def _drawn(folder: Path, series: Series) -> bytes:
    if not (folder / "scores.csv").is_file():
        msg = "there are no scores yet: say 'go' first"
        raise ValueError(msg)
    return draw_scores(series, pd.read_csv(folder / "scores.csv"))
