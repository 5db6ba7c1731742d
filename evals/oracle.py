"""Rule Banks written from the true faults of a simulated scenario: the best banks that mining could find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ape.evals.timeanomalybench import Fault
from ape.rules import OPERATORS, Context, RuleBank, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, ScalePrior


def oracle_bank(faults: Sequence[Fault], context: Context) -> RuleBank:
    """Return a bank of the operators that make the faults' morphologies, with their sizes, durations and channels.

    The id of the first rule of an operator is its name; the ids of further ones have a number.
    """
    rules, uses = [], Counter[str]()
    for fault in faults:
        for name in _operators(fault):
            number = f"_{uses[name]}" if uses[name] else ""
            rules.append(broad_rule(name).model_copy(update={"id": name + number, **_truth(fault)}))
            uses[name] += 1
    return RuleBank(context=context, rules=rules)


def _operators(fault: Fault) -> list[str]:
    operators = [
        name for name, entry in OPERATORS.items() if entry.broad.morphology == fault.morphology and not entry.relational
    ]
    return operators or ["cut_add_paste"]


def _truth(fault: Fault) -> dict[str, Any]:
    return {
        "mechanism": fault.mechanism,
        "morphology": fault.morphology,
        "scale": ScalePrior(low=fault.scale[0], high=fault.scale[1], unit="series_sd"),
        "duration": DurationPrior(low=fault.duration[0], high=fault.duration[1], unit="samples"),
        "context": ContextualPrior(channels=list(fault.shows)),
    }
