"""``ape chat`` through a pipe: what is said is answered, kept and gone on with; wrong calls are one line."""

from __future__ import annotations

import base64
import io

import pytest
from rich.console import Console

from ape.cli import chat
from ape.runs.session import Event


@pytest.fixture
def say(ape, monkeypatch):
    """Run ``ape chat`` with these lines typed in; what it told."""

    def run(*argv, lines=()):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        outcome = ape("chat", *argv)
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out

    return run


def test_a_conversation_is_held_left_and_gone_on_with(say, data, tmp_path):
    out = tmp_path / "talk"
    told = say(
        data, "--out", out, lines=["what does the series do?", "add a rule: the sensor gets stuck", "mine", "no"]
    )
    assert "1000 points" in told and "picture: " in told and "(yes/no)" in told and "Cancelled" in told
    again = say("--resume", out, lines=["list the rules"])
    assert "> what does the series do?" in again and "stuck sensor" in again


def test_a_branch_is_a_thread_of_its_own(say, data, tmp_path):
    out = tmp_path / "talk"
    say(data, "--out", out, lines=["add a rule: the sensor gets stuck", "branch", "drop it"])
    assert "There are no rules" in say("--resume", out, "--thread", "branch-1", lines=["list the rules"])
    assert "stuck sensor" in say("--resume", out, lines=["list the rules"])


def test_an_empty_line_or_the_end_of_input_ends(say, data, tmp_path):
    assert "go on with" in say(data, "--out", tmp_path / "a", lines=["", "help"])
    assert "go on with" in say(data, "--out", tmp_path / "b")


@pytest.mark.parametrize("argv", [[], ["DATA", "--resume", "x"], ["--resume", "nowhere"], ["nowhere.csv"]])
def test_wrong_calls_are_one_line(refused, argv, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("chat", *[str(data) if word == "DATA" else word for word in argv])


def test_a_thread_cannot_lead_out_of_the_folder(refused, say, data, tmp_path):
    say(data, "--out", tmp_path / "talk")
    assert "no thread" in refused("chat", "--resume", tmp_path / "talk", "--thread", "../x")


def test_a_terminal_that_can_draws_the_pictures(tmp_path, monkeypatch):
    screen = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(chat, "console", screen)
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    picture = tmp_path / "wave.png"
    picture.write_bytes(b"a picture")
    chat._tell([Event("found", "render_overview", picture)])
    assert f"File=inline=1;width=80%:{base64.b64encode(b'a picture').decode()}\a" in screen.file.getvalue()
    monkeypatch.setenv("TERM_PROGRAM", "Apple_Terminal")
    screen.file.truncate(0)
    chat._tell([Event("found", "render_overview", picture)])
    assert "inline" not in screen.file.getvalue() and "wave.png" in screen.file.getvalue()
