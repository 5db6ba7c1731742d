"""``ape chat`` through a pipe: what is said is answered, kept and gone on with; wrong calls are one line."""

from __future__ import annotations

import io

import pytest


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
    assert "1000 points" in told and "picture: " in told and "(yes/no)" in told and "Left undone" in told
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
