"""Post-training from end to end: profile, draw the three branches, train, calibrate, judge, keep or give back."""

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
from ape.detectors.training import seeded
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
from ape.posttrain.score import WITHOUT_HEADS
from ape.posttrain.state import NotFiniteError
from ape.posttrain.trial import Evidence, Trial
from ape.rules import EmptyBankError, RuleBank
from ape.series import Series
from ape.series.windows import sliding

PROBED = 5  # windows, to see whether the detector can be trained


@dataclass(frozen=True)
class Enhancement:
    """Outcome of post-training.

    Parameters
    ----------
    detector : Detector
        The enhanced detector; where what was trained does harm, with the backbone as it came and a score without heads;
        the very detector that was given where nothing was accepted.
    report : dict
        Plain values for JSON: the decision, its figures, controls, loss curve, seconds.
    accepted : bool
        Whether ``detector`` is another than the one that was given.
    candidate : EnhancedDetector or None
        What post-training made, kept or not, for those who judge the decision; ``None`` where nothing was trained.
    """

    detector: Detector | EnhancedDetector
    report: dict[str, Any]
    accepted: bool
    candidate: EnhancedDetector | None = None


@dataclass(frozen=True)
class Prepared:
    """A post-training before its first step.

    Parameters
    ----------
    detector : Detector
        As it was given.
    model : EnhancedDetector
        A copy of it with heads yet to learn; training is in place.
    candidates : Candidates
    pool : Pool
    trial : Trial
    subjects : Subjects
    before : Evidence
        What the trial found before training.
    seen : ndarray [3, N, D]
        The subjects' vectors before training.
    generator : Generator
        Draws what training is on.
    report : dict
        What there is to say so far, for the `Enhancement`.
    seconds : dict
        By what they were spent on.
    """

    detector: Detector
    model: EnhancedDetector
    candidates: Candidates
    pool: Pool
    trial: Trial
    subjects: Subjects
    before: Evidence
    seen: np.ndarray
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
    """Post-train a copy of ``detector`` with the pseudo-anomalies of ``bank``, and keep it if a held-out check says so.

    Parameters
    ----------
    detector : Detector
        Trained; never changed.
    bank : RuleBank
    series : Series
        What the detector was trained on; only its training part is used. Where that is too short, the bank holds no
        rule that can be placed, or the loss becomes NaN or infinite, the detector comes back as it is, with the reason
        in the report.
    recipe : Recipe
    progress : callable, optional
        ``progress(step, done, total, note="")``.
    negatives : callable, optional
        Makes the third branch instead of the bank, as controls do; the trial is with the bank all the same.
    suspect : callable, optional
        Says which training windows are left out instead of the filter, as controls do.
    checkpoint : Path, optional
        File for the state of the training, which goes on from it if it is there, on CPU to the same bytes; whoever asks
        for one removes it once the result is saved.

    Returns
    -------
    Enhancement

    Raises
    ------
    InputError
        The bank is for other channels, the detector cannot be trained, see `require_gradients`, the GPU's memory has no
        room for a single window, or ``checkpoint`` is damaged or of another post-training.
    """
    say = progress or (lambda *_args, **_kwargs: None)
    say("profiling", 0, 1, "nearest normal windows")
    with seeded(seed):  # dropout and sampling backbones draw from torch's global generators
        ready = prepare(detector, bank, series, seed, recipe, negatives, suspect)
        if isinstance(ready, Enhancement):
            return ready
        started = time.perf_counter()
        try:
            ready.report["training"] = train(ready.model, ready.pool, recipe, ready.generator, say, checkpoint)
        except NotFiniteError as error:
            return refused(detector, ready.report, error)
        ready.seconds["train"] = time.perf_counter() - started
        say("accepting", 0, 1, "implants on held-out normal data")
        result = judge(ready)
    say("accepting", 1, 1, result.report["reason"])
    return result


