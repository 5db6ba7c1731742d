"""A conversation in a run folder, as the terminal and the page use it: speak, answer, act, branch, look at the rules.

All state is in the run folder. A turn runs in a thread of its own and to its end, even if the caller stops listening.
The lock of the folder allows one turn at a time, also across processes.
"""

from __future__ import annotations

import contextvars
import queue
import re
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StreamMode

from ape.agents import open_brain
from ape.core.blocking import run_blocking
from ape.core.errors import InputError
from ape.core.locks import InUseError
from ape.core.run_files import ARTEFACTS, CONVERSATION, LEDGER
from ape.graphs.conversation import ConversationContext, ConversationState, Scored, build_conversation, desk_of
from ape.rules import RuleBank
from ape.runs.changing import changing
from ape.runs.checkpoints import open_sqlite
from ape.runs.execution import Callbacks, execute, post_train_with_bank
from ape.runs.folder import Request, Run, read_request
from ape.runs.ledger import Ledger
from ape.runs.scored import ScoredRun
from ape.runs.stopping import STOPPED, Stopper, answer_stopped_calls
from ape.runs.tracing import record_spans
from ape.runs.updates import Update, updates_of_message, updates_of_stream
from ape.series import Series
from ape.series.plots import draw_series
from ape.series.reading.report import reading_lines
from ape.tools.artefacts import Artefacts
from ape.tools.preview import draw_examples, sample_examples
from ape.tools.workbench import Workbench

MAIN = "main"
YES, NO = ("yes", "y", "ok", "do it", "sure"), ("no", "n", "don't", "stop", "not now")
THREAD_NAME = re.compile(r"[\w-]{1,40}")
EMPTY = "Ask a question, or say what to change; 'help' lists the requests that I understand."
BUSY = "I am still working on the last request; ask again when it is done."
UNANSWERED = "First answer the question: yes or no."
NO_QUESTION = "There is no question to answer."

Result = TypeVar("Result")
Graph = CompiledStateGraph[ConversationState, Any, ConversationState, ConversationState]
Prepare = Callable[[Graph, RunnableConfig], Awaitable[Any]]  # returns the input of the graph
OnUpdate = Callable[[Update], None]


@dataclass(frozen=True)
class Card:
    """A rule on the desk, with the summary that the tools report and a picture of its examples."""

    rule: str
    summary: dict[str, Any]
    picture: Path


