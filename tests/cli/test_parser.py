"""Typing errors are refused with what may have been meant; help needs no command; missing inputs are refused early."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape import detectors
from ape.cli.arguments import BACKBONES, build_parser
from ape.cli.parser import alert_rate
from ape.core.alert_rates import WORDS, AlertRate
from ape.monitor.threshold import PERIODS, TRAINING


def test_ape_alone_prints_help(ape):
    outcome = ape()
    assert outcome.code == 0 and outcome.out.startswith("usage: ape") and "exit codes: 0" in outcome.out
    commands = build_parser().commands()
    assert set(commands) <= set(outcome.out.split())
    assert max(map(len, outcome.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["rn", "x.csv"], "no command 'rn' (ape): did you mean 'run'?"),
        (["xyzzy"], "no command 'xyzzy' (ape): give one of run, mine,"),
        (["bank", "shw", "x"], "no action 'shw' (ape bank): did you mean 'show'?"),
        (["bank"], "required: ACTION (ape bank): give one of validate, show, schema"),
        (["run", "--bakbone", "vae"], "no option '--bakbone' (ape run): did you mean '--backbone'?"),
        (["run", "DATA", "--backbone", "vea"], "no backbone 'vea' (--backbone): did you mean 'vae'?"),
        (["check", "DATA", "--decimal", ";"], "no decimal ';' (--decimal): give one of '.', ','"),
        (["score", "DATA", "--detectr=x"], "no option '--detectr' (ape score): did you mean '--detector'?"),
        (["score", "DATA", "--out", "x"], "required: --detector (ape score): see 'ape score --help'"),
        (["check", "DATA", "more.csv"], "unrecognized arguments: more.csv (ape): see 'ape --help'"),
        (["run", "DATA", "--seed", "-1"], "'-1' is not a whole number from 0 to 2147483647 (--seed)"),
        (["run", "DATA", "--alerts-per", "month"], "'month' is no rate of alarms: give day, week or training"),
        (["run", "DATA", "--alerts-per", "day=0"], "'day=0' is no rate of alarms"),
        (["run", "wave.np"], "no such file (wave.np): did you mean 'wave.npz'?"),
        (["run", "."], "it is a folder (.): give a file"),
        (["events", "wave.npz"], "it is a file (wave.npz): give a folder"),
        (["events", "."], "neither a run folder nor one that 'ape score' wrote (.)"),
        (["eval", "run", "benh"], "no such experiment (benh): did you mean 'bench'?"),
        (["batch", "no*.csv", "--out", "x"], "no such file or folder (no*.csv): check the path"),
    ],
)
def test_errors_say_what_may_have_been_meant(refused, data, monkeypatch, argv, line):
    monkeypatch.chdir(data.parent)
    assert line in refused(*(data.name if word == "DATA" else word for word in argv))


MISSING = [
    "run x.csv", "mine x.csv --out o", "train x.csv --out o", "enhance x.csv --detector d --bank b --out o",
    "score x.csv --detector d --out o", "events x", "check x.csv", "bank show x", "trace x", "batch x --out o",
    "chat x.csv", "run --resume x", "chat --resume x", "bench supplement x.csv --out o", "bench describe x",
    "eval run x", "eval report x", "eval compare x y",
]  # fmt: skip


def test_missing_inputs_are_refused_without_heavy_imports(tmp_path):
    script = f"""
import sys
from ape.cli.main import main
codes = {{main(command.split()) for command in {MISSING!r}}}
print(codes, {{"numpy", "pandas", "torch", "rich", "pydantic"}} & set(sys.modules))
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "{2} set()"
    assert done.stderr.count("\n") == len(MISSING) and done.stderr.count("ape: ") == len(MISSING)
    assert time.monotonic() - start < 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "mine"])
def test_a_run_reads_and_shows_its_series_before_it_imports_what_takes_seconds(command, tmp_path):
    (tmp_path / "x.csv").write_text("value\n" + "\n".join(str(i % 7) for i in range(300)))
    script = f"""
import sys
from ape.cli import commands, main
shown = commands.print_reading
def print_reading(series):
    shown(series)
    heavy = {{"torch", "langgraph", "langchain_core", "matplotlib", "scipy", "numba", "statsmodels"}} & set(sys.modules)
    raise main.importlib.import_module("ape.core.errors").InputError("stopped", str(heavy), "here")
commands.print_reading = print_reading
main.main(["{command}", "x.csv", "--out", "out"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "series: 300 points" in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "ape: stopped (set()): here"
    assert not (tmp_path / "out").exists()


def test_names_that_are_written_down_twice_agree():
    assert list(BACKBONES) == detectors.names()
    assert set(WORDS.values()) == {*PERIODS, TRAINING}


@given(st.floats(0.01, 1000), st.sampled_from(["day", "week", "training"]))
def test_rates_are_read_as_they_are_written(number, name):
    rate = alert_rate(f"{name}={number}")
    assert rate.number == number and alert_rate(name) == AlertRate(1, rate.per)
    assert alert_rate(rate.typed) == rate


@pytest.mark.parametrize("word", ["", "=3", "day=x", "day=-1", "day=nan", "day=inf", "hour", "3"])
def test_other_words_are_no_rates(word):
    with pytest.raises(argparse.ArgumentTypeError):
        alert_rate(word)


def test_every_command_has_the_options_of_output():
    for leaf in build_parser().leaves():
        options = {option for action in leaf._actions for option in action.option_strings}
        assert {"--json", "--quiet"} <= options, leaf.prog


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_options_and_files(ape, shell):
    outcome = ape("completion", shell)
    assert (outcome.code, outcome.err) == (0, "")
    assert "events" in outcome.out and "alerts-per" in outcome.out


def test_bash_accepts_the_completion_script(ape, tmp_path):
    path = tmp_path / "ape.bash"
    path.write_text(ape("completion", "bash").out)
    words = "COMP_WORDS=(ape ev); COMP_CWORD=1; _shtab_ape; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"source {path}; {words}"], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"eval", "events"}
