"""Post-training from end to end: profile, draw the three branches, train, calibrate, and accept or reject."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors import Detector
from ape.detectors.inputs import prepared, required_by
from ape.detectors.training import seeded
from ape.posttrain.bank_channels import bank_for
from ape.posttrain.candidates import Candidates, TooShortError, profile
from ape.posttrain.detector import EnhancedDetector, device_of
from ape.posttrain.engine import Pool, draw_pool, fit_outputs, train
from ape.posttrain.filtering import Suspect, unlike_others
from ape.posttrain.freezing import require_gradients
from ape.posttrain.negatives import Negatives, from_bank
from ape.posttrain.parts import pool_latent, pool_residual
from ape.posttrain.picture import Subjects, picture
from ape.posttrain.recipe import DEFAULT, Recipe
from ape.posttrain.representation import Representation
from ape.posttrain.score import WEIGHTS_WITHOUT_HEADS
from ape.posttrain.state import NotFiniteError
from ape.posttrain.trial import Trial, TrialResult
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
        The enhanced detector. If training does harm, it has the original backbone and a score without heads. If nothing
        is accepted, it is the given detector itself.
    report : dict
        Plain values for JSON: the decision, its figures, controls, loss curve, seconds.
    accepted : bool
        Whether ``detector`` differs from the given one.
    candidate : EnhancedDetector or None
        The post-trained detector, accepted or not, to evaluate the decision; ``None`` if nothing was trained.
    """

    detector: Detector | EnhancedDetector
    report: dict[str, Any]
    accepted: bool
    candidate: EnhancedDetector | None = None


@dataclass(frozen=True)
class Setup:
    """Everything that a post-training needs before its first step.

    Parameters
    ----------
    detector : Detector
        The given detector.
    model : EnhancedDetector
        A copy of it with untrained heads; it is trained in place.
    candidates : Candidates
    pool : Pool
    trial : Trial
    subjects : Subjects
    before : TrialResult
        Result of the trial before training.
    vectors : ndarray [3, N, D]
        Vectors of the subjects before training.
    generator : Generator
        Draws the batches.
    report : dict
        The report so far.
    seconds : dict
        By step.
    """

    detector: Detector
    model: EnhancedDetector
    candidates: Candidates
    pool: Pool
    trial: Trial
    subjects: Subjects
    before: TrialResult
    vectors: np.ndarray
    generator: torch.Generator
    report: dict[str, Any]
    seconds: dict[str, float]


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
) -> Enhancement:
    """Post-train a copy of ``detector`` with the pseudo-anomalies of ``bank``, and keep it if a trial accepts it.

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
        Creates the third branch instead of the bank, as a control. The trial still uses the bank.
    suspect : callable, optional
        Replaces the filter of training windows, as a control.
    checkpoint : Path, optional
        File for the state of the training. If it exists, training resumes from it; on CPU, the result is the same. The
        caller deletes the file once the result is saved.

    Returns
    -------
    Enhancement

    Raises
    ------
    InputError
        The bank or the detector is for other channels, the detector cannot be trained (see `require_gradients`), GPU
        memory is too small for a single window, or ``checkpoint`` is damaged or belongs to another post-training.
    """
    say = progress or (lambda *_args, **_kwargs: None)
    say("profiling", 0, 1, "nearest normal windows")
    with seeded(seed):  # dropout and stochastic backbones use torch's global generators
        setup = prepare(detector, bank, series, seed, recipe, negatives, suspect)
        if isinstance(setup, Enhancement):
            return setup
        started = time.perf_counter()
        try:
            setup.report["training"] = train(setup.model, setup.pool, recipe, setup.generator, say, checkpoint)
        except NotFiniteError as error:
            return refused(detector, setup.report, error)
        setup.seconds["train"] = time.perf_counter() - started
        say("accepting", 0, 1, "implants on held-out normal data")
        result = judge(setup)
    say("accepting", 1, 1, result.report["reason"])
    return result


