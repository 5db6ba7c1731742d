"""Replies of a server: the cache, retries, errors in one line, and what a server may do wrong."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest

from ape.agents import open_brain, replies
from ape.agents import server as server_module
from ape.agents.consult import consult
from ape.agents.records import Inspection, Profile
from ape.core.errors import InputError
from ape.series import from_array
from ape.tools import inspector_tools, profiler_tools
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

TASK = {"task": "profile", "channels": ["value"]}


@pytest.fixture
def profile(server, tmp_path):
    """Consult the profiler, or another agent, on the server."""
    bench = Workbench(from_array(np.sin(np.arange(600) / 5)), Artefacts(tmp_path / "artefacts"))

    def run(schema=Profile, role="profiler", tools=profiler_tools):
        return asyncio.run(consult(open_brain(server.url), role, TASK, tools(bench), schema, bench.artefacts))

    return run


def test_damaged_cached_reply_is_requested_again(profile, server, reply_folder):
    profile()
    requests = len(server.requests)
    for path in reply_folder.iterdir():
        path.write_text('{"content": ')
    assert isinstance(profile().answer, Profile)
    assert len(server.requests) == 2 * requests


def test_usage_is_counted(profile, server):
    usage = profile().usage
    assert usage.calls == len(server.requests) and usage.known == 0
    assert (usage.tokens_in, usage.tokens_out) == (100 * usage.calls, 10 * usage.calls) and usage.seconds > 0


def test_answers_are_requested_by_json_schema(profile, server):
    profile()
    assert not [key for body in server.requests for key in body if key.startswith("guided")]
    response_format = server.requests[-1]["response_format"]
    assert response_format["type"] == "json_schema"
    assert response_format["json_schema"]["schema"]["additionalProperties"] is False
    assert all(body["temperature"] == 0 and body["seed"] == 0 for body in server.requests)


@pytest.mark.parametrize("status", [400, 500])
def test_server_that_rejects_pictures_is_asked_without_them(profile, server, script, status):
    reject = script.failing(status, "image input is not supported")
    server.every_script = lambda body: reject(body) if "image_url" in json.dumps(body) else None
    assert not profile(Inspection, "visual inspector", inspector_tools).answer.sees_pictures
    rejected = [json.dumps(body["messages"]) for body in server.requests if "image_url" in json.dumps(body)]
    assert rejected and len(set(rejected)) == len(rejected), "a rejected request was retried"
    assert replies.PICTURES_REMOVED in json.dumps(server.requests[-1])


@pytest.mark.parametrize("status", [0, 500, 503, 429])
def test_temporary_fault_is_retried(profile, server, script, status):
    server.next_scripts = [script.failing(status)] * 3
    assert isinstance(profile().answer, Profile)


@pytest.mark.extended
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (0, "lost the connection"),
        (500, "fails: out of memory"),
        (400, "rejects the request: out of memory"),
        (401, "rejects the key"),
    ],
)
def test_permanent_fault_is_one_line(profile, server, script, gives_up_soon, status, message):
    server.every_script = script.failing(status)
    with pytest.raises(InputError, match=message) as caught:
        profile()
    assert caught.value.where == f"{server.url}/v1" and "\n" not in str(caught.value)


@pytest.mark.extended
def test_slow_server_times_out(profile, server, script, gives_up_soon, monkeypatch):
    monkeypatch.setattr(server_module, "TIMEOUT", 0.2)
    server.every_script = script.slow(1.0)
    start = time.perf_counter()
    with pytest.raises(InputError, match="no answer within"):
        profile()
    assert time.perf_counter() - start < 20


def test_answer_that_was_cut_off_is_requested_again(profile, server, script):
    cut_off = script.saying('{"rationale": "a long', finish="length")

    def first_time(body):
        return cut_off(body) if "response_format" in body and "does not match" not in json.dumps(body) else None

    server.every_script = first_time
    assert isinstance(profile().answer, Profile)
    assert "does not match" in json.dumps(server.requests[-1])


def test_model_that_ignores_the_schema_is_an_error(profile, server, script):
    server.every_script = lambda body: script.saying("certainly!")(body) if "response_format" in body else None
    with pytest.raises(InputError, match="no valid Profile"):
        profile()


@pytest.mark.parametrize("tool", ["robust_stats", "rm"])
def test_call_written_as_text_is_made(profile, server, script, tool):
    text = f'<tool_call>\n{{"name": "{tool}", "arguments": {{"channel": "value"}}}}\n</tool_call>'
    server.next_scripts = [script.saying(text)]
    assert profile().evidence[0].startswith(f"{tool}-")
    assert ("no tool 'rm'" in json.dumps(server.requests[1]["messages"])) == (tool == "rm")
