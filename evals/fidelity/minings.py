"""Mine banks from the normal part of TimeAnomaly-Bench scenarios in several ways, and judge them by the true faults."""

from __future__ import annotations

from typing import Any

import numpy as np

from ape.evals.fidelity.alignment import alignment, windows_of
from ape.evals.fidelity.own_rules import ceilings, own_rule
from ape.evals.fidelity.semantics import TOP, semantics
from ape.evals.oracle import oracle_bank
from ape.evals.timeanomalybench import SCENARIOS, Instance, Scenario, make
from ape.evals.timeanomalybench.texts import draw_texts
from ape.graphs import mine
from ape.rules import Context, RuleBank, broad_bank
from ape.series import Series, from_array

TEXTS = ("none", "measured", "manual", "log")  # each level includes the texts of the levels before it
DATA_ONLY = frozenset({"pictures", "critic"})
MININGS = {  # text level, and parts of the loop to leave out
    "profile": ("none", DATA_ONLY),
    "+ text": ("manual", DATA_ONLY),
    "+ pictures": ("manual", frozenset({"critic"})),
    "+ critic, none": ("none", frozenset()),
    "+ critic, measured": ("measured", frozenset()),
    "+ critic, manual": ("manual", frozenset()),
    "+ critic, log": ("log", frozenset()),
}
INSTANCES, EVENTS = 8, 3  # simulated series of each fault, and events in each
RANDOM_RULES = 5


def measure_mining(job: str) -> dict[str, Any]:
    """Mine one scenario, and return ``rows``: figures for each fault and each bank.

    The miner sees normal data only. The mining "profile" is compared with four references that need no text: the
    oracle bank, a random bank, CutAddPaste alone, and normal windows.

    Parameters
    ----------
    job : str
        ``SCENARIO--MINING--SEED``, ``MINING`` being one of `MININGS`.
    """
    scenario_name, mining, seed_text = job.split("--")
    scenario, seed = SCENARIOS[scenario_name], int(seed_text)
    level, without = MININGS[mining]
    instances_of = {
        fault.name: [make(scenario, fault.name, 1000 * run + seed, events=EVENTS) for run in range(INSTANCES)]
        for fault in scenario.faults
    }
    series = _normal_series(scenario, next(iter(instances_of.values()))[0], level, seed)
    bank = mine(series, seed=seed, without=without)
    context = bank.context
    rows = []
    for fault, instances in instances_of.items():
        windows = windows_of(instances, context, seed)
        banks: dict[str, RuleBank | None] = {mining: bank}
        if mining == "profile":
            banks |= {
                "oracle": oracle_bank([scenario.fault(fault)], context),
                "random": _random_bank(context, seed),
                "cut_add_paste": broad_bank(context, ["cut_add_paste"]),
                "normal": None,
            }
        for name, judged in banks.items():
            rules = judged or RuleBank(context=context)
            rows.append(
                {
                    "scenario": scenario.name,
                    "confirmation": scenario.confirmation,
                    "fault": fault,
                    "bank": name,
                    "seed": seed,
                    "rules": len(rules.rules),
                    "true_windows": len(windows.true),
                    **semantics(rules, instances[0]),
                    **own_rule(rules, scenario, instances[0].events[0].fault),
                    **ceilings(scenario.faults, instances[0].events[0].fault, TOP),
                    **alignment(judged, windows, context, seed),
                }
            )
    return {"rows": rows}


def _normal_series(scenario: Scenario, instance: Instance, level: str, seed: int) -> Series:
    """Return the run without the fault, with the texts up to a level of `TEXTS`."""
    text = None
    if level != "none":
        texts = draw_texts(scenario.texts, len(instance.values) * scenario.step, seed)
        text = "\n".join(texts[name] for name in TEXTS[1 : TEXTS.index(level) + 1])
    return from_array(instance.twin, list(scenario.units), instance.train_end, text=text)


def _random_bank(context: Context, seed: int) -> RuleBank:
    names = [rule.id for rule in broad_bank(context).rules]
    return broad_bank(context, np.random.default_rng([seed, 7]).choice(names, RANDOM_RULES, replace=False).tolist())
