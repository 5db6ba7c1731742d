"""Timing: warm-up, turns, limits, and the printed table."""

from __future__ import annotations

from ape.evals.speed.timing import Table, medians_in_turns, seconds_in_turns


def test_calls_take_turns_after_a_warm_up_in_alternating_order():
    order = []
    taken = seconds_in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, max_runs=3)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert {name: len(runs) for name, runs in taken.items()} == {"a": 3, "b": 3}


def test_no_further_round_starts_after_enough_seconds():
    order = []
    taken = medians_in_turns({"a": lambda: order.append("a")}, max_runs=9, enough=0.0)
    assert order == ["a", "a"] and taken["a"] >= 0


def test_table_is_aligned(capsys):
    table = Table({"model": "<7", "seconds": ">8.2f"})
    table.row("vae", 1.5)
    assert capsys.readouterr().out == "model    seconds\nvae         1.50\n"
