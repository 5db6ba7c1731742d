"""Arms of an experiment: the ways to post-train a trained detector, by the names that tables use.

An arm's bank is all that differs between most of them, so their differences say what a bank is worth.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ape import graphs, posttrain
from ape.detectors import Detector
from ape.evals import paper
from ape.evals.ablation import (
    PRIORS,
    resized,
    without_benign_rules,
    without_channels,
    without_operators,
    without_prior,
)
from ape.evals.attributed import Figures, attribution_figures
from ape.evals.cases import Case, recording
from ape.evals.datasets import load_case, series_names
from ape.evals.reuse import once
from ape.graphs.state import PARTS
from ape.posttrain import DEFAULT, Enhancement
from ape.rules import RuleBank, broad_bank

OTHERS_LONGEST = 50_000  # points of a series from another recording
SIZES = (0.5, 2.0)  # factors on the size of all pseudo-anomalies: harder, easier
NOT_ADAPTED = replace(DEFAULT, steps=0, joint_steps=0)


@dataclass(frozen=True)
class Outcome:
    """What an arm makes of a detector.

    Parameters
    ----------
    scores : dict of ndarray, float [T]
        The arm's score, "both", and its voices on their own, "rules" and "free", if it has any. Empty if the detector
        cannot be post-trained.
    seconds : float
        Of post-training and scoring.
    kept : str, optional
        What the acceptance check keeps: "both", "rules", "free" or "original".
    attributed : dict
        See `ape.evals.attributed`. Empty if it was not asked for, or if the truth is unknown.
    calibrated : bool
        Whether the scores are minus log10 of the share of normal points that score as high.
    """

    scores: dict[str, np.ndarray]
    seconds: float
    kept: str | None = None
    attributed: Figures = field(default_factory=dict)
    calibrated: bool = False


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
    backbone : str
        Name of the detector that arms post-train. It was trained with the same seed.
    """

    case: Case
    bank: RuleBank
    banks: Path
    seed: int
    backbone: str

    def enhance(
        self, detector: Detector, bank: RuleBank | None = None, attributed: bool = False, **options: Any
    ) -> Outcome:
        """Post-train with the mined bank or with another bank, and score the series with each voice.

        ``attributed`` also asks which rule and which channel are first at the events.
        """
        series, bank = self.case.series, bank or self.bank

        def post_train() -> Enhancement:
            return posttrain.enhance(detector, bank, series, self.seed, **options)

        about = repr((self.backbone, self.seed, bank.model_dump_json(exclude={"fingerprint"}), options))
        result, seconds = once(series, about, post_train)
        kept = result.report["kept"]
        if result.candidate is None:
            return Outcome({}, seconds, kept)
        started = time.perf_counter()
        scores = {str(voice): score for voice, score in result.candidate.voices(series).items()}
        seconds += time.perf_counter() - started
        figures = attribution_figures(self.case, result.candidate, self.right_rules(bank)) if attributed else {}
        return Outcome(scores, seconds, kept, figures, calibrated=True)

    def right_rules(self, bank: RuleBank) -> list[str]:
        """Return the rules of a bank that use an operator of the true fault, by id; none if the fault is unknown."""
        if self.case.oracle is None:
            return []
        true = _operators(self.oracle_bank())
        return [rule.id for rule in bank.rules if true & {step.operator for step in rule.program}]

    def by_paper(self, detector: Detector) -> Outcome:
        """Post-train by the recipe of the paper."""
        started = time.perf_counter()
        score = paper.score(detector, self.bank, self.case.series, self.seed)
        return Outcome({"both": score}, time.perf_counter() - started)

    def mined(self, variant: str = "") -> RuleBank:
        """Return the bank mined in another way, see `mine_or_load`."""
        return mine_or_load(self.case, self.banks, variant)

    def oracle_bank(self) -> RuleBank:
        """Return the bank written from the true fault."""
        assert self.case.oracle is not None
        return self.case.oracle(self.bank.context)

    def broad_bank(self) -> RuleBank:
        """Return broad rules of all operators that the series allows."""
        return broad_bank(self.bank.context)

    def arms(self) -> dict[str, Callable[[Detector], Outcome]]:
        """Return the arms that this case allows, by name."""
        missing: set[str] = set()
        if self.case.oracle is None:
            missing |= set(NEED_ORACLE)
        if self.case.other_text is None:
            missing.add(NEEDS_OTHER_TEXT)
        return {name: partial(arm, self) for name, arm in ARMS.items() if name not in missing}


def mine_case(case: Case, banks: Path, seed: int, backbone: str) -> MinedCase:
    """Mine the bank of a case or load it from ``banks``, so that no arm's time includes it."""
    return MinedCase(case, mine_or_load(case, banks), banks, seed, backbone)