class Session:
    """One thread of a conversation in a run folder.

    Parameters
    ----------
    folder : Path
        Run folder of a conversation, see `create`.
    thread : str
        The main thread, or a branch.

    Raises
    ------
    InputError
        The folder is no run folder, or the name of the thread is not valid.
    """

    def __init__(self, folder: Path, thread: str = MAIN) -> None:
        self.run = Run.open(folder)
        if not THREAD_NAME.fullmatch(thread):
            raise InputError(f"'{thread[:40]}' is not a valid thread name", str(folder), "use letters, digits and -")
        self.folder, self.thread = folder, thread
        self._artefacts = Artefacts(folder / ARTEFACTS)
        self._stopper = Stopper()

    @classmethod
    def create(cls, folder: Path, request: Request, series: Series) -> Session:
        """Make the run folder of a new conversation."""
        Run.create(folder, request, series)
        return cls(folder)

    def say(self, text: str) -> Iterator[Update]:
        """Send a message of the person, and yield what happens. While a question waits, the message must answer it."""
        text = text.strip()
        if not text:
            yield Update("refused", EMPTY)
            return

        async def prepare(graph: Graph, config: RunnableConfig) -> Any:
            if not await _waiting_question(graph, config):
                return {"messages": [HumanMessage(text)]}
            word = text.lower().strip(" .!")
            if word not in (*YES, *NO):
                raise _RefusedError(UNANSWERED)
            return Command(resume=word in YES)

        yield from self._turn(prepare)

    def answer(self, agreed: bool) -> Iterator[Update]:
        """Answer the question that waits, and yield what happens."""

        async def prepare(graph: Graph, config: RunnableConfig) -> Any:
            if not await _waiting_question(graph, config):
                raise _RefusedError(NO_QUESTION)
            return Command(resume=agreed)

        yield from self._turn(prepare)

    def act(self, tool: str, arguments: dict[str, Any], request: str) -> Iterator[Update]:
        """Call a tool as a button does, with ``request`` as the person's message, and yield what happens."""

        async def prepare(graph: Graph, config: RunnableConfig) -> Any:
            if await _waiting_question(graph, config):
                raise _RefusedError(UNANSWERED)
            call = {"name": tool, "args": arguments, "id": f"call_{uuid4().hex[:12]}", "type": "tool_call"}
            messages: list[AnyMessage] = [HumanMessage(request), AIMessage("", tool_calls=[call])]
            await graph.aupdate_state(config, {"messages": messages}, as_node="think")
            return None

        yield from self._turn(prepare)

    def stop(self) -> None:
        """Stop the turn that this session runs, as soon as its step reports progress; its changes are dropped."""
        self._stopper.stop()

    def history(self) -> list[Update]:
        """Return all messages and tool calls of this thread, and the question that waits, if any."""
        state, question = self._state()
        updates = [
            update for message in state.get("messages", []) for update in updates_of_message(message, self._artefacts)
        ]
        return [*updates, *([Update("question", question)] if question else [])]

    def cards(self) -> list[Card]:
        """Return the rules on the desk, each with a picture of its examples."""
        state, _ = self._state()
        desk = desk_of(state, Workbench(self.run.series, self._artefacts), self.run.request.seed)
        cards = []
        for rule in desk.rules.values():
            picture = draw_examples(sample_examples(rule, desk.context, desk.hosts, desk.seed), desk.workbench.time)
            cards.append(Card(rule.id, desk.describe(rule), self._store_picture(picture)))
        return cards

    def reading(self) -> str:
        """Return how the series was read, as lines of text."""
        return "\n".join(reading_lines(self.run.series))

    def series_picture(self) -> Path:
        """Return a picture of the series."""
        return self._store_picture(draw_series(self.run.series))

    def scores(self) -> Path:
        """Return a picture of the scores before and after post-training.

        Raises
        ------
        ValueError
            Nothing was trained yet.
        """
        return self._store_picture(self._require_scored().scores_picture())

    def events(self) -> tuple[dict[str, Any], Path]:
        """Return the events as the tools report them, and a picture of them.

        Raises
        ------
        ValueError
            Nothing was scored yet.
        """
        found = self._require_scored().events()
        return found, self._artefacts.path(found["artefact"])

    def threads(self) -> list[str]:
        """Return the names of the main thread and of all branches."""
        path = self.folder / CONVERSATION
        if not path.is_file():
            return [MAIN]
        try:
            with sqlite3.connect(path) as database:
                rows = database.execute("select distinct thread_id from checkpoints order by rowid").fetchall()
        except sqlite3.DatabaseError as error:
            raise InputError(f"the conversation cannot be read: {error}", str(path), "start a new one") from error
        return list(dict.fromkeys([MAIN, *(str(row[0]) for row in rows)]))

    def branch(self, turn: int | None = None, name: str | None = None) -> Session:
        """Make a new thread in the state that this one had after a turn.

        Parameters
        ----------
        turn : int, optional
            Number of messages of the person before the branch. Default: all of them.
        name : str, optional
            Default: ``branch-`` and a number.

        Raises
        ------
        InputError
            The name is taken, or the turn does not exist or is not finished.
        """
        threads = self.threads()
        if turn is None:
            turn = sum(update.kind == "person" for update in self.history())
        name = name or f"branch-{len(threads)}"
        if name in threads:
            raise InputError(f"the thread '{name}' exists already", str(self.folder), "choose another name")
        branch = Session(self.folder, name)

        async def copy(graph: Graph) -> None:
            async for state in graph.aget_state_history(_config(self.thread)):
                count = sum(isinstance(message, HumanMessage) for message in state.values.get("messages", []))
                if count == turn and not state.next:
                    await graph.aupdate_state(_config(name), state.values, as_node="think")
                    return
            raise InputError(f"there is no finished turn {turn}", str(self.folder), "give the number of another turn")

        with changing(self.folder) as alone:
            if not alone:
                raise InputError("the last request is not done", str(self.folder), "branch when it is done")
            self._with_graph(copy)
        return branch

    def context(self, on_update: OnUpdate = lambda update: None) -> ConversationContext:
        """Return what the graph's nodes work with; progress is reported to ``on_update``."""

        def listen(agent: str, note: str) -> None:
            on_update(Update("progress", f"{agent}: {note}"))

        def progress(step: str, done: int, total: int, note: str = "") -> None:
            on_update(Update("progress", f"{step} {done} of {total} {note}".strip()))

        callbacks, request = Callbacks(listen, progress), read_request(self.folder)
        run = replace(self.run, request=request)  # the person may have changed the rate of alarms
        return ConversationContext(
            workbench=Workbench(self.run.series, self._artefacts),
            brain=open_brain(request.brain, request.model, request.seed),
            record=Ledger(self.folder / LEDGER).write,
            seed=request.seed,
            mine=lambda: cast(RuleBank, _isolated(execute, run, callbacks, mine_only=True).mined),
            train=lambda bank: _isolated(post_train_with_bank, run, bank, callbacks).post_training,
            scored=self._scored,
            listen=partial(listen, "guide"),
        )

    def _turn(self, prepare: Prepare) -> Iterator[Update]:
        """Run the graph in a thread, to its end or to a question, and yield its updates."""
        updates: queue.Queue[Update | None] = queue.Queue()
        put = self._stopper.begin(updates.put)

        def run() -> None:
            try:
                with changing(self.folder) as alone:
                    if not alone:
                        raise _RefusedError(BUSY)
                    stopped = self._with_graph(lambda graph: self._stream(graph, prepare, put))
                if stopped:
                    updates.put(Update("reply", STOPPED))
            except _RefusedError as refusal:
                updates.put(Update("refused", str(refusal)))
            except InUseError as error:
                updates.put(Update("refused", f"{BUSY} The folder is {error.what}."))
            except InputError as error:
                updates.put(Update("failed", str(error)))
            except Exception as error:
                updates.put(Update("failed", f"{type(error).__name__}: {error}"))
                raise
            finally:
                updates.put(None)

        threading.Thread(target=run).start()
        while (update := updates.get()) is not None:
            yield update

    async def _stream(self, graph: Graph, prepare: Prepare, on_update: OnUpdate) -> bool:
        """Run the graph and report its updates; return whether the person stopped it."""
        config = _config(self.thread)
        graph_input = await prepare(graph, config)
        stopped = await self._stopper.stopped(self._report(graph, graph_input, config, on_update))
        if stopped:
            await answer_stopped_calls(graph, config, self._artefacts)
        return stopped

    async def _report(self, graph: Graph, graph_input: Any, config: RunnableConfig, on_update: OnUpdate) -> None:
        context = self.context(on_update)
        modes: list[StreamMode] = ["updates", "messages"]
        with record_spans(self.folder, self.thread) as callbacks:
            config = {**config, "callbacks": callbacks, "run_name": "conversation"}
            async for mode, item in graph.astream(
                graph_input, config, context=context, stream_mode=modes, durability="sync"
            ):
                for update in updates_of_stream(mode, item, self._artefacts):
                    on_update(update)

    def _state(self) -> tuple[ConversationState, str]:
        """Return the state of the thread, and the question that waits."""

        async def read(graph: Graph) -> tuple[ConversationState, str]:
            config = _config(self.thread)
            state = (await graph.aget_state(config)).values
            return cast(ConversationState, state), await _waiting_question(graph, config)

        return self._with_graph(read)

    def _with_graph(self, work: Callable[[Graph], Awaitable[Result]]) -> Result:
        """Give ``work`` the conversation graph with the checkpoints of the run folder."""

        async def opened() -> Result:
            async with open_sqlite(self.folder / CONVERSATION) as saver:
                return await work(build_conversation().compile(checkpointer=saver))

        return run_blocking(opened())

    def _scored(self) -> Scored | None:
        found = ScoredRun.of(self.run, self._artefacts)
        return None if found is None else found.for_guide()

    def _require_scored(self) -> ScoredRun:
        found = ScoredRun.of(self.run, self._artefacts)
        if found is None:
            msg = "there are no scores yet, and no events: say 'go' first"
            raise ValueError(msg)
        return found

    def _store_picture(self, png: bytes) -> Path:
        return self._artefacts.path(self._artefacts.put_bytes(png, ".png"))


class _RefusedError(Exception):
    """A request that cannot be done now."""


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}, "recursion_limit": 60}


def _isolated(work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """Call a function in a new context, so that a run in a tool does not become part of the conversation graph."""
    return contextvars.Context().run(work, *arguments, **options)


async def _waiting_question(graph: Graph, config: RunnableConfig) -> str:
    """Return the question that waits for an answer; empty if there is none."""
    state = await graph.aget_state(config)
    waiting = [each for task in state.tasks for each in task.interrupts]
    return str(waiting[0].value["question"]) if waiting else ""
