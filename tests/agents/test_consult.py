"""A consultation: tool calls that go wrong, answers that do not fit, budgets, and evidence that can be looked up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from ape.agents import Brain, open_brain
from ape.agents.consult import MAX_CALLS, consult
from ape.agents.expert.model import ExpertChatModel
from ape.agents.records import Profile
from ape.core.errors import InputError
from ape.series import from_array
from ape.tools import profiler_tools
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

TASK = {"task": "profile", "channels": ["value"]}


class Scripted(ExpertChatModel):
    """Replies from a script first, then as the embedded expert does; keeps the last conversation it was sent."""

    _calls: list[list[tuple[str, dict[str, Any]]]] = PrivateAttr(default_factory=list)
    _answers: list[str] = PrivateAttr(default_factory=list)
    _seen: list[Any] = PrivateAttr(default_factory=list)

    def _generate(self, messages, *args, response_format=None, **kwargs):
        self._seen = list(messages)
        if response_format is not None and self._answers:
            return _reply(AIMessage(self._answers.pop(0)))
        if response_format is None and self._calls:
            calls = [{"name": name, "args": args, "id": f"call_{name}"} for name, args in self._calls.pop(0)]
            return _reply(AIMessage("", tool_calls=calls))
        return super()._generate(messages, *args, response_format=response_format, **kwargs)


def _reply(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture
def bench(tmp_path) -> Workbench:
    return Workbench(from_array(np.sin(np.arange(400) / 5)), Artefacts(tmp_path))


@pytest.fixture
def put(bench):
    """Put the profiler's task to a brain with a script: the outcome, and the last conversation that it was sent."""

    def ask(calls=(), answers=(), tools=True):
        brain = Scripted()
        brain._calls, brain._answers = list(calls), list(answers)
        offered = profiler_tools(bench) if tools else []
        outcome = asyncio.run(consult(Brain(brain), "profiler", TASK, offered, Profile, bench.artefacts))
        return outcome, brain._seen

    return ask


GARBAGE = ["", "I think the series is periodic.", "{", "[]", "null", '{"rationale": "x", "period": "often"}']
GARBAGE += ['{"period": 30}', '{"rationale": "x", "period": 30, "extra": 1}', '{"rationale": "x", "period": -1}']


@pytest.mark.parametrize("garbage", GARBAGE)
def test_one_answer_that_does_not_fit_is_asked_for_again(put, garbage):
    outcome, seen = put(answers=[garbage], tools=False)
    assert isinstance(outcome.answer, Profile)
    assert "does not fit" in seen[-1].content


@pytest.mark.parametrize("garbage", GARBAGE)
def test_two_answers_that_do_not_fit_are_an_error_that_names_the_brain(put, garbage):
    with pytest.raises(InputError, match="profiler gave no valid Profile") as caught:
        put(answers=[garbage, garbage], tools=False)
    assert caught.value.where == "brain" and "\n" not in str(caught.value)


def test_an_unknown_brain_is_refused():
    with pytest.raises(InputError, match="no brain 'oracle'"):
        open_brain("oracle")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("open_file", {"path": "/etc/passwd"}, "no tool 'open_file'"),
        ("robust_stats", {}, "channel"),
        ("robust_stats", {"channel": "nope"}, "no channel 'nope'"),
        ("robust_stats", {"channel": ["value"]}, "channel"),
        ("matrix_profile", {"channel": "value", "window": -3}, "window"),
        ("matrix_profile", {"channel": "value", "window": 10**9}, ""),
        ("stl", {"channel": "value", "periods": "monthly"}, "periods"),
        ("stl", {"channel": "value", "periods": []}, ""),
    ],
)
def test_a_call_that_goes_wrong_is_an_error_that_the_agent_reads(put, name, arguments, said):
    outcome, seen = put(calls=[[(name, arguments)]])
    answered = next(message for message in seen if isinstance(message, ToolMessage))
    body = json.loads(answered.content)
    assert said in body["result"]["error"] and body["arguments"] == arguments
    assert isinstance(outcome.answer, Profile)


def test_evidence_can_be_looked_up(put, bench):
    outcome, _ = put()
    assert outcome.evidence and outcome.calls == len(outcome.evidence)
    for evidence in outcome.evidence:
        tool, digest = evidence.rsplit("-", 1)
        record = json.loads(bench.artefacts.get_bytes(f"{digest}.json"))
        assert record["tool"] == tool and "error" not in record["result"]


def test_messages_hold_no_arrays_and_no_picture_that_no_tool_drew(put):
    _, seen = put()
    results = [message for message in seen if isinstance(message, ToolMessage)]
    assert results and all(len(message.content) < 8000 for message in results)
    assert not [message for message in seen if isinstance(message, HumanMessage) and isinstance(message.content, list)]


def test_a_brain_that_never_stops_calling_is_stopped(put):
    outcome, _ = put(calls=[[("robust_stats", {"channel": "value"})] * 20] * 50)
    assert outcome.calls <= MAX_CALLS and isinstance(outcome.answer, Profile)


def test_one_reply_with_more_calls_than_the_budget_is_cut_short(put):
    outcome, _ = put(calls=[[("robust_stats", {"channel": "value"})] * (MAX_CALLS + 20)])
    assert outcome.calls <= MAX_CALLS
