"""A consultation: failing tool calls, invalid answers, budgets, evidence and pictures."""

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
from ape.agents.consult import PICTURE_CHARACTERS, consult
from ape.agents.expert.model import ExpertChatModel
from ape.agents.records import Inspection, Profile
from ape.agents.tool_calls import MAX_CALLS, MAX_PICTURES
from ape.core.errors import InputError
from ape.series import from_array
from ape.tools import inspector_tools, profiler_tools
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

TASK = {"task": "profile", "channels": ["value"]}


class ScriptedExpert(ExpertChatModel):
    """Sends scripted replies first, then the embedded expert's; keeps the last conversation it received."""

    _calls: list[list[tuple[str, dict[str, Any]]]] = PrivateAttr(default_factory=list)
    _answers: list[str] = PrivateAttr(default_factory=list)
    _received: list[Any] = PrivateAttr(default_factory=list)

    def _generate(self, messages, *args, response_format=None, **kwargs):
        self._received = list(messages)
        if response_format is not None and self._answers:
            return result_of(AIMessage(self._answers.pop(0)))
        if response_format is None and self._calls:
            calls = [{"name": name, "args": args, "id": f"call_{name}"} for name, args in self._calls.pop(0)]
            return result_of(AIMessage("", tool_calls=calls))
        return super()._generate(messages, *args, response_format=response_format, **kwargs)


