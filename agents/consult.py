"""One consultation of one agent: it calls tools until it has enough evidence, then answers in a record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from ape.agents.answers import Mismatch, read_answer, read_valid_items
from ape.agents.brain import Brain
from ape.agents.expert.model import ANSWERS, ExpertChatModel
from ape.agents.prompts import SYSTEM
from ape.agents.records import Spotting
from ape.agents.replies import ReplyError, Usage, request_reply
from ape.agents.tool_calls import (
    MAX_PICTURES,
    call_key,
    call_tool,
    picture_message,
    refusal,
    result_message,
    store_evidence,
)
from ape.core.progress import Listener
from ape.tools.artefacts import Artefacts

MAX_ROUNDS = 6  # of tool calls
MAX_ATTEMPTS = 2  # at an answer that matches the schema
PICTURE_CHARACTERS = 1100  # a picture uses as much of the budget as a text of this length
QUOTED_ANSWER = 2000  # characters of an invalid answer that the model sees again

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class Consultation:
    """The outcome of a consultation.

    Parameters
    ----------
    agent : str
    answer : BaseModel
    evidence : tuple of str
        Evidence ids of the tool calls, in order.
    usage : Usage
        Cost of the replies.
    notes : tuple of str
        What was wrong with the answer and what was done about it; empty if nothing was wrong.
    pictures : tuple of str
        Artefact ids of the pictures that the agent was shown, in order.
    """

    agent: str
    answer: Any
    evidence: tuple[str, ...]
    usage: Usage
    notes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


class AnswerError(ReplyError):
    """A model gave no valid answer."""


async def consult(
    brain: Brain,
    agent: str,
    task: dict[str, Any],
    tools: Sequence[BaseTool],
    schema: type[Answer],
    artefacts: Artefacts,
    listen: Listener = lambda agent, note: None,
) -> Consultation:
    """Give a task to an agent, let it call tools, and return its answer.

    Parameters
    ----------
    brain : Brain
    agent : str
        A key of `ape.agents.prompts.SYSTEM`.
    task : dict
        Plain data; the agent reads it as JSON.
    tools : sequence of BaseTool
        Tools that the agent may call.
    schema : type of BaseModel
        Record that the answer must match.
    artefacts : Artefacts
        Tool results are stored here under their evidence ids, and pictures are read from here.
    listen : callable
        Called with ``(agent, note)`` before each tool call.

    Returns
    -------
    Consultation

    Raises
    ------
    AnswerError
        No answer matches the schema.
    InputError
        The brain's server fails.
    """
    dialogue = _Dialogue(brain, agent, {tool.name: tool for tool in tools}, artefacts, listen, brain.character_budget)
    dialogue.messages += [
        SystemMessage(SYSTEM[agent]),
        HumanMessage(f"Task:\n```json\n{json.dumps(task, indent=1)}\n```"),
    ]
    for _ in range(MAX_ROUNDS if tools else 0):
        if not await dialogue.call_tools():
            break
    answer = await dialogue.request_answer(schema)
    evidence, notes, pictures = tuple(dialogue.evidence.values()), tuple(dialogue.notes), tuple(dialogue.pictures)
    return Consultation(agent, answer, evidence, dialogue.usage + Usage(answered=1), notes, pictures)


async def consult_or_replace(
    brain: Brain,
    agent: str,
    task: dict[str, Any],
    tools: Sequence[BaseTool],
    schema: type[Answer],
    artefacts: Artefacts,
    listen: Listener = lambda agent, note: None,
    unfit: bool = False,
) -> Consultation:
    """Consult an agent; the embedded agent does the task if a served model gives no valid answer, or no reply, to it.

    See `consult` for the other parameters. The notes of the consultation say that the agent was replaced and why.

    Parameters
    ----------
    unfit : bool
        Whether the model gave no valid answer so often that it is not asked at all.

    Raises
    ------
    InputError
        The brain's server fails.
    """
    problem, cost = "it gave no valid answer to any task before", Usage()
    if not unfit:
        try:
            return await consult(brain, agent, task, tools, schema, artefacts, listen)
        except ReplyError as error:
            if brain.server is None:
                raise
            problem, cost = error.what, error.usage
    stand_in = f"the embedded {agent}" if schema.__name__ in ANSWERS else "nobody"
    note = f"{stand_in} answers in place of {brain.name} at {brain.server}: {problem}"
    cost += Usage(replaced=1)
    listen(agent, note)
    if schema is Spotting:  # the embedded inspector does not spot differences
        return Consultation(agent, Spotting(rationale=note[:600], sees_pictures=False), (), cost, (note,))
    done = await consult(Brain(ExpertChatModel()), agent, task, tools, schema, artefacts, listen)
    return replace(done, usage=cost, notes=(note, *done.notes))


@dataclass
class _Dialogue:
    """The messages of a consultation and what is left of its budgets."""

    brain: Brain
    agent: str
    tools: dict[str, BaseTool]
    artefacts: Artefacts
    listen: Listener
    character_budget: float
    messages: list[BaseMessage] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)  # evidence id by call
    notes: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)  # shown so far
    usage: Usage = field(default_factory=Usage)

    def _note(self, note: str) -> None:
        self.listen(self.agent, note)

    async def call_tools(self) -> bool:
        """Ask for tool calls and make them; return whether any was made."""
        reply, usage = await request_reply(self.brain, self.messages, list(self.tools.values()), listen=self._note)
        self.usage += usage
        self.character_budget -= len(str(reply.content)) + len(json.dumps(reply.tool_calls))
        if not reply.tool_calls or self.character_budget <= 0:
            return False
        self.messages.append(reply)
        results = [await self._make_call(call) for call in reply.tool_calls]
        self._show([result["artefact"] for result in results if str(result.get("artefact", "")).endswith(".png")])
        return any(results)

    async def _make_call(self, call: ToolCall) -> dict[str, Any]:
        """Make a call, or refuse it; append the result to the messages."""
        key = call_key(call["name"], call["args"])
        if (reason := refusal(len(self.evidence), self.character_budget, self.evidence.get(key))) is not None:
            content = json.dumps({"result": {"error": reason}})
            self.messages.append(ToolMessage(content, tool_call_id=call["id"], name=call["name"]))
            return {}
        arguments = ", ".join(f"{name}={value}" for name, value in call["args"].items())
        self.listen(self.agent, f"calls {call['name']}({arguments[:60]})")
        result = await asyncio.to_thread(call_tool, self.tools, call)
        if "begin" in call["args"] and "first_time" in result:
            positions = f"positions {result['begin']} to {result['end'] - 1}, " if "begin" in result else ""
            self.listen(self.agent, f"sees {positions}{result['first_time']} to {result['last_time']}")
        self.evidence[key] = store_evidence(call, result, self.artefacts)
        message = result_message(call, result, self.evidence[key])
        self.character_budget -= len(str(message.content))
        self.messages.append(message)
        return result

    def _show(self, pictures: list[str]) -> None:
        """Append the tools' pictures, up to the limit."""
        if not pictures:
            return
        shown = pictures[: MAX_PICTURES - len(self.pictures)]
        self.messages.append(picture_message(shown, len(pictures), self.artefacts))
        self.pictures += shown
        self.character_budget -= PICTURE_CHARACTERS * len(shown)

    async def request_answer(self, schema: type[Answer]) -> Answer:
        """Ask for the answer, again if it does not match the schema; then invalid items of its lists are left out."""
        messages = [*self.messages, HumanMessage(f"Answer now with a {schema.__name__}, as JSON.")]
        answers: list[str] = []
        for _ in range(MAX_ATTEMPTS):
            reply, usage = await request_reply(self.brain, messages, schema=schema, listen=self._note)
            self.usage += usage
            answers.append(str(reply.content))
            try:
                return read_answer(answers[-1], schema)
            except Mismatch as mismatch:
                problem = str(mismatch)
            request = f"That answer does not match the schema: {problem[:400]}. Answer again."
            if self.brain.server is not None:  # it may not enforce schemas, and then the model has not seen it
                request += f" The schema:\n{json.dumps(schema.model_json_schema())}"
            messages += [AIMessage(answers[-1][:QUOTED_ANSWER] or "(empty)"), HumanMessage(request)]
        for text in reversed(answers):
            try:
                answer, problems = read_valid_items(text, schema)
            except Mismatch:
                continue
            self.notes.append(f"{len(problems)} invalid items of the {schema.__name__} are left out: {problems[0]}")
            self.listen(self.agent, self.notes[-1])
            return answer
        error = AnswerError(
            f"the {self.agent} gave no valid {schema.__name__}: {problem[:200]}",
            self.brain.server or "brain",
            "use a model that follows JSON schemas; 'ape brain check' tests that",
        )
        error.usage = self.usage
        raise error
