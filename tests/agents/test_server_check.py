"""``ape brain check`` and ``ape brain serve``: what a server lacks, and the command that starts one."""

from __future__ import annotations

import json

from ape.agents.server_check import check_server
from ape.agents.vllm_command import serve_command
from ape.cli.main import main


def test_check_reports_what_a_server_lacks(server, capsys):
    assert main(["brain", "check", server.url]) == 2  # the embedded expert answers only to the agents' own tasks
    output = capsys.readouterr()
    assert "ok       model" in output.out and "ok       context          16384 tokens" in output.out
    assert "missing  tool calls" in output.out and "the server lacks" in output.err


def test_requirements_are_checked_one_by_one(server, script):
    proposal = '{"rationale": "no rule fits", "rules": []}'
    call = {"name": "robust_stats", "args": {"channel": "value"}, "id": "1"}
    server.next_scripts = [script.saying(proposal), script.saying("", calls=[call]), script.saying("Red.")]
    checked = {requirement.name: requirement for requirement in check_server(server.url)}
    needed = [name for name, requirement in checked.items() if requirement.needed]
    assert needed == ["model", "context", "JSON schema", "tool calls", "vision"]
    assert all(requirement.met for requirement in checked.values()) and "'Red.'" in checked["vision"].detail


def test_calls_as_text_or_when_forced_are_sufficient(server, script):
    call = {"name": "robust_stats", "args": {"channel": "value"}, "id": "1"}
    written = '<tool_call>{"name": "robust_stats", "arguments": {"channel": "value"}}</tool_call>'
    for replies, detail in (
        ([script.saying(written)], "--tool-call-parser"),
        ([script.saying("Sure."), script.saying("", calls=[call])], "only when forced"),
    ):
        server.next_scripts = [script.saying("{}"), *replies, script.saying("Red.")]
        requirement = {each.name: each for each in check_server(server.url)}["tool calls"]
        assert requirement.met and detail in requirement.detail


def test_server_that_fails_a_probe_lacks_it(server, script):
    server.every_script = script.failing(400, "no pictures, no tools")
    checked = {requirement.name: requirement for requirement in check_server(server.url)}
    assert not checked["vision"].met and "no pictures, no tools" in checked["vision"].detail


def test_consultations_show_what_the_model_can_do(server, capsys):
    main(["brain", "check", server.url, "--json"])
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    abilities = ["plan", "reads the text", "finds a failure", "knows normal", "inspection", "sees pictures"]
    assert [found[name]["met"] for name in abilities] == [True] * len(abilities)
    assert not found["plan"]["needed"] and "repeats its last" in found["finds a failure"]["detail"]


def test_consultations_show_what_the_model_cannot_do(server, script, reply_folder):
    server.every_script = script.saying("I like trains.")
    found = {each.name: each for each in check_server(server.url)}
    assert not found["plan"].met and "I like trains" in found["plan"].detail and "planner" in found["plan"].detail
    assert not found["inspection"].met and not found["JSON schema"].met
    assert not list(reply_folder.glob("*.json")), "a check must not use old replies"


def test_page_instead_of_a_reply_is_reported(server, capsys):
    server.every_script = lambda _: {"page": "<html>Please log in</html>"}
    assert main(["brain", "check", server.url]) == 2
    output = capsys.readouterr()
    assert "Please log in" in output.out and output.err.count("\n") == 1


def test_serve_prints_the_options_that_the_agents_need(capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert main(["brain", "serve", "--model", "Qwen/Qwen3-VL-8B-Instruct", "--port", "8123"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("vllm serve Qwen/Qwen3-VL-8B-Instruct") and "--port 8123" in line
    assert "--tool-call-parser hermes" in line and "guided" not in line


def test_largest_model_that_fits_the_gpu_is_served(monkeypatch):
    for memory, size in ((0, "2B"), (16, "4B"), (24, "8B"), (80, "30B")):
        monkeypatch.setattr("ape.agents.vllm_command.gpu_memory", lambda memory=memory: float(memory))
        assert f"-{size}-" in serve_command()[2]