def result_of(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture
def bench(tmp_path) -> Workbench:
    return Workbench(from_array(np.sin(np.arange(400) / 5)), Artefacts(tmp_path))


@pytest.fixture
def profile(bench):
    """Consult a scripted profiler; return the consultation, and the last conversation that the model received."""

    def run(calls=(), answers=(), tools=True):
        model = ScriptedExpert()
        model._calls, model._answers = list(calls), list(answers)
        offered = profiler_tools(bench) if tools else []
        consultation = asyncio.run(consult(Brain(model), "profiler", TASK, offered, Profile, bench.artefacts))
        return consultation, model._received

    return run


INVALID = ["", "I think the series is periodic.", "{", "[]", "null", '{"rationale": "x", "period": "often"}']
INVALID += ['{"period": 30}', '{"rationale": "x", "period": [1, 2], "extra": [1]}', '{"rationale": "x", "period": -1}']


@pytest.mark.parametrize("answer", INVALID)
def test_invalid_answer_is_requested_again(profile, answer):
    consultation, received = profile(answers=[answer], tools=False)
    assert isinstance(consultation.answer, Profile)
    assert "does not match the schema" in received[-1].content


@pytest.mark.parametrize("answer", INVALID)
def test_two_invalid_answers_are_an_error_of_the_brain(profile, answer):
    with pytest.raises(InputError, match="profiler gave no valid Profile") as caught:
        profile(answers=[answer, answer], tools=False)
    assert caught.value.where == "brain" and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
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
def test_failed_call_is_reported_to_the_agent(profile, name, arguments, message):
    consultation, received = profile(calls=[[(name, arguments)]])
    result = next(each for each in received if isinstance(each, ToolMessage))
    body = json.loads(result.content)
    assert message in body["result"]["error"] and body["arguments"] == arguments
    assert isinstance(consultation.answer, Profile)


def test_evidence_is_stored_under_its_id(profile, bench):
    consultation, _ = profile()
    assert consultation.evidence
    for evidence in consultation.evidence:
        tool, digest = evidence.rsplit("-", 1)
        record = json.loads(bench.artefacts.get_bytes(f"{digest}.json"))
        assert record["tool"] == tool and "error" not in record["result"]


def test_messages_contain_no_arrays_and_no_pictures_of_their_own(profile):
    _, received = profile()
    results = [message for message in received if isinstance(message, ToolMessage)]
    assert results and all(len(message.content) < 8000 for message in results)
    assert not [each for each in received if isinstance(each, HumanMessage) and isinstance(each.content, list)]


def test_endless_tool_calls_are_stopped(profile):
    consultation, _ = profile(calls=[[("robust_stats", {"channel": "value"})] * 20] * 50)
    assert len(consultation.evidence) <= MAX_CALLS and isinstance(consultation.answer, Profile)


def test_too_many_calls_in_one_reply_are_refused(profile):
    calls = [("robust_stats", {"channel": f"channel {k}"}) for k in range(MAX_CALLS + 5)]
    consultation, received = profile(calls=[calls])
    assert len(consultation.evidence) == MAX_CALLS
    refused = [each for each in received if isinstance(each, ToolMessage) and "no calls are left" in str(each.content)]
    assert len(refused) >= 5


def test_repeated_call_is_refused(profile):
    call = ("robust_stats", {"channel": "value"})
    consultation, received = profile(calls=[[call] * 3])
    first, *repeated = [m for m in received if isinstance(m, ToolMessage) and m.name == "robust_stats"][:3]
    assert json.loads(first.content)["evidence"] == consultation.evidence[0]
    assert all(f"its result is {consultation.evidence[0]}" in str(message.content) for message in repeated)


def test_model_that_only_repeats_calls_is_asked_for_its_answer(server, script, bench):
    calling = script.saying("", calls=[{"name": "robust_stats", "args": {"channel": "value"}, "id": "1"}])
    server.every_script = lambda body: None if "response_format" in body else calling(body)
    tools = profiler_tools(bench)
    asyncio.run(consult(open_brain(server.url), "profiler", TASK, tools, Profile, bench.artefacts))
    assert len(server.requests) == 3


def test_without_budget_no_tool_is_called(bench):
    brain = Brain(ExpertChatModel(), character_budget=0)
    task = {"task": "inspect", "channels": ["value"]}
    outcome = asyncio.run(consult(brain, "visual inspector", task, inspector_tools(bench), Inspection, bench.artefacts))
    assert outcome.evidence == () and not outcome.answer.sees_pictures and outcome.answer.sightings == []


def test_pictures_left_out_cost_no_budget(bench):
    zooms = [("render_zoom", {"channel": "value", "begin": k, "end": k + 40}) for k in range(20)]
    model = ScriptedExpert()
    model._calls = [zooms, [("render_zoom", {"channel": "value", "begin": 50, "end": 120})]]
    budget = 2 * PICTURE_CHARACTERS * MAX_PICTURES + 500 * len(zooms)  # a result has less than 500 characters
    assert budget < PICTURE_CHARACTERS * len(zooms)
    task, tools = {"task": "inspect", "channels": ["value"]}, inspector_tools(bench)
    brain = Brain(model, character_budget=budget)
    outcome = asyncio.run(consult(brain, "visual inspector", task, tools, Inspection, bench.artefacts))
    assert len(outcome.evidence) > len(zooms)


def test_pictures_are_sent_as_data_up_to_the_limit(server, bench):
    wide = Workbench(from_array(np.random.default_rng(0).normal(size=(600, 6))), bench.artefacts)
    task = {"task": "inspect", "channels": list(wide.series.channels)}
    brain = open_brain(server.url)
    outcome = asyncio.run(consult(brain, "visual inspector", task, inspector_tools(wide), Inspection, bench.artefacts))
    last = json.dumps(server.requests[-1])
    assert outcome.answer.sees_pictures and 0 < last.count("data:image/png;base64,") <= MAX_PICTURES


def test_endless_tool_calls_of_a_server_are_stopped(server, script, bench):
    call = {"name": "robust_stats", "args": {"channel": "value"}, "id": "1"}
    calling = script.saying("", calls=[call] * 9)
    server.every_script = lambda body: None if "response_format" in body else calling(body)
    tools = profiler_tools(bench)
    outcome = asyncio.run(consult(open_brain(server.url), "profiler", TASK, tools, Profile, bench.artefacts))
    assert len(outcome.evidence) <= MAX_CALLS
