"""Post-training from end to end: profile, train, calibrate, and choose what is kept."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch

from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors import Detector
from ape.detectors.inputs import prepared, required_by
from ape.detectors.training import seeded
from ape.posttrain.bank_channels import bank_for
from ape.posttrain.detector import EnhancedDetector, device_of
from ape.posttrain.discriminator.adaptation import adapt
from ape.posttrain.discriminator.pretrained import PACKAGED, load_pretrained
from ape.posttrain.discriminator.training import NotFiniteError
from ape.posttrain.filtering import Suspect, unlike_others
from ape.posttrain.freezing import require_gradients
from ape.posttrain.negatives import Negatives
from ape.posttrain.normal_part import TooShortError, profile
from ape.posttrain.recipe import DEFAULT, Recipe
from ape.posttrain.trial import judge
from ape.rules import EmptyBankError, RuleBank
from ape.series import Requirements, Series
from ape.series.windows import sliding, starts, usable

PROBED = 5  # windows, to check whether the detector can be trained


@dataclass(frozen=True)
class Enhancement:
    """Result of post-training.

    Parameters
    ----------
    detector : Detector
        The enhanced detector, with the voices that acceptance chose. If nothing is accepted, it is the given detector
        itself.
    report : dict
        Plain values for JSON: the decision, its figures, loss curve, seconds.
    accepted : bool
        Whether ``detector`` differs from the given one.
    candidate : EnhancedDetector or None
        The post-trained detector with both voices, accepted or not, to evaluate the decision; ``None`` if nothing was
        trained.
    """

    detector: Detector | EnhancedDetector
    report: dict[str, Any]
    accepted: bool
    candidate: EnhancedDetector | None = None


def enhance(
    detector: Detector,
    bank: RuleBank,
    series: Series,
    seed: int = 0,
    recipe: Recipe = DEFAULT,
    progress: Progress | None = None,
    negatives: Negatives | None = None,
    suspect: Suspect = unlike_others,
    checkpoint: Path | None = None,
    weights: Path = PACKAGED,
) -> Enhancement:
    """Post-train a copy of ``detector`` with the pseudo-anomalies of ``bank``, and keep what acceptance chooses.

    Parameters
    ----------
    detector : Detector
        Trained. It is not changed.
    bank : RuleBank
    series : Series
        The series that the detector was trained on, or another one with the same channels. They are matched by name.
        Only its training part is used. If that is too short, the bank has no rule that can be placed, or the loss
        becomes NaN or infinite, the given detector is returned with the reason in the report.
    recipe : Recipe
    progress : callable, optional
        ``progress(step, done, total, note="")``.
    negatives : callable, optional
        Creates the third branch instead of the bank, as a control. Acceptance still uses the bank.
    suspect : callable, optional
        Replaces the filter of training windows, as a control.
    checkpoint : Path, optional
        File for the state of the training. If it exists, training resumes from it; on CPU, the result is the same. The
        caller deletes the file once the result is saved.
    weights : Path
        Folder that ``ape pretrain`` wrote, in place of the weights in the package.

    Returns
    -------
    Enhancement

    Raises
    ------
    InputError
        The bank or the detector is for other channels, the detector cannot be trained (see `require_gradients`), GPU
        memory is too small for a single window, ``checkpoint`` is damaged or belongs to another post-training, or
        ``weights`` cannot be read.
    """
    say = progress or (lambda *_args, **_kwargs: None)
    own, series = series, prepared(detector, series)
    bank = bank_for(bank, series)
    if recipe.freeze != "projection-only" and usable(series.train_segments, detector.window):
        probed = starts(series.train_segments, detector.window)[:PROBED]
        probe = torch.from_numpy(sliding(series.values, detector.window)[probed].copy())
        with seeded(seed):
            require_gradients(detector, probe.to(device_of(detector)))
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "seed": seed,
        "device": str(device_of(detector)),
        "bank_is_of_this_series": bank.fingerprint == own.fingerprint,
    }
    required, clock = requirements(detector, series), Clock()
    try:
        if not bank.rules:
            raise EmptyBankError("the Rule Bank has no usable rule", series.name, "mine again")
        with seeded(seed):  # dropout and stochastic backbones use torch's global generators
            say("profiling", 0, 1, "nearest normal windows")
            found = profile(series, detector.window, *detector.shift_and_scale, suspect)
            report["candidates"] = found.summary
            clock.lap("profile")
            network = load_pretrained(weights, device_of(detector))
            generator = torch.Generator().manual_seed(seed)
            adapted = adapt(
                network, found.learnt, bank, detector, generator, recipe, say, checkpoint, negatives=negatives
            )
            report["training"] = adapted.report
            clock.lap("train")
            say("accepting", 0, 1, "anomalies put into held-out normal data")
            kept_bank = bank if negatives is None else bank.model_copy(update={"rules": []})
            backbone = cast(Detector, adapted.backbone)  # None only if none was given
            trained = EnhancedDetector(
                backbone, kept_bank, found.learnt, adapted.model, network, adapted.statistics, required
            )
            candidate, decision = judge(trained, detector, bank, series, found, seed)
    except (TooShortError, EmptyBankError, NotFiniteError) as error:
        return refused(detector, report, error)
    clock.lap("accept")
    report |= {**decision, "seconds": clock.seconds}
    say("accepting", 1, 1, report["reason"])
    kept = report["kept"]
    chosen = detector if kept == "original" else candidate.keeping(kept)
    return Enhancement(chosen, report, report["accepted"], candidate)


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.begun = time.perf_counter()

    def lap(self, step: str) -> None:
        """Note the seconds since the last step."""
        now = time.perf_counter()
        self.seconds[step], self.begun = now - self.begun, now


def refused(detector: Detector, report: dict[str, Any], error: InputError) -> Enhancement:
    """Return the given detector with the reason for the refusal."""
    return Enhancement(detector, {**report, "kept": "original", "accepted": False, "reason": str(error)}, False)


def requirements(detector: Detector, series: Series) -> Requirements:
    """Return what a detector requires of a series; the series says it if the detector does not."""
    required = required_by(detector)
    return required if required is not None and required.channels else Requirements.of(series)
