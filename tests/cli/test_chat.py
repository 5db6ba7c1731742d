"""``ape chat`` through a pipe: messages are answered and stored, and invalid calls are refused in one line."""

from __future__ import annotations

import base64
import io
import shlex

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ape.cli import chat
from ape.runs.updates import Update


@pytest.fixture
def say(ape, monkeypatch):
    """Run ``ape chat`` with these lines as input and return what it prints."""

    def run(*argv, lines=()):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        outcome = ape("chat", *argv)
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out

    return run


def test_conversation_can_be_resumed(say, data, tmp_path):
    out = tmp_path / "chat"
    messages = ["what does the series do?", "add a rule: the sensor gets stuck", "mine", "no"]
    printed = say(data, "--out", out, lines=messages)
    assert "1000 points" in printed and "picture: " in printed and "(yes/no)" in printed and "Cancelled" in printed
    resumed = say("--resume", out, lines=["list the rules"])
    assert "> what does the series do?" in resumed and "stuck sensor" in resumed


def test_branch_is_a_separate_thread(say, data, tmp_path):
    out = tmp_path / "chat"
    printed = say(data, "--out", out, lines=["add a rule: the sensor gets stuck", "branch", "drop it"])
    assert "--thread branch-1" in printed.splitlines()[-1]
    assert "There are no rules" in say("--resume", out, "--thread", "branch-1", lines=["list the rules"])
    assert "stuck sensor" in say("--resume", out, lines=["list the rules"])


def test_an_empty_line_is_ignored_and_the_end_of_input_ends(say, data, tmp_path):
    printed = say(data, "--out", tmp_path / "a", lines=["", "  ", "help"])
    assert "> help\nIn your own words" in printed and "resume with" in printed
    assert "resume with" in say(data, "--out", tmp_path / "b")


@pytest.mark.parametrize("word", ["Quit", "exit()", ":q", "bye!", "/quit"])
def test_words_that_end(say, data, tmp_path, word):
    printed = say(data, "--out", tmp_path / "a", lines=["mine", word, "what does the series do?"])
    assert "resume with" in printed.splitlines()[-1] and "describe_series" not in printed


def test_a_question_is_asked_again_until_it_is_answered(say, data, tmp_path):
    printed = say(data, "--out", tmp_path / "a", lines=["mine", "perhaps", "", "branch", "N", "list the rules"])
    assert printed.count("First answer the question: yes or no.") == 2
    assert printed.count("yes or no> ") == 4 and "Cancelled" in printed and "> list the rules" in printed
    assert "branch-1" not in printed


def test_the_resume_line_can_be_typed(say, data, tmp_path):
    folder = tmp_path / ("a folder's name that is long " * 5)
    line = say(data, "--out", folder, lines=["help", "branch"]).splitlines()[-1]
    words = shlex.split(line.removeprefix("resume with: "))
    assert words == ["ape", "chat", "--resume", str(folder), "--thread", "branch-1"]
    assert "In your own words" in say(*words[2:])


def test_bytes_that_are_no_text_do_not_end_it(ape, data, tmp_path, monkeypatch):
    typed = io.TextIOWrapper(io.BytesIO(b"help \xff\xfe\nhelp\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", typed)
    outcome = ape("chat", data, "--out", tmp_path / "a")
    assert (outcome.code, outcome.err) == (0, "") and outcome.out.count("> help") == 2


def test_calls_are_printed_once_and_readable(say, tmp_path):
    values = 0.1 * np.random.default_rng(0).standard_normal(600) + np.sin(np.arange(600) / 4)
    pd.DataFrame({"Temp °C": values}).to_csv(tmp_path / "warm.csv", index=False)
    printed = say(tmp_path / "warm.csv", "--out", tmp_path / "a", lines=["show 20 to 90", "help"])
    assert printed.count("render_zoom") == 1 and 'render_zoom({"channel": "Temp °C"' in printed
    assert "The picture shows Temp °C, positions 20 to 89." in printed


@pytest.mark.parametrize("argv", [[], ["DATA", "--resume", "x"], ["--resume", "nowhere"], ["nowhere.csv"]])
def test_invalid_calls_are_refused_in_one_line(refused, argv, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("chat", *[str(data) if word == "DATA" else word for word in argv])


def test_thread_name_cannot_be_a_path(refused, say, data, tmp_path):
    say(data, "--out", tmp_path / "chat")
    assert "not a valid thread name" in refused("chat", "--resume", tmp_path / "chat", "--thread", "../x")


def test_terminals_that_support_pictures_show_them(tmp_path, monkeypatch):
    screen = Console(file=io.StringIO(), force_terminal=True, width=300)
    monkeypatch.setattr(chat, "console", screen)
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    picture = tmp_path / "wave.png"
    picture.write_bytes(b"a picture")
    chat._print_updates([Update("tool_result", "render_overview", picture)])
    assert f"File=inline=1;width=80%:{base64.b64encode(b'a picture').decode()}\a" in screen.file.getvalue()
    monkeypatch.setenv("TERM_PROGRAM", "Apple_Terminal")
    screen.file.truncate(0)
    chat._print_updates([Update("tool_result", "render_overview", picture)])
    assert "inline" not in screen.file.getvalue() and "wave.png" in screen.file.getvalue()
