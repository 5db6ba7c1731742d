"""Executing runs: approval, stopping before a step, resuming inside a step, post-training with another bank."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.detectors.registry import BACKBONES
from ape.graphs import review
from ape.rules import RuleBank
from ape.runs import Callbacks, Request, Run, execute
from ape.runs.execution import mark_trained, next_step, post_train_with_bank
from ape.series import from_array


class Killed(Exception):
    """Stands for a kill in the middle of a step."""


@pytest.fixture(scope="module")
def quick():
    """Few training steps and blank pictures."""
    vae = BACKBONES["vae"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "vae", replace(vae, budget=replace(vae.budget, steps=60, check_every=20)))
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


def test_an_approved_run_resumes_inside_its_training_without_the_dropped_rule(waiting):
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


def test_post_training_with_another_bank_does_not_train_the_backbone_again(waiting):
    rules = execute(waiting).bank
    fewer = rules.model_copy(update={"rules": rules.rules[:1]})
    first, callbacks = listening()
    assert [rule.id for rule in post_train_with_bank(waiting, fewer, callbacks).bank.rules] == [fewer.rules[0].id]
    assert "trains vae" in first  # the first training for this purpose
    again, callbacks = listening()
    post_train_with_bank(waiting, fewer, callbacks)
    assert again == []  # finished
    other, callbacks = listening()
    outcome = post_train_with_bank(waiting, rules, callbacks)
    assert "trains vae" not in other and "enhances it" in str(other) and outcome.bank == rules
    assert RuleBank.load(waiting.folder / "bank.json") == rules


@pytest.mark.extended
def test_a_backbone_that_a_batch_trained_is_not_trained_again(quick, series, tmp_path):
    run = Run.create(tmp_path / "run", Request("run", "series of the test"), series)
    execute(run, stop_before="train")
    assert next_step(run) == "train" and execute(run, stop_before="train").post_training == {}
    from ape import detectors

    detectors.create("vae").fit(series).save(run.folder / "detector")
    mark_trained(run)
    notes, callbacks = listening()
    assert execute(run, callbacks).post_training["reason"]
    assert "trains vae" not in notes and (run.folder / "scores.csv").is_file()


def test_the_folder_of_a_run_is_not_needed_by_its_path(quick, series, tmp_path):
    run = Run.create(tmp_path / "run", Request("mine", "series of the test"), series)
    bank = execute(run, stop_before="approve").bank
    moved = Path(run.folder.rename(tmp_path / "moved"))
    assert execute(Run(moved, run.request, series)).bank == bank and (moved / "report.html").is_file()
