"""Arms: when banks are mined, which arms a case allows, which series lend their windows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from ape.evals import arms
from ape.evals.datasets import load_case
from ape.rules import broad_bank, build_context


def test_bank_is_mined_before_any_arm_runs(ucr_names, tmp_path, monkeypatch):
    case, mined = load_case("ucr", ucr_names[0]), []
    bank = broad_bank(build_context(case.series, None))
    monkeypatch.setattr(arms.graphs, "mine", lambda *_args, **_options: mined.append(1) or bank)
    monkeypatch.setattr(arms.posttrain, "enhance", lambda _detector, used, *_rest, **_options: used)
    mined_case = arms.mine_case(case, tmp_path / "banks", 0)
    assert mined == [1] and mined_case.arms()["mined bank"](None) == bank and mined == [1]


def test_stored_bank_is_not_mined_again(ucr_names, tmp_path, monkeypatch):
    case = load_case("ucr", ucr_names[0])
    bank = broad_bank(build_context(case.series, None))
    bank.save(tmp_path / f"{case.name}.json")
    monkeypatch.setattr(arms.graphs, "mine", None)
    assert arms.mine_case(case, tmp_path, 0).bank.rules == bank.rules


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


def test_arms_that_need_an_oracle_need_a_simulated_case(ucr_names, tmp_path):
    case = load_case("ucr", ucr_names[0])
    mined = arms.MinedCase(case, broad_bank(build_context(case.series, None)), tmp_path, 0)
    assert set(arms.ARMS) - set(mined.arms()) == set(arms.NEED_ORACLE)


def test_other_recordings_are_training_parts_of_other_recordings(ucr_names):
    assert [len(values) for values in arms.other_recordings(ucr_names[0])] == [500]
    assert len(arms.other_recordings(ucr_names[2])) == 2
