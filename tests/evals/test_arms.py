"""Arms: when banks are mined, from which text, what banks arms use, which arms a case allows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest

from ape.evals import arms
from ape.evals.datasets import load_case
from ape.evals.reuse import forget
from ape.evals.timeanomalybench import SCENARIOS
from ape.rules import RuleBank, broad_bank, build_context


@pytest.fixture(autouse=True)
def no_memory():
    """Mine and train again in each test."""
    forget()


def record_banks(monkeypatch):
    """Return the list to which each post-training adds its bank, instead of taking place."""
    used = []
    forget()

    def enhance(_detector, bank, *_rest, **_options):
        used.append(bank)
        return SimpleNamespace(candidate=None, report={"kept": "original"})

    monkeypatch.setattr(arms.posttrain, "enhance", enhance)
    return used


def test_bank_is_mined_before_any_arm_runs(ucr_names, tmp_path, monkeypatch):
    case, mined = load_case("ucr", ucr_names[0]), []
    bank = broad_bank(build_context(case.series, None))
    monkeypatch.setattr(arms.graphs, "mine", lambda *_args, **_options: mined.append(1) or bank)
    used = record_banks(monkeypatch)
    mined_case = arms.mine_case(case, tmp_path / "banks", 0, "vae")
    assert mined == [1] and mined_case.arms()["mined bank"](None).kept == "original"
    assert mined == [1] and [each.rules for each in used] == [bank.rules]


def test_stored_bank_is_not_mined_again(ucr_names, tmp_path, monkeypatch):
    case = load_case("ucr", ucr_names[0])
    bank = broad_bank(build_context(case.series, None))
    bank.save(tmp_path / f"{case.name}.json")
    monkeypatch.setattr(arms.graphs, "mine", None)
    assert arms.mine_case(case, tmp_path, 0, "vae").bank.rules == bank.rules


def test_parallel_workers_mine_a_bank_once(ucr_names, tmp_path, monkeypatch):
    case, mined = load_case("ucr", ucr_names[0]), []
    bank = broad_bank(build_context(case.series, None))
    both_started = Barrier(2)

    def mine_slowly(*_args, **_options):
        mined.append(1)
        time.sleep(0.3)
        return bank

    def work(_):
        both_started.wait()
        return arms.mine_or_load(case, tmp_path)

    monkeypatch.setattr(arms.graphs, "mine", mine_slowly)
    with ThreadPoolExecutor(2) as workers:
        banks = list(workers.map(work, range(2)))
    assert mined == [1] and [each.rules for each in banks] == [bank.rules] * 2


def test_arms_need_what_they_are_about(ucr_names, tmp_path):
    case = load_case("ucr", ucr_names[0])
    mined = arms.MinedCase(case, broad_bank(build_context(case.series, None)), tmp_path, 0, "vae")
    assert set(arms.ARMS) - set(mined.arms()) == {*arms.NEED_ORACLE, arms.NEEDS_OTHER_TEXT}


@pytest.fixture(scope="module")
def leak():
    """A simulated fault, and a bank of two rules, of which none is right."""
    case = load_case("bench", "pumped_tank.main_burst")
    bank = broad_bank(build_context(case.series), ["spike_global", "time_reverse"])
    assert not {"spike_global", "time_reverse"} & {rule.id for rule in case.oracle(bank.context).rules}
    return case, bank


def banks_of(names, leak, tmp_path, monkeypatch, seed=0):
    used, mined = record_banks(monkeypatch), arms.MinedCase(*leak, tmp_path, seed, "vae")
    for name in names:
        mined.arms()[name](None)
    return used


def test_arms_differ_in_their_banks(leak, tmp_path, monkeypatch):
    names = [
        "mined bank", "all operators", "oracle bank", "oracle bank of all faults", "oracle among all operators",
        "cut-paste",
    ]  # fmt: skip
    mined, every, oracle, of_all, among, cut = banks_of(names, leak, tmp_path, monkeypatch)
    assert mined == leak[1] and [rule.id for rule in cut.rules] == ["cut_add_paste"]
    true = {rule.id for rule in oracle.rules}
    assert len(of_all.rules) >= 5 and RuleBank.model_validate(of_all.model_dump())
    shapes = {fault.morphology for fault in SCENARIOS["pumped_tank"].faults}
    assert {rule.morphology for rule in of_all.rules} == shapes > {rule.morphology for rule in oracle.rules}
    assert {rule.id for rule in among.rules} == {rule.id for rule in every.rules} > true
    broad = {rule.id: rule for rule in every.rules}
    for rule in among.rules:
        assert (rule == broad[rule.id]) != (rule.id in true)
    RuleBank.model_validate(among.model_dump())  # no id occurs twice


def test_random_banks_have_as_many_rules_as_the_mined_bank_and_the_seed_draws_them(leak, tmp_path, monkeypatch):
    first, again, other = (
        [rule.id for rule in banks_of(["random bank"], leak, tmp_path, monkeypatch, seed)[0].rules]
        for seed in (0, 0, 1)
    )
    assert first == again != other and len(set(first)) == len(leak[1].rules)


def test_texts_of_minings(leak, tmp_path, monkeypatch):
    case, bank = leak
    texts = {}
    monkeypatch.setattr(arms.graphs, "mine", lambda series, text, **options: texts.setdefault(text, bank))
    for variant in ("", "without text", "with another text"):
        arms.mine_or_load(case, tmp_path, variant)
    assert list(texts) == [None, "", case.other_text] and len(list(tmp_path.glob("*.json"))) == 3


def test_right_rules_use_an_operator_of_the_true_fault(leak, tmp_path):
    case, bank = leak
    oracle = case.oracle(bank.context)
    mined = arms.MinedCase(case, bank, tmp_path, 0, "vae")
    assert mined.right_rules(oracle) == [rule.id for rule in oracle.rules]
    assert mined.right_rules(bank) == []
    assert replace(mined, case=replace(case, oracle=None)).right_rules(oracle) == []


def test_scores_are_those_of_the_candidate_whatever_was_kept(leak, tmp_path, monkeypatch):
    voices = {name: np.full(3, k) for k, name in enumerate(("rules", "free", "both"))}
    candidate = SimpleNamespace(bank=leak[1], voices=lambda series: voices)
    result = SimpleNamespace(candidate=candidate, report={"kept": "free"})
    monkeypatch.setattr(arms.posttrain, "enhance", lambda *_args, **_options: result)
    outcome = arms.MinedCase(*leak, tmp_path, 0, "vae").enhance(None)
    assert (outcome.scores, outcome.kept, outcome.attributed) == (voices, "free", {}) and outcome.seconds >= 0


def test_other_recordings_are_training_parts_of_other_recordings(ucr_names):
    assert [len(values) for values in arms.other_recordings(ucr_names[0])] == [500]
    assert len(arms.other_recordings(ucr_names[2])) == 2
