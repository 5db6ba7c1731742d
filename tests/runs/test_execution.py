"""Executing runs: approval, stopping before a step, resuming inside a step, post-training with another bank."""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import short_training, unverified

from ape.core.errors import InputError
from ape.detectors.train_into_folder import train_into_folder
from ape.graphs import review
from ape.monitor import AlertRate, Threshold, read_events
from ape.rules import RuleBank
from ape.runs import Callbacks, Request, Run, execute
from ape.runs.execution import mark_trained, next_step, post_train_with_bank
from ape.runs.folder import read_request
from ape.runs.result import read_result
from ape.series import from_array

EVENT = {
    "rank": 1, "id": "event-800", "start": 790, "end": 810, "peak": 800, "start_time": None, "end_time": None,
    "peak_time": None, "ongoing": False, "score": 4.0, "expected_every": "10,000 points",
    "expected_every_points": 10_000, "rarer": False, "channels": [{"channel": "value", "share": 1.0}], "rule": None,
    "rule_probability": None, "rules": [], "reason": "reason",
}  # fmt: skip


class Killed(Exception):
    """Stands for a kill in the middle of a step."""


@pytest.fixture(scope="module")
def quick():
    """Few training steps and implants, and blank pictures."""
    with short_training(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "draw_examples", lambda *_: b"picture")
        yield


@pytest.fixture(scope="module")
def series():
    steps = np.arange(900)
    return from_array(np.sin(steps / 4) + 0.05 * np.random.default_rng(0).normal(size=900), train_end=700)


