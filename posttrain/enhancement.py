"""Post-training from end to end: profile, draw the three branches, train, calibrate, judge, keep or give back."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ape.detectors import Detector
from ape.detectors.protocol import Progress
from ape.detectors.training import seeded
from ape.posttrain.candidates import Candidates, TooShortError, profile
from ape.posttrain.detector import EnhancedDetector, device_of
from ape.posttrain.engine import draw_pool, fit_outputs, train
from ape.posttrain.filtering import Suspect, unlike_others
from ape.posttrain.freezing import require_gradients
from ape.posttrain.negatives import Negatives, from_bank
from ape.posttrain.picture import Subjects, picture
from ape.posttrain.recipe import DEFAULT, Recipe
from ape.posttrain.representation import Representation, pool_latent, pool_residual
from ape.posttrain.state import NotFiniteError
from ape.posttrain.trial import Trial
from ape.rules import EmptyBankError, RuleBank
from ape.series import InputError, Series
from ape.series.windows import sliding

PROBED = 5  # windows, to see whether the detector can be trained


@dataclass(frozen=True)
class Enhancement:
    """Outcome of post-training.

    Parameters
    ----------
    detector : Detector
        The enhanced detector, or the very detector that was given where it was not accepted.
    report : dict
        Plain values for JSON: the decision, its figures, controls, loss curve, seconds.
    accepted : bool
    candidate : EnhancedDetector or None
        What post-training made, accepted or not, for those who judge the decision; ``None`` where nothing was trained.
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
    if len(bank.context.channels) != series.n_channels:
        raise InputError(
            f"the Rule Bank has {len(bank.context.channels)} channels, the series {series.n_channels}",
            series.name,
            "use the bank that was mined from this series",
        )
    if recipe.freeze != "projection-only" and len(series.train) >= detector.window:
        probe = torch.from_numpy(sliding(series.train, detector.window)[:PROBED].copy())
        with seeded(seed):
            require_gradients(detector, probe.to(device_of(detector)))
    say = progress or (lambda *_args, **_kwargs: None)
    clock = {"start": time.perf_counter()}
    generator = torch.Generator().manual_seed(seed)
    say("profiling", 0, 1, "nearest normal windows")
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "seed": seed,
        "device": str(device_of(detector)),
        "bank_is_of_this_series": bank.fingerprint == series.fingerprint,
    }
    try:
        candidates = profile(series, detector.window, *detector.scale_shift, suspect)
    except TooShortError as error:
        return Enhancement(detector, {**report, "accepted": False, "reason": str(error)}, False)
    report["candidates"] = candidates.summary()
    clock["profile"] = time.perf_counter()
    with seeded(seed):  # dropout and sampling backbones draw from torch's global generators
        model = untrained(detector.clone(), candidates, recipe, generator)
        try:
            pool = draw_pool(model, bank, negatives or from_bank(bank), candidates, recipe, generator)
            trial = Trial.draw(bank, candidates, seed)
            subjects = Subjects.draw(bank, candidates, detector.window, seed)
            before, seen = trial.examine(model), subjects.vectors(model)
            clock["prepare"] = time.perf_counter()
            report["training"] = train(model, pool, recipe, generator, say, checkpoint)
        except (EmptyBankError, NotFiniteError) as error:
            return Enhancement(detector, {**report, "accepted": False, "reason": str(error)}, False)
        with torch.no_grad():
            model.representation.set_centres(fit_outputs(model, candidates))
        clock["train"] = time.perf_counter()
        say("accepting", 0, 1, "implants on held-out normal data")
        after = trial.examine(model)
    report |= trial.compare(before, after)
    report["picture"] = picture(seen, subjects.vectors(model))
    clock["accept"] = time.perf_counter()
    names = list(clock)
    report["seconds"] = {name: clock[name] - clock[last] for last, name in pairwise(names)}
    say("accepting", 1, 1, report["reason"])
    candidate = replace(model, calibration=trial.calibrate(after))
    accepted = bool(report["accepted"])
    return Enhancement(candidate if accepted else detector, report, accepted, candidate)


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
