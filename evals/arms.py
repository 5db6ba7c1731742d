"""Arms of an experiment: the ways to post-train a trained detector, by the names that tables use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ape import graphs, posttrain
from ape.detectors import Detector
from ape.evals.ablation import PRIORS, resized, without_operators, without_prior
from ape.evals.cases import Case, recording
from ape.evals.datasets import load_case, series_names
from ape.graphs.state import PARTS
from ape.posttrain import RECIPES, Enhancement
from ape.rules import OPERATORS, RuleBank, broad_bank

OTHERS_LONGEST = 50_000  # points of a series from another recording
RANDOM_RULES = 5
SIZES = (0.5, 2.0)  # factors on the size of all pseudo-anomalies: harder, easier


@dataclass(frozen=True)
class MinedCase:
    """A case with its mined Rule Bank.

    Parameters
    ----------
    case : Case
    bank : RuleBank
    banks : Path
        Folder of all mined banks.
    seed : int
        Seed of post-training.
    """

    case: Case
    bank: RuleBank
    banks: Path
    seed: int

    def enhance(self, detector: Detector, bank: RuleBank | None = None, **options: Any) -> Enhancement:
        """Post-train with the mined bank or with another bank."""
        return posttrain.enhance(detector, bank or self.bank, self.case.series, self.seed, **options)

    def oracle_bank(self) -> RuleBank:
        """Return the bank written from the true fault."""
        assert self.case.oracle is not None
        return self.case.oracle(self.bank.context)

    def arms(self) -> dict[str, Callable[[Detector], Enhancement]]:
        """Return the arms that this case allows, by name. Arms that need an oracle need a simulated series."""
        has_oracle = self.case.oracle is not None
        return {name: partial(arm, self) for name, arm in ARMS.items() if has_oracle or name not in NEED_ORACLE}


def mine_case(case: Case, banks: Path, seed: int) -> MinedCase:
    """Mine the bank of a case or load it from ``banks``, so that no arm's time includes it."""
    return MinedCase(case, mine_or_load(case, banks), banks, seed)


def mine_or_load(case: Case, banks: Path, without: str = "") -> RuleBank:
    """Return the mined bank of a case, mined without the text or one of `ape.graphs.state.PARTS` if named.

    A lock beside the file makes parallel workers wait for the bank, so that none of them mines it twice.
    """
    path = banks / f"{case.name}{without and f' without {without}'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.exists():
            return RuleBank.load(path)
        text = "" if without == "text" else None
        bank = graphs.mine(case.series, text, seed=0, without=[without] if without in PARTS else [])
        bank.save(path)
        return bank


Arm = Callable[[MinedCase, Detector], Enhancement]
NEED_ORACLE = ("oracle bank", "mined without the fault's operators")


def _recipe(name: str) -> Arm:
    return lambda mined, detector: mined.enhance(detector, recipe=RECIPES[name])


def _mined_without(part: str) -> Arm:
    return lambda mined, detector: mined.enhance(detector, mine_or_load(mined.case, mined.banks, part))


def _changed_bank(change: Callable[[RuleBank], RuleBank]) -> Arm:
    return lambda mined, detector: mined.enhance(detector, change(mined.bank))


def _broad_rules(mined: MinedCase, detector: Detector, operators: list[str] | None) -> Enhancement:
    """Train with negatives of broad rules. The acceptance check still uses the mined bank."""
    negatives = posttrain.from_bank(broad_bank(mined.bank.context, operators))
    return mined.enhance(detector, negatives=negatives)


def _random_rules(mined: MinedCase, detector: Detector) -> Enhancement:
    usable = [operator for operator, entry in OPERATORS.items() if not entry.relational]
    drawn = np.random.default_rng([mined.seed, 7]).choice(usable, RANDOM_RULES, replace=False)
    return _broad_rules(mined, detector, drawn.tolist())


def _surrogates(mined: MinedCase, detector: Detector) -> Enhancement:
    return mined.enhance(detector, negatives=posttrain.surrogates)


def _other_recordings(mined: MinedCase, detector: Detector) -> Enhancement:
    return mined.enhance(detector, negatives=posttrain.from_series(other_recordings(mined.case.name)))


def other_recordings(name: str) -> list[np.ndarray]:
    """Return the training parts of UCR series from other recordings."""
    others = [other for other in series_names("ucr", longest=OTHERS_LONGEST) if recording(other) != recording(name)]
    return [load_case("ucr", other).series.train[:, 0] for other in others]


def _oracle_bank(mined: MinedCase, detector: Detector) -> Enhancement:
    return mined.enhance(detector, mined.oracle_bank())


def _without_the_faults_operators(mined: MinedCase, detector: Detector) -> Enhancement:
    used = {step.operator for rule in mined.oracle_bank().rules for step in rule.program}
    return mined.enhance(detector, without_operators(mined.bank, used))


ARMS: dict[str, Arm] = {
    "untrained": _recipe("untrained"),
    "reconstruction": _recipe("reconstruction"),
    "one class": _recipe("one-class"),
    "two branches": _recipe("two-branches"),
    "surrogates": _surrogates,
    "other series": _other_recordings,
    "random bank": _random_rules,
    "cut-paste": partial(_broad_rules, operators=["cut_add_paste"]),
    "broad bank": partial(_broad_rules, operators=None),
    "mined bank": MinedCase.enhance,
    **{f"mined without {part}": _mined_without(part) for part in ("text", *PARTS)},
    **{f"mined without {prior} prior": _changed_bank(partial(without_prior, prior=prior)) for prior in PRIORS},
    **{f"mined bank, sizes x {factor}": _changed_bank(partial(resized, factor=factor)) for factor in SIZES},
    "oracle bank": _oracle_bank,
    "mined without the fault's operators": _without_the_faults_operators,
    "mined bank, heads alone": _recipe("heads-alone"),
    "mined bank, paper": _recipe("paper"),
}
