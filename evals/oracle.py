"""Rule Banks written from the true faults of a simulated scenario: the best banks that mining could find."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from ape.evals.timeanomalybench import Fault
from ape.rules import OPERATORS, Context, RuleBank, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, ScalePrior


def oracle_bank(faults: Sequence[Fault], context: Context) -> RuleBank:
    """Return a bank of the operators that make the faults' morphologies, with their sizes, durations and channels.

    The id of the first rule of an operator is its name; the ids of further ones have a number.
    """
    rules = {}
    for fault in faults:
        for name in _operators(fault):
            numbered = (f"{name}_{k}" if k else name for k in count())
            unused = next(each for each in numbered if each not in rules)
            rules[unused] = broad_rule(name).model_copy(update={"id": unused, **_truth(fault)})
    return RuleBank(context=context, rules=list(rules.values()))


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
