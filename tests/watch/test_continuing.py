"""What a person calls a false alarm is a benign rule of the next run."""

from __future__ import annotations

import shutil

import pytest
from watch_records import record

from ape.cli.main import main
from ape.core.files import read_json
from ape.rules import RuleBank
from ape.series import load
from ape.watch.labels import false_alarms
from ape.watch.store import Store, store_path


@pytest.fixture
def folder(watched_run, tmp_path):
    """A copy of the run, in which one of two events is labelled as false."""
    folder = shutil.copytree(watched_run.folder, tmp_path / "run")
    with Store(store_path(folder, "new")) as store:
        store.add_records([record("New-2760", state="close"), record("New-2900")])
        store.label("New-2760", "false", "the weekly cleaning")
        store.label("New-2900", "acknowledged")
    return folder


def test_a_false_alarm_has_the_kind_size_length_and_hours_of_its_event(folder, watched_run):
    (alarm,) = false_alarms(folder, load(str(watched_run.training)))
    draft = alarm.draft
    assert alarm.words == "the weekly cleaning" and draft.id == "false-new-2760"
    assert draft.program[0].operator == "level_shift" and draft.context.channels == ["load"]
    assert (draft.scale.low, draft.scale.high) == pytest.approx((0.6 * 8, 1.6 * 8)) and draft.scale.direction == "up"
    assert (draft.duration.low, draft.duration.high, draft.duration.unit) == (20, 80, "samples")
    assert (draft.context.hours.low, draft.context.hours.high) == (21, 23)


@pytest.mark.extended
def test_the_next_run_has_it_as_a_benign_rule_and_the_one_after_too(folder, tmp_path, watched_run, short_run):
    second, third = tmp_path / "second", tmp_path / "third"
    assert short_run(["run", "--continue-from", str(folder), "--out", str(second)]) == 0
    (rule,) = RuleBank.load(second / "bank.json").benign
    assert rule.id == "false-new-2760" and rule.history[-1].reason == "the weekly cleaning"
    mined = [rule.id for rule in RuleBank.load(folder / "bank.json").rules]
    assert [rule.id for rule in RuleBank.load(second / "bank.json").rules] == mined
    assert (second / "events.json").is_file() and read_json(second / "run.json", "")["finished"]
    assert short_run(["run", "--resume", str(second), "--quiet"]) == 0  # nothing is left to do
    data, end = str(watched_run.new), "--train-end=290"  # newer data
    assert short_run(["run", data, end, "--continue-from", str(second), "--out", str(third)]) == 0
    assert [rule.id for rule in RuleBank.load(third / "bank.json").benign] == ["false-new-2760"]


def test_without_a_false_alarm_there_is_nothing_to_continue(watched_run, tmp_path, capsys):
    assert main(["run", "--continue-from", str(watched_run.folder), "--out", str(tmp_path / "next")]) == 2
    assert "no event is labelled as a false alarm" in capsys.readouterr().err
    assert not (tmp_path / "next").exists()


def test_options_stay_as_they_are(folder, tmp_path, capsys):
    assert main(["run", "--continue-from", str(folder), "--backbone", "donut"]) == 2
    assert "with --continue-from, the options stay as they are (--backbone)" in capsys.readouterr().err