def prepare(
    detector: Detector,
    bank: RuleBank,
    series: Series,
    seed: int,
    recipe: Recipe,
    negatives: Negatives | None,
    suspect: Suspect,
) -> Setup | Enhancement:
    """Prepare the first step, or return a refusal if the series is too short or the bank has no usable rule.

    Parameters and errors are those of `enhance`.
    """
    started, own = time.perf_counter(), series
    series = prepared(detector, series)
    bank = bank_for(bank, series)
    if recipe.freeze != "projection-only" and usable(series.train_segments, detector.window):
        probed = starts(series.train_segments, detector.window)[:PROBED]
        probe = torch.from_numpy(sliding(series.values, detector.window)[probed].copy())
        with seeded(seed):
            require_gradients(detector, probe.to(device_of(detector)))
    generator = torch.Generator().manual_seed(seed)
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "seed": seed,
        "device": str(device_of(detector)),
        "bank_is_of_this_series": bank.fingerprint == own.fingerprint,
    }
    try:
        candidates = profile(series, detector.window, *detector.shift_and_scale, suspect)
        report["candidates"] = candidates.summary()
        profiled = time.perf_counter()
        model = untrained(detector.clone(), candidates, recipe, generator, requirements(detector, series))
        pool = draw_pool(model, bank, negatives or from_bank(bank), candidates, recipe, generator)
        trial = Trial.draw(bank, candidates, seed)
        subjects = Subjects.draw(bank, candidates, detector.window, seed)
    except (TooShortError, EmptyBankError) as error:
        return refused(detector, report, error)
    before, vectors = trial.examine(model), subjects.vectors(model)
    seconds = {"profile": profiled - started, "prepare": time.perf_counter() - profiled}
    return Setup(detector, model, candidates, pool, trial, subjects, before, vectors, generator, report, seconds)


def judge(trained: Setup) -> Enhancement:
    """Calibrate the trained model, and keep it if it passes its trial."""
    started, trial = time.perf_counter(), trained.trial
    model = replace(trained.model)  # drops the cached references of the untrained backbone
    with torch.no_grad():
        model.representation.set_centres(fit_outputs(model, trained.candidates))
    after = trial.examine(model)
    report = trained.report | trial.compare(trained.before, after)
    report["picture"] = picture(trained.vectors, trained.subjects.vectors(model))
    report["seconds"] = trained.seconds | {"accept": time.perf_counter() - started}
    candidate = replace(model, calibration=trial.calibrate(after))
    detector: Detector | EnhancedDetector = trained.detector
    if report["kept"] == "post-trained":
        detector = candidate
    elif report["kept"] == "training-free":
        calibration = trial.calibrate(trained.before, WEIGHTS_WITHOUT_HEADS)
        detector = replace(candidate, backbone=trained.detector.clone(), calibration=calibration)
    return Enhancement(detector, report, report["accepted"], candidate)


def refused(detector: Detector, report: dict[str, Any], error: InputError) -> Enhancement:
    """Return the given detector with the reason for the refusal."""
    return Enhancement(detector, {**report, "kept": "original", "accepted": False, "reason": str(error)}, False)


def requirements(detector: Detector, series: Series) -> Requirements:
    """Return what a detector requires of a series; the series says it if the detector does not."""
    required = required_by(detector)
    return required if required is not None and required.channels else Requirements.of(series)


@torch.no_grad()
def untrained(
    detector: Detector,
    candidates: Candidates,
    recipe: Recipe,
    generator: torch.Generator,
    required: Requirements = Requirements(),  # noqa: B008 (frozen)
) -> EnhancedDetector:
    """Add a representation with scales from the training windows and untrained heads to the detector."""
    first = sliding(candidates.values, detector.window)[candidates.fit[:1]].copy()
    windows = torch.from_numpy(first).to(device_of(detector))
    sizes = pool_latent(detector.encode(windows)).shape[1], pool_residual(windows).shape[1]
    representation = Representation(*sizes, recipe.inputs, recipe.gains, generator).to(windows.device).eval()
    model = EnhancedDetector(detector, candidates.reference_windows, candidates.values, representation, required)
    parts = fit_outputs(model, candidates)
    representation.fit(parts)
    representation.set_centres(parts)
    return model