def mine_or_load(case: Case, banks: Path, variant: str = "") -> RuleBank:
    """Return the mined bank of a case.

    A lock beside the file makes parallel workers wait for the bank, so that none of them mines it twice. Mining sees
    the training part only, so that series with the same one share the bank.

    Parameters
    ----------
    case : Case
    banks : Path
        Folder of mined banks.
    variant : str
        "with another text", "without text", or "without" and one of `ape.graphs.state.PARTS`.
    """
    path = banks / f"{case.name}{variant and f' {variant}'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.exists():
            return RuleBank.load(path)
        text = {"without text": "", "with another text": case.other_text}.get(variant)
        part = variant.removeprefix("without ")
        mine = partial(graphs.mine, case.series, text, seed=0, without=[part] if part in PARTS else [])
        mined, _ = once(case.series, repr(("bank", variant, case.series.text, case.other_text)), mine)
        bank = mined.model_copy(update={"fingerprint": case.series.fingerprint})
        bank.save(path)
        return bank


Arm = Callable[[MinedCase, Detector], Outcome]
NEED_ORACLE = (
    "oracle bank", "oracle bank of all faults", "oracle among all operators", "mined without the fault's operators",
)  # fmt: skip
NEEDS_OTHER_TEXT = "mined with another text"


def _mined(variant: str) -> Arm:
    return lambda mined, detector: mined.enhance(detector, mined.mined(variant))


def _changed_bank(change: Callable[[RuleBank], RuleBank]) -> Arm:
    return lambda mined, detector: mined.enhance(detector, change(mined.bank))


def _broad_rules(mined: MinedCase, detector: Detector, operators: list[str] | None = None, **options: Any) -> Outcome:
    return mined.enhance(detector, broad_bank(mined.bank.context, operators), **options)


def _random_rules(mined: MinedCase, detector: Detector) -> Outcome:
    """Use as many rules as the mined bank has, broad ones of random operators."""
    usable = [rule.id for rule in mined.broad_bank().rules]
    count = min(len(mined.bank.rules), len(usable))
    drawn = np.random.default_rng([mined.seed, 7]).choice(usable, count, replace=False)
    return _broad_rules(mined, detector, drawn.tolist())


def _surrogates(mined: MinedCase, detector: Detector) -> Outcome:
    return mined.enhance(detector, negatives=posttrain.surrogates)


def _other_recordings(mined: MinedCase, detector: Detector) -> Outcome:
    return mined.enhance(detector, negatives=posttrain.from_series(other_recordings(mined.case.name)))


def other_recordings(name: str) -> list[np.ndarray]:
    """Return the training parts of UCR series from other recordings."""
    others = [other for other in series_names("ucr", longest=OTHERS_LONGEST) if recording(other) != recording(name)]
    return [load_case("ucr", other).series.train[:, 0] for other in others]


def _oracle_bank(mined: MinedCase, detector: Detector) -> Outcome:
    return mined.enhance(detector, mined.oracle_bank())


def _oracle_bank_of_all_faults(mined: MinedCase, detector: Detector) -> Outcome:
    """Use what a perfect reader of a perfect manual would write; it does not know which fault will come."""
    assert mined.case.oracle_of_all is not None
    return mined.enhance(detector, mined.case.oracle_of_all(mined.bank.context))


def _oracle_among_all(mined: MinedCase, detector: Detector) -> Outcome:
    """Use broad rules of all operators, but the oracle's rules for the operators that it names."""
    oracle = mined.oracle_bank()
    others = without_operators(mined.broad_bank(), _operators(oracle))
    every = others.model_copy(update={"rules": [*oracle.rules, *others.rules]})
    return mined.enhance(detector, every, attributed=True)


def _without_the_faults_operators(mined: MinedCase, detector: Detector) -> Outcome:
    return mined.enhance(detector, without_operators(mined.bank, _operators(mined.oracle_bank())))


def _operators(bank: RuleBank) -> set[str]:
    return {step.operator for rule in bank.rules for step in rule.program}


ARMS: dict[str, Arm] = {
    "mined bank": partial(MinedCase.enhance, attributed=True),
    NEEDS_OTHER_TEXT: _mined("with another text"),
    **{f"mined without {part}": _mined(f"without {part}") for part in ("text", *PARTS)},
    **{f"mined without {prior} prior": _changed_bank(partial(without_prior, prior=prior)) for prior in PRIORS},
    "mined without channels": _changed_bank(without_channels),
    "mined without benign rules": _changed_bank(without_benign_rules),
    **{f"mined bank, sizes x {factor}": _changed_bank(partial(resized, factor=factor)) for factor in SIZES},
    "mined without the fault's operators": _without_the_faults_operators,
    "random bank": _random_rules,
    "cut-paste": partial(_broad_rules, operators=["cut_add_paste"]),
    "all operators": _broad_rules,
    "generic": partial(_broad_rules, recipe=NOT_ADAPTED),
    "oracle bank": _oracle_bank,
    "oracle bank of all faults": _oracle_bank_of_all_faults,
    "oracle among all operators": _oracle_among_all,
    "surrogates": _surrogates,
    "other series": _other_recordings,
    "paper": MinedCase.by_paper,
}
