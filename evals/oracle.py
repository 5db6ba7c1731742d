"""Rule Banks written from the true fault of a simulated series: the best bank that mining could find."""

from __future__ import annotations

from ape.evals.timeanomalybench import Instance
from ape.rules import OPERATORS, Context, RuleBank, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, ScalePrior


def oracle_bank(instance: Instance, context: Context) -> RuleBank:
    """Return a bank of the operators that make the fault's morphology, with its sizes, durations and channels."""
    fault = instance.events[0].fault
    operators = [
        name for name, entry in OPERATORS.items() if entry.broad.morphology == fault.morphology and not entry.relational
    ]
    truth = {
        "mechanism": fault.mechanism,
        "morphology": fault.morphology,
        "scale": ScalePrior(low=fault.scale[0], high=fault.scale[1], unit="series_sd"),
        "duration": DurationPrior(low=fault.duration[0], high=fault.duration[1], unit="samples"),
        "context": ContextualPrior(channels=list(fault.shows)),
    }
    rules = [broad_rule(name).model_copy(update=truth) for name in operators or ["cut_add_paste"]]
    return RuleBank(context=context, rules=rules)