@pytest.fixture(scope="module")
def waiting(quick, series, tmp_path_factory) -> Run:
    """A run that waits until a person approves its rules."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = Run.create(folder, Request("run", "series of the test", approve=True), series)
    assert execute(run).awaits_approval
    return run


@pytest.fixture(scope="module")
def finished(waiting, tmp_path_factory) -> Run:
    """The same run, approved and finished."""
    run = copy(waiting, tmp_path_factory.mktemp("finished") / "run")
    execute(run, dropped=[])
    return run


def copy(run: Run, folder: Path) -> Run:
    return replace(run, folder=shutil.copytree(run.folder, folder))


def listening() -> tuple[list[str], Callbacks]:
    notes: list[str] = []
    return notes, Callbacks(listen=lambda agent, note: notes.append(note))


def test_a_run_waits_for_approval_with_its_bank_written(waiting):
    assert next_step(waiting) == "approve" and execute(waiting).awaits_approval
    assert RuleBank.load(waiting.folder / "bank.json").rules
    assert not (waiting.folder / "detector").exists()


def test_an_unknown_rule_cannot_be_dropped(waiting):
    with pytest.raises(InputError, match="no rule 'nobody'"):
        execute(waiting, dropped=["nobody"])
    assert next_step(waiting) == "approve"


@pytest.mark.extended
def test_an_approved_run_resumes_inside_its_training_without_the_dropped_rule(waiting, tmp_path):
    waiting = copy(waiting, tmp_path / "run")
    dropped, *rest = [rule.id for rule in execute(waiting).bank.rules]

    def kill(step: str, done: int, total: int, note: str = "") -> None:
        if step == "training" and done >= 40:
            raise Killed

    with pytest.raises(Killed):
        execute(waiting, Callbacks(progress=kill), dropped=[dropped])
    assert next_step(waiting) == "train" and (waiting.folder / "training.safetensors").is_file()
    seen: list[int] = []

    def watch(step: str, done: int, total: int, note: str = "") -> None:
        seen.extend([done] if step == "training" else [])

    outcome = execute(waiting, Callbacks(progress=watch))
    assert min(seen) > 20 and next_step(waiting) == "" and outcome.post_training["reason"]
    assert [rule.id for rule in outcome.bank.rules] == rest
    assert [rule.id for rule in RuleBank.load(waiting.folder / "bank.json").rules] == rest
    ledger = (waiting.folder / "ledger.jsonl").read_text()
    assert '"person", "decision": "reject"' in ledger and "dropped before post-training" in ledger


@pytest.mark.extended
def test_post_training_with_another_bank_does_not_train_the_backbone_again(finished, tmp_path):
    run = copy(finished, tmp_path / "run")
    rules = execute(run).bank
    fewer = rules.model_copy(update={"rules": rules.rules[:1]})
    first, callbacks = listening()
    outcome = post_train_with_bank(run, fewer, callbacks)
    assert [rule.id for rule in outcome.bank.rules] == [fewer.rules[0].id] and len(outcome.mined.rules) > 1
    assert "trains vae" not in first and "enhances it" in str(first)
    again, callbacks = listening()
    post_train_with_bank(run, fewer, callbacks)
    assert again == []  # finished
    assert RuleBank.load(run.folder / "bank.json") == execute(run).bank == outcome.bank


RESULTS = (
    "bank.json",
    "detector",
    "enhanced",
    "posttrain.json",
    "scores.csv",
    "events.csv",
    "events.json",
    "report.html",
)
SLOW = ("detector", "enhanced", "posttrain.json")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.extended if n in SLOW else ()) for n in RESULTS])
def test_a_deleted_result_of_a_finished_run_is_made_again(finished, tmp_path, name):
    run = copy(finished, tmp_path / "run")
    outcome = execute(run)
    target = run.folder / name
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    again = execute(run)
    assert again.bank == outcome.bank and again.post_training == outcome.post_training and next_step(run) == ""
    for kept in ("bank.json", "scores.csv", "events.csv", "events.json", "enhanced/threshold.json"):
        assert (run.folder / kept).read_bytes() == (finished.folder / kept).read_bytes()
    assert target.exists()


@pytest.mark.extended
def test_a_kill_between_training_and_its_checkpoint_does_not_repeat_the_training(quick, series, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", Request("run", "series of the test"), series)
    execute(run, mine_only=True)
    with monkeypatch.context() as patch:

        def killed(*arguments, **options):
            train_into_folder(*arguments, **options)
            raise Killed

        patch.setattr(importlib.import_module("ape.graphs.run"), "train_into_folder", killed)
        with pytest.raises(Killed):
            execute(run)
    steps: list[int] = []

    def watch(step: str, done: int, total: int, note: str = "") -> None:
        steps.extend([done] if step == "training" else [])

    execute(run, Callbacks(progress=watch))
    assert steps == [60] and not list(run.folder.glob("*.safetensors"))


@pytest.mark.extended
def test_a_bank_of_a_conversation_can_come_before_the_mined_one(quick, series, waiting, tmp_path):
    run = Run.create(tmp_path / "run", Request("chat", "series of the test"), series)
    added = execute(waiting).mined
    added = added.model_copy(update={"rules": added.rules[-1:]})
    assert post_train_with_bank(run, added).post_training["reason"]
    assert execute(run).bank.rules == added.rules and execute(run).mined is None
    mined = execute(run, mine_only=True)
    assert len(mined.mined.rules) > 1 and next_step(run) == "post_train"
    assert post_train_with_bank(run, added).bank.rules == added.rules


def test_a_killed_mining_resumes_where_it_was_also_in_a_batch(quick, series, waiting, tmp_path):
    run = Run.create(tmp_path / "run", Request("mine", "series of the test"), series)

    def kill(agent: str, note: str) -> None:
        if agent == "rule critic":
            raise Killed

    with pytest.raises(Killed):
        execute(run, Callbacks(listen=kill), mine_only=True)
    notes, callbacks = listening()
    assert execute(run, callbacks, mine_only=True).bank == RuleBank.load(waiting.folder / "bank.json")
    assert notes and "starts to profile" not in notes


def test_damaged_events_of_a_finished_run_are_found_again(finished, tmp_path):
    run = copy(finished, tmp_path / "run")
    for name in ("events.json", "enhanced/threshold.json"):
        (run.folder / name).write_text("{}")
        execute(run)
        assert (run.folder / name).read_bytes() == (finished.folder / name).read_bytes()


@pytest.mark.parametrize("text", ["", "position,before,after\n0,1,2\n", "\0", "position,before,after\n0,x,y\n"])
def test_damaged_scores_of_a_finished_run_are_made_again(finished, tmp_path, text):
    run = copy(finished, tmp_path / "run")
    (run.folder / "scores.csv").write_text(text)
    execute(run)
    assert (run.folder / "scores.csv").read_bytes() == (finished.folder / "scores.csv").read_bytes()


def test_a_deleted_threshold_of_the_backbone_is_made_again(finished, tmp_path):
    run = copy(finished, tmp_path / "run")
    (run.folder / "detector/threshold.json").unlink()
    execute(run)
    assert Threshold.load(run.folder / "detector") and Threshold.load(run.folder / "enhanced")


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document | {"rows": 5},
        lambda document: document | {"events": [{**EVENT, "end": 10**9}]},
        lambda document: document | {"events": [{**EVENT, "channels": [{"channel": "another", "share": 1}]}]},
    ],
)
def test_events_of_another_series_are_refused(finished, tmp_path, change):
    run = copy(finished, tmp_path / "run")
    path = unverified(run.folder) / "events.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match="not the events of this series"):
        read_result(run.folder, run.series, RuleBank.load(run.folder / "bank.json"))


def test_both_detectors_have_their_threshold_at_the_requested_rate(quick, series, finished, tmp_path):
    by_default = [Threshold.load(finished.folder / name) for name in ("detector", "enhanced")]
    assert {threshold.rate.per for threshold in by_default} == {"training part"}
    assert all(threshold.level == pytest.approx(np.log10(700)) for threshold in by_default)
    run = copy(finished, tmp_path / "run")
    run = replace(run, request=replace(run.request, alerts=AlertRate(7, "training part")))
    (run.folder / "events.csv").unlink()
    execute(run)
    assert Threshold.load(run.folder / "enhanced").level == pytest.approx(2)
    assert read_events(run.folder)["threshold"] == pytest.approx(2)


def test_a_request_of_an_older_version_has_no_rate_and_no_name_of_a_text(waiting, tmp_path):
    run = copy(waiting, tmp_path / "run")
    unverified(run.folder)
    record = json.loads((run.folder / "run.json").read_text())
    assert record["arguments"].pop("alerts") is None and record["arguments"].pop("text_file") is None
    (run.folder / "run.json").write_text(json.dumps(record))
    request = read_request(run.folder)
    assert request.alerts is None and request.text_file is None


def test_a_request_keeps_the_rate_of_false_alarms(series, tmp_path):
    request = Request("run", "series of the test", text_file="notes.txt", alerts=AlertRate(2, "training part"))
    Run.create(tmp_path / "run", request, series)
    assert read_request(tmp_path / "run").alerts == AlertRate(2, "training part")
    assert read_request(tmp_path / "run").text_file == "notes.txt"


def test_a_run_of_an_earlier_version_is_refused(waiting, tmp_path):
    run = copy(waiting, tmp_path / "run")
    unverified(run.folder)
    record = json.loads((run.folder / "run.json").read_text()) | {"format": 1}
    (run.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="earlier version"):
        execute(run)


@pytest.mark.extended
def test_a_backbone_that_a_batch_trained_is_not_trained_again(quick, series, tmp_path):
    run = Run.create(tmp_path / "run", Request("run", "series of the test"), series)
    execute(run, mine_only=True)
    assert next_step(run) == "train" and execute(run, mine_only=True).post_training == {}
    from ape import detectors

    detectors.create("vae").fit(series).save(run.folder / "detector")
    mark_trained(run)
    notes, callbacks = listening()
    assert execute(run, callbacks).post_training["reason"]
    assert "trains vae" not in notes and (run.folder / "scores.csv").is_file()


def test_the_folder_of_a_run_is_not_needed_by_its_path(quick, series, tmp_path):
    run = Run.create(tmp_path / "run", Request("mine", "series of the test"), series)
    bank = execute(run, mine_only=True).bank
    moved = Path(run.folder.rename(tmp_path / "moved"))
    assert execute(Run(moved, run.request, series)).bank == bank and (moved / "report.html").is_file()
