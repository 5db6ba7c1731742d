"""What is done to a trained detector: post-training with the mined bank, another one, other negatives, or none.

Arms are known by the names that tables have for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ape import graphs, posttrain
from ape.detectors import Detector
from ape.evals.ablation import PRIORS, resized, without_operators, without_prior
from ape.evals.cases import Case, Oracle, names, recording
from ape.evals.devdata import labelled
from ape.graphs.state import PARTS
from ape.posttrain import RECIPES, Enhancement
from ape.rules import OPERATORS, RuleBank, generic_bank
from ape.series import Series

SHORTER_THAN = 50_000  # points, of the series that lend their windows
RANDOM_RULES = 5
SIZES = (0.5, 2.0)  # of all anomalies of a bank: harder, easier


@dataclass(frozen=True)
class Scene:
    """One series with the banks that there are for it.

    Parameters
    ----------
    series : Series
    name : str
    banks : Path
        Folder that keeps mined banks.
    bank : RuleBank
        The mined one.
    seed : int
    oracle : callable, optional
        Of TimeAnomaly-Bench: the bank of the very fault.
    """

    series: Series
    name: str
    banks: Path
    bank: RuleBank
    seed: int
    oracle: Oracle | None = None

    def truth(self) -> RuleBank:
        """The oracle's bank."""
        assert self.oracle is not None
        return self.oracle(self.bank.context)

    def enhance(self, detector: Detector, bank: RuleBank | None = None, **options: Any) -> Enhancement:
        """Post-train with the mined bank or another."""
        return posttrain.enhance(detector, bank or self.bank, self.series, self.seed, **options)

    def arms(self) -> dict[str, Callable[[Detector], Enhancement]]:
        """All that can be done to a detector here: those of `ARMS` that need an oracle only where there is one."""
        there = self.oracle is not None
        return {name: partial(arm, self) for name, arm in ARMS.items() if there or name not in OF_THE_BENCH}


def scene_of(found: Case, banks: Path, seed: int) -> Scene:
    """The scene of a case, its bank mined or read: nobody's time is taken by it later."""
    series, name = found.labelled.series, found.labelled.name
    return Scene(series, name, banks, mined(series, name, banks), seed, found.oracle)


def mined(series: Series, name: str, banks: Path, without: str = "") -> RuleBank:
    """The bank, mined without one part of what there is or of the loop."""
    path = banks / f"{name}{without and f' without {without}'}.json"
    if path.exists():
        return RuleBank.load(path)
    text = "" if without == "text" else None
    bank = graphs.mine(series, text, seed=0, without=[without] if without in PARTS else [])
    bank.save(path)
    return bank


Arm = Callable[[Scene, Detector], Enhancement]
OF_THE_BENCH = ("oracle bank", "mined without the fault's operators")  # where there is an oracle


def _recipe(name: str) -> Arm:
    return lambda scene, detector: scene.enhance(detector, recipe=RECIPES[name])


def _mined_without(part: str) -> Arm:
    return lambda scene, detector: scene.enhance(detector, mined(scene.series, scene.name, scene.banks, part))


def _changed(change: Callable[[RuleBank], RuleBank]) -> Arm:
    return lambda scene, detector: scene.enhance(detector, change(scene.bank))


def _generic(scene: Scene, detector: Detector, operators: list[str] | None) -> Enhancement:
    negatives = posttrain.from_bank(generic_bank(scene.bank.context, operators))
    return scene.enhance(detector, negatives=negatives)


def _random(scene: Scene, detector: Detector) -> Enhancement:
    usable = [operator for operator, entry in OPERATORS.items() if not entry.relational]
    drawn = np.random.default_rng([scene.seed, 7]).choice(usable, RANDOM_RULES, replace=False)
    return _generic(scene, detector, drawn.tolist())


def strangers(name: str) -> list[np.ndarray]:
    """Training parts of series from other recordings, the same for all seeds."""
    others = (other for other in names("ucr", longest=SHORTER_THAN) if recording(other) != recording(name))
    return [labelled("ucr", other).series.train[:, 0] for other in others]


def _others(scene: Scene, detector: Detector) -> Enhancement:
    return scene.enhance(detector, negatives=posttrain.from_series(strangers(scene.name)))


def _without_the_faults_operators(scene: Scene, detector: Detector) -> Enhancement:
    used = {step.operator for rule in scene.truth().rules for step in rule.program}
    return scene.enhance(detector, without_operators(scene.bank, used))


ARMS: dict[str, Arm] = {
    "untrained": _recipe("untrained"),
    "reconstruction": _recipe("reconstruction"),
    "one class": _recipe("one-class"),
    "two branches": _recipe("two-branches"),
    "surrogates": lambda scene, detector: scene.enhance(detector, negatives=posttrain.surrogates),
    "other series": _others,
    "random bank": _random,
    "cut-paste": partial(_generic, operators=["cut_add_paste"]),
    "broad bank": partial(_generic, operators=None),
    "mined bank": Scene.enhance,
    **{f"mined without {part}": _mined_without(part) for part in ("text", *PARTS)},
    **{f"mined without {prior} prior": _changed(partial(without_prior, prior=prior)) for prior in PRIORS},
    **{f"mined bank, sizes x {factor}": _changed(partial(resized, factor=factor)) for factor in SIZES},
    "oracle bank": lambda scene, detector: scene.enhance(detector, scene.truth()),
    "mined without the fault's operators": _without_the_faults_operators,
    "mined bank, heads alone": _recipe("heads-alone"),
    "mined bank, paper": _recipe("paper"),
}
