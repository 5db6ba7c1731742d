"""Consultations of the embedded expert, and their conversations after each reply."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from ape.agents import Brain
from ape.agents.consult import consult
from ape.agents.expert.model import ExpertChatModel
from ape.agents.records import Inspection, Plan, Profile
from ape.series import from_array
from ape.tools import inspector_tools, planner_tools, profiler_tools
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

Messages = list[BaseMessage]


class RecordingExpert(ExpertChatModel):
    """Keeps every conversation that it receives."""

    _conversations: list[Messages] = PrivateAttr(default_factory=list)

    def _generate(self, messages, *args, **kwargs):
        self._conversations.append(list(messages))
        return super()._generate(messages, *args, **kwargs)


class RecordedConsultation:
    """A real consultation: the tools, the answer, and the conversation before each reply."""

    def __init__(self, bench: Workbench, agent: str, task: dict[str, Any], tools, schema) -> None:
        self.tools, self.schema, model = tools(bench), schema, RecordingExpert()
        self.answer = asyncio.run(consult(Brain(model), agent, task, self.tools, schema, bench.artefacts)).answer
        self.conversations = model._conversations

    def calls_after(self, messages: Messages) -> list[tuple[str, dict[str, Any]]]:
        """Return the next calls of a new expert."""
        reply = ExpertChatModel().invoke(messages, tools=[convert_to_openai_tool(tool) for tool in self.tools])
        return [(call["name"], call["args"]) for call in reply.tool_calls]

    def answer_after(self, messages: Messages):
        """Return the answer of a new expert."""
        response_format = {"type": "json_schema", "json_schema": {"name": self.schema.__name__}}
        reply = ExpertChatModel().invoke(messages, response_format=response_format)
        return self.schema.model_validate_json(reply.content)


@pytest.fixture(scope="package")
def bench(tmp_path_factory) -> Workbench:
    steps = np.arange(1500)
    noise = np.random.default_rng(0).normal(size=1500)
    wave = np.sin(2 * np.pi * steps / 30) + 0.3 * np.sin(4 * np.pi * steps / 30 + 1) + 0.05 * noise
    return Workbench(from_array(wave, train_end=1000), Artefacts(tmp_path_factory.mktemp("artefacts")))


@pytest.fixture(scope="package")
def profiling(bench) -> RecordedConsultation:
    task = {"task": "profile", "channels": ["value"]}
    return RecordedConsultation(bench, "profiler", task, profiler_tools, Profile)


@pytest.fixture(scope="package")
def inspecting(bench) -> RecordedConsultation:
    task = {"task": "inspect", "channels": ["value"]}
    return RecordedConsultation(bench, "visual inspector", task, inspector_tools, Inspection)


@pytest.fixture(scope="package")
def planning(bench) -> RecordedConsultation:
    return RecordedConsultation(bench, "planner", {"task": "plan"}, planner_tools, Plan)


@pytest.fixture(scope="session")
def edited():
    """Return a conversation with other values in the results of one tool."""

    def edit_results(messages: Messages, tool: str, **changes: Any) -> Messages:
        def edit(message: BaseMessage) -> BaseMessage:
            if not isinstance(message, ToolMessage) or message.name != tool:
                return message
            body = json.loads(message.content)
            return message.model_copy(update={"content": json.dumps(body | {"result": body["result"] | changes})})

        return [edit(message) for message in messages]

    return edit_results


@pytest.fixture(scope="session")
def answer_of():
    """Return the embedded expert's answer to a task, without tools."""

    def run(agent: str, task: dict[str, Any], schema):
        brain = Brain(ExpertChatModel())
        return asyncio.run(consult(brain, agent, task, [], schema, Artefacts("unused"))).answer

    return run
