"""Mining a wide series: representatives are studied, findings say what they stand for, and rules name groups."""

from __future__ import annotations

import numpy as np
import pytest

from ape.graphs import mine
from ape.series import from_array

TEXT = "When press1 stops, all of its readings drop to zero for 20 to 40 samples."


@pytest.fixture(scope="module")
def mined():
    rng, t = np.random.default_rng(0), np.arange(1200)
    names, columns = [], []
    for machine, size, period in (("press1", 10, 60), ("pump2", 8, 45)):
        load = np.sin(2 * np.pi * t / period) + np.repeat(rng.normal(size=120), 10)
        columns += [(k + 2) * (load + 0.1 * rng.normal(size=len(t))) + 30 for k in range(size)]
        names += [f"{machine}.s{k}" for k in range(size)]
    said = []
    bank = mine(from_array(np.stack(columns, axis=1), names), TEXT, listen=lambda agent, note: said.append(note))
    return bank, said


@pytest.mark.extended
def test_the_bank_has_the_groups_and_a_rule_for_the_one_that_the_text_names(mined):
    bank, _ = mined
    assert [group.name for group in bank.context.groups] == ["press1", "pump2"]
    stopped = [rule for rule in bank.rules if rule.mechanism == "signal_loss"]
    assert stopped
    for rule in stopped:
        assert (rule.context.groups, rule.context.channels, rule.context.spread) == (["press1"], [], "all")


@pytest.mark.extended
def test_representatives_alone_are_measured(mined):
    bank, said = mined
    measured = {note.split("channel=")[1].split(",")[0].rstrip(")") for note in said if "robust_stats" in note}
    assert measured == {group.representative for group in bank.context.groups}
