"""Jobs of the fidelity measurement."""

from __future__ import annotations

from dataclasses import replace

from ape.evals.fidelity import minings
from ape.rules import broad_bank, build_context


def test_profile_mining_is_compared_with_references(monkeypatch):
    mined = []

    def mine(series, seed, without):
        mined.append((series, seed, without))
        return broad_bank(build_context(series), ["noise_burst"])

    monkeypatch.setattr(minings, "mine", mine)
    scenario = minings.SCENARIOS["stirred_reactor"]
    faults = tuple(fault for fault in scenario.faults if fault.name == "thermocouple_noise")
    monkeypatch.setattr(minings, "SCENARIOS", {scenario.name: replace(scenario, faults=faults)})
    monkeypatch.setattr(minings, "INSTANCES", 1)
    rows = minings.measure_mining("stirred_reactor--profile--1")["rows"]
    [(series, seed, without)] = mined
    assert (seed, without, series.text) == (1, {"pictures", "critic"}, None)
    banks = {row["bank"]: row for row in rows}
    assert list(banks) == ["profile", "oracle", "random", "cut_add_paste", "normal"]
    assert banks["oracle"]["mechanism@1"] == 1.0 and banks["normal"]["rules"] == 0
    assert all(0 <= row["c2st"] <= 1 for row in rows)
