"""Replies in the formats of many models and servers, through HTTP; one file of ``transcripts`` for each format."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from ape.agents import open_brain
from ape.agents.consult import AnswerError, consult, consult_or_replace
from ape.agents.records import Profile, Spotting
from ape.agents.replies import Usage, request_reply
from ape.agents.served_chat import CallPlaces
from ape.core.errors import InputError
from ape.series import from_array
from ape.tools import profiler_tools
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.json"))
TASK = {"task": "profile", "channels": ["value"]}
DONE = {"role": "assistant", "content": "The evidence is sufficient."}


@pytest.fixture
def bench(tmp_path) -> Workbench:
    return Workbench(from_array(np.sin(np.arange(600) / 5)), Artefacts(tmp_path / "artefacts"))


@pytest.fixture
def profile(server, bench):
    """Consult the profiler on the server."""

    def run():
        tools = profiler_tools(bench)
        return asyncio.run(consult(open_brain(server.url), "profiler", TASK, tools, Profile, bench.artefacts))

    return run


def body_of(message: dict, finish: str = "stop") -> dict:
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }  # fmt: skip


def playing(call: dict, answer: dict):
    """Reply with a call first, then with nothing to do, and with the answer when it is asked for."""
    calls = [call]

    def script(body):
        if "response_format" in body:
            return answer
        return calls.pop() if calls else body_of(DONE)

    return script


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=[path.stem for path in TRANSCRIPTS])
def test_call_is_made_and_answer_is_read(profile, server, path):
    transcript = json.loads(path.read_text(encoding="utf-8"))
    server.every_script = playing(transcript["call"], transcript["answer"])
    consultation = profile()
    assert consultation.answer.period == 30 and [f.term for f in consultation.answer.findings] == ["periodic"]
    assert consultation.evidence[0].startswith("robust_stats-") and not consultation.notes
    assert len(server.requests) == 3, "something was asked again"
    messages = server.requests[1]["messages"]
    results = [message for message in messages if message["role"] == "tool"]
    (assistant,) = [message for message in messages if message["role"] == "assistant"]
    ids = [call["id"] for call in assistant["tool_calls"]]
    assert ids == [result["tool_call_id"] for result in results] and len(set(ids)) == len(ids) and all(ids)
    assert '"median"' in results[0]["content"]
    assert "think" not in json.dumps(assistant).lower() and "<" not in str(assistant["content"])


def test_there_are_transcripts():
    assert len(TRANSCRIPTS) > 30


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=[path.stem for path in TRANSCRIPTS])
def test_streamed_reply_calls_the_same_and_shows_no_thought(server, bench, path):
    transcript = json.loads(path.read_text(encoding="utf-8"))
    message = transcript["call"]["choices"][0]["message"]
    if isinstance(message.get("content"), list) or "function_call" in message:
        pytest.skip("the loopback server streams texts and current calls")
    server.next_scripts = [lambda _: transcript["call"]]
    shown: list[str] = []
    reply, _ = asyncio.run(streamed(open_brain(server.url), profiler_tools(bench), shown))
    assert ("robust_stats", {"channel": "value"}) in [(call["name"], call["args"]) for call in reply.tool_calls]
    assert all(call["id"] for call in reply.tool_calls)
    for hidden in ("<think>", "<tool_call", ":tool_call", "The task asks", "We need the", "python_tag"):
        assert hidden not in "".join(shown)


ODD = {
    "no choices": {"choices": []},
    "null choices": {"choices": None, "model": "m"},
    "a choice without a message": {"choices": [{"index": 0}]},
    "an empty message": body_of({"role": "assistant", "content": None}),
    "a number as content": body_of({"role": "assistant", "content": 7}),
    "a null function": body_of({"role": "assistant", "tool_calls": [{"id": None, "function": None}]}),
    "a call without a name": body_of({"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_reply_without_content_is_no_answer(profile, server, odd):
    server.every_script = lambda _: odd
    with pytest.raises(AnswerError, match="the profiler gave no valid Profile") as caught:
        profile()
    assert caught.value.where == f"{server.url}/v1" and "\n" not in str(caught.value)


def test_one_odd_reply_is_asked_again(profile, server):
    server.next_scripts = [lambda _: {"page": "<html>Please log in</html>"}]
    assert isinstance(profile().answer, Profile)


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ({"page": "<html>Please log in</html>"}, "Please log in"),
        ({"error": {"message": "upstream overloaded", "code": 503}}, "upstream overloaded"),
        ({"error": "the model is not loaded"}, "the model is not loaded"),
        ({"detail": "Not Found"}, "Not Found"),
    ],
)
def test_what_is_no_reply_is_an_error_of_the_server(profile, server, reply, what):
    server.every_script = lambda _: reply
    with pytest.raises(InputError, match=what) as caught:
        profile()
    assert not isinstance(caught.value, AnswerError)
    assert caught.value.where == f"{server.url}/v1" and "\n" not in str(caught.value)


def test_server_that_cannot_stream_is_asked_without(server, bench):
    server.next_scripts = [lambda _: {"page": json.dumps(body_of(DONE))}, lambda _: body_of(DONE)]
    reply, _ = asyncio.run(streamed(open_brain(server.url), profiler_tools(bench), []))
    assert isinstance(reply, AIMessage) and len(server.requests) == 2


def test_arguments_that_cannot_be_read_are_reported_to_the_model(profile, server):
    call = {"id": "1", "type": "function", "function": {"name": "robust_stats", "arguments": "the pressure"}}
    server.next_scripts = [lambda _: body_of({"role": "assistant", "content": "", "tool_calls": [call]})]
    assert isinstance(profile().answer, Profile)
    assert "no JSON object" in json.dumps(server.requests[1]["messages"])


def test_model_sees_its_invalid_answer_and_the_schema(profile, server, script):
    wrong = script.saying('{"rationale": "x", "period": "often"}')
    first = [wrong]
    server.every_script = lambda body: first.pop()(body) if "response_format" in body and first else None
    assert isinstance(profile().answer, Profile)
    answered, request = server.requests[-1]["messages"][-2:]
    assert answered["role"] == "assistant" and "often" in answered["content"]
    assert "period: Input should be a valid integer" in request["content"] and '"properties"' in request["content"]


def test_invalid_items_are_left_out_of_the_second_answer(profile, server, script):
    good = {"rationale": "a", "term": "periodic", "channel": "value", "strength": 1}
    answer = script.saying(json.dumps({"rationale": "x", "findings": [good, good | {"term": "wobbly"}]}))
    server.every_script = lambda body: answer(body) if "response_format" in body else None
    consultation = profile()
    assert [finding.term for finding in consultation.answer.findings] == ["periodic"]
    assert "1 invalid items" in consultation.notes[0] and "findings.1.term" in consultation.notes[0]


def test_server_without_schemas_gets_the_schema_as_text(profile, server, script):
    reject = script.failing(400, "response_format of type json_schema is not supported")
    server.every_script = lambda body: reject(body) if "response_format" in body else body_or_done(body)

    def body_or_done(body):
        asked = '\\"properties\\"' in json.dumps(body["messages"])
        return body_of({"role": "assistant", "content": '{"rationale": "x", "period": 30}'} if asked else DONE)

    assert profile().answer.period == 30


def test_model_that_thinks_long_gets_more_tokens(profile, server):
    long = body_of({"role": "assistant", "content": "<think>Well, " * 20}, finish="length")
    server.next_scripts = [lambda _: long]
    profile()
    first, second = (body["max_completion_tokens"] for body in server.requests[:2])
    assert second > first


def test_embedded_agent_takes_the_place_of_a_model_without_answers(server, bench, script):
    server.every_script = script.saying("I am only a small model.")
    heard = []
    consultation = asyncio.run(
        consult_or_replace(
            open_brain(server.url),
            "profiler",
            TASK,
            profiler_tools(bench),
            Profile,
            bench.artefacts,
            lambda agent, note: heard.append((agent, note)),
        )
    )
    assert consultation.answer.findings and consultation.usage.replaced == 1 and consultation.usage.calls == 3
    (note,) = consultation.notes
    assert note.startswith("the embedded profiler answers in place of expert-on-loopback at http://127.0.0.1:")
    assert "only a small model" in note and ("profiler", note) in heard


def test_a_model_that_answered_nothing_so_far_is_not_asked(server, bench):
    consultation = asyncio.run(
        consult_or_replace(
            open_brain(server.url), "profiler", TASK, profiler_tools(bench), Profile, bench.artefacts, unfit=True
        )
    )
    assert consultation.answer.findings and consultation.usage == Usage(replaced=1) and not server.requests


def test_an_unusable_answer_is_not_cached(server, bench, script, reply_folder):
    brain = open_brain(server.url)
    server.every_script = script.saying("I am only a small model.")
    with pytest.raises(InputError, match="no valid Profile"):
        asyncio.run(consult(brain, "profiler", TASK, [], Profile, bench.artefacts))
    assert not list(reply_folder.glob("*.json"))
    server.every_script = None
    consultation = asyncio.run(consult(brain, "profiler", TASK, profiler_tools(bench), Profile, bench.artefacts))
    assert consultation.usage.answered == 1


def test_nobody_takes_the_place_of_the_spotter(server, bench, script):
    server.every_script = script.saying("I see nothing.")
    task = {"task": "spot", "rules": []}
    consultation = asyncio.run(
        consult_or_replace(open_brain(server.url), "visual inspector", task, [], Spotting, bench.artefacts)
    )
    assert not consultation.answer.sees_pictures and consultation.notes[0].startswith("nobody answers")


async def streamed(brain, tools, shown):
    from langchain_core.callbacks import AsyncCallbackHandler
    from langchain_core.runnables import RunnableLambda

    class Tokens(AsyncCallbackHandler):
        async def on_llm_new_token(self, token, **_):
            shown.append(token)

    async def ask(_):
        return await request_reply(brain, [HumanMessage("hello")], tools, stream=True)

    return await RunnableLambda(ask).ainvoke("", {"callbacks": [Tokens()]})


def chat(server, message: str = "hello", stream: bool = False):
    """Request one reply without tools."""
    return asyncio.run(request_reply(open_brain(server.url), [HumanMessage(message)], stream=stream))[0]


@pytest.mark.parametrize("page", ["", '{"id":', "null", "[1]"], ids=["empty", "half", "null", "list"])
def test_body_that_is_no_reply_is_one_line(server, page):
    server.every_script = lambda _: {"page": page}
    with pytest.raises(InputError, match="no reply of a model") as caught:
        chat(server)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "odd",
    [
        body_of({"role": None, "content": "hi"}),
        {"model": "m", "choices": [{"message": "hi"}]},
        {"model": "m", "choices": [{"message": [{"type": "text", "text": "hi"}]}]},
        body_of({"role": "assistant", "content": None, "refusal": "hi"}),
        body_of({"role": "assistant", "content": "hi"}) | {"usage": {"prompt_tokens_details": [1]}},
        body_of({"role": "assistant", "content": "<think>" * 9000 + "</think>hi"}),
    ],
    ids=["no role", "text as message", "parts as message", "refusal", "odd usage", "endless thought"],
)
def test_odd_reply_is_read(server, odd):
    server.every_script = lambda _: odd
    assert chat(server).content == "hi"


def test_template_that_knows_only_user_and_assistant(server, script):
    server.next_scripts = [script.failing(400, "Conversation roles must alternate user/assistant"), script.saying("hi")]
    messages = [SystemMessage("be brief"), HumanMessage("one"), HumanMessage("two")]
    assert asyncio.run(request_reply(open_brain(server.url), messages))[0].content == "hi"
    assert [len(request["messages"]) for request in server.requests] == [3, 1]
    assert server.requests[1]["messages"] == [{"role": "user", "content": "be brief\n\none\n\ntwo"}]


def piece(**fields):
    return {"index": 0, "id": None, "name": None, "args": "", "type": "tool_call_chunk"} | fields


def test_calls_that_share_an_index_are_separate():
    pieces = [
        piece(id="a", name="stl", args='{"chan'), piece(args='nel": "v"}'),
        piece(id="b", name="stl", args='{"channel": "w"}'), piece(name="stl", args="{}"),
    ]  # fmt: skip
    placed = CallPlaces().separate(pieces)
    assert [each["index"] for each in placed] == [0, 0, 1, 2]
    assert [each["name"] for each in placed] == ["stl", None, "stl", "stl"]


def test_name_sent_with_every_piece_is_one_call():
    placed = CallPlaces().separate([piece(id="a", name="stl", args="{"), piece(id="a", name="stl", args="}")])
    assert [(each["index"], each["name"]) for each in placed] == [(0, "stl"), (0, None)]


@pytest.mark.parametrize("text", ["stl {", "<function=stl>", '{"name": "stl"}, ', "stl(channel='v')\n", '{"a":'])
def test_text_that_repeats_itself_is_read_in_time(server, bench, text):
    server.every_script = lambda _: body_of({"role": "assistant", "content": text * 5000})
    begun = time.perf_counter()
    reply, _ = asyncio.run(request_reply(open_brain(server.url), [HumanMessage("hi")], profiler_tools(bench)))
    assert time.perf_counter() - begun < 5 and len(reply.tool_calls) <= 64