def prepare(
    detector: Detector,
    bank: RuleBank,
    series: Series,
    seed: int,
    recipe: Recipe,
    negatives: Negatives | None = None,
    suspect: Suspect = unlike_others,
) -> Prepared | Enhancement:
    """All that comes before the first step, or the refusal of a series or bank that cannot be post-trained with.

    Parameters and errors are those of `enhance`.
    """
    if len(bank.context.channels) != series.n_channels:
        raise InputError(
            f"the Rule Bank has {len(bank.context.channels)} channels, the series {series.n_channels}",
            series.name,
            "use the bank that was mined from this series",
        )
    started = time.perf_counter()
    if recipe.freeze != "projection-only" and len(series.train) >= detector.window:
        probe = torch.from_numpy(sliding(series.train, detector.window)[:PROBED].copy())
        with seeded(seed):
            require_gradients(detector, probe.to(device_of(detector)))
    generator = torch.Generator().manual_seed(seed)
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "seed": seed,
        "device": str(device_of(detector)),
        "bank_is_of_this_series": bank.fingerprint == series.fingerprint,
    }
    try:
        candidates = profile(series, detector.window, *detector.scale_shift, suspect)
        report["candidates"] = candidates.summary()
        profiled = time.perf_counter()
        model = untrained(detector.clone(), candidates, recipe, generator)
        pool = draw_pool(model, bank, negatives or from_bank(bank), candidates, recipe, generator)
        trial = Trial.draw(bank, candidates, seed)
        subjects = Subjects.draw(bank, candidates, detector.window, seed)
    except (TooShortError, EmptyBankError) as error:
        return refused(detector, report, error)
    before, seen = trial.examine(model), subjects.vectors(model)
    seconds = {"profile": profiled - started, "prepare": time.perf_counter() - profiled}
    return Prepared(detector, model, candidates, pool, trial, subjects, before, seen, generator, report, seconds)


def judge(trained: Prepared) -> Enhancement:
    """Calibrate what was trained, and keep it if it passes its trial."""
    started, trial = time.perf_counter(), trained.trial
    model = replace(trained.model)  # whose references are those of the backbone as it became
    with torch.no_grad():
        model.representation.set_centres(fit_outputs(model, trained.candidates))
    after = trial.examine(model)
    report = trained.report | trial.compare(trained.before, after)
    report["picture"] = picture(trained.seen, trained.subjects.vectors(model))
    report["seconds"] = trained.seconds | {"accept": time.perf_counter() - started}
    candidate = replace(model, calibration=trial.calibrate(after))
    detector: Detector | EnhancedDetector = trained.detector
    if report["kept"] == "post-trained":
        detector = candidate
    elif report["kept"] == "training-free":
        untouched = trial.calibrate(trained.before, WITHOUT_HEADS)
        detector = replace(candidate, backbone=trained.detector.clone(), calibration=untouched)
    return Enhancement(detector, report, report["accepted"], candidate)


def refused(detector: Detector, report: dict[str, Any], error: InputError) -> Enhancement:
    """The detector as it was given, and why."""
    return Enhancement(detector, {**report, "kept": "original", "accepted": False, "reason": str(error)}, False)


@torch.no_grad()
def untrained(
    detector: Detector, candidates: Candidates, recipe: Recipe, generator: torch.Generator
) -> EnhancedDetector:
    """The detector with a representation that has its scales from the training windows, and heads yet to learn."""
    windows = torch.from_numpy(sliding(candidates.values, detector.window)[:1].copy()).to(device_of(detector))
    sizes = pool_latent(detector.encode(windows)).shape[1], pool_residual(windows).shape[1]
    representation = Representation(*sizes, recipe.inputs, recipe.gains, generator).to(windows.device).eval()
    model = EnhancedDetector(detector, candidates.memory, candidates.values, representation)
    parts = fit_outputs(model, candidates)
    representation.fit(parts)
    representation.set_centres(parts)
    return model
