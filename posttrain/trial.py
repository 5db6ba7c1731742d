"""The trial of a post-trained detector: measure held-out implants and normal windows before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ape.core.out_of_memory import BatchSize
from ape.posttrain.acceptance import Implants, average_precisions, decide, implant, mean_with_interval
from ape.posttrain.candidates import Candidates
from ape.posttrain.detector import EnhancedDetector, device_of
from ape.posttrain.parts import BATCH
from ape.posttrain.score import (
    MEASURES,
    WEIGHTS,
    WEIGHTS_OF_HEADS,
    WEIGHTS_WITHOUT_HEADS,
    Calibration,
    Measured,
    spread,
)
from ape.rules import OPERATORS, RuleBank, broad_bank
from ape.series.numerics import auc
from ape.series.windows import overlap_mean, sliding

ERROR = MEASURES.index("error")
CONTROL_MEASURES = ("nearest", "nearest_shape", "residual", "error", "mahalanobis", "raw_nearest")


@dataclass(frozen=True)
class TrialResult:
    """Measures of the trial's windows under one state of a detector.

    Parameters
    ----------
    normal : Measured
        Of the held-out normal windows.
    implants : dict of Measured
        Of the windows with implants, by kind.
    point_error : dict of ndarray [N, L]
        Reconstruction error of each point, by kind of implant and for ``normal``.
    """

    normal: Measured
    implants: dict[str, Measured]
    point_error: dict[str, np.ndarray]


@dataclass(frozen=True)
class Trial:
    """Held-out normal windows, and implants of the bank and of operators that the bank does not use.

    Parameters
    ----------
    values : ndarray, float32 [n, C]
        Training part.
    normal : ndarray, int64 [N]
        Starts of held-out normal windows.
    implants : dict of Implants
        ``bank``, and ``foreign`` if the bank leaves an operator unused.
    seed : int
    """

    values: np.ndarray
    normal: np.ndarray
    implants: dict[str, Implants]
    seed: int

    @classmethod
    def draw(cls, bank: RuleBank, candidates: Candidates, seed: int) -> Trial:
        """Create the implants. They have their own generator, so that they do not depend on training."""
        generator = torch.Generator().manual_seed(seed + 1)
        used = {step.operator for rule in bank.rules for step in rule.program}
        banks = {"bank": bank}
        foreign = broad_bank(bank.context, [name for name in OPERATORS if name not in used])
        if foreign.rules:
            banks["foreign"] = foreign
        implants = {kind: implant(source, candidates, generator) for kind, source in banks.items()}
        return cls(candidates.values, candidates.held_out_starts(), implants, seed)

    def calibrate(self, result: TrialResult, weights: np.ndarray = WEIGHTS) -> Calibration:
        """Calibrate a score with these weights on the held-out normal windows."""
        return Calibration.fit(result.normal, self.normal, weights)

    def examine(self, model: EnhancedDetector) -> TrialResult:
        """Measure all windows under the current state of ``model``."""
        held_out = torch.from_numpy(sliding(self.values, model.window)[self.normal])
        implants = {kind: model.measure(probe.windows, probe.positions) for kind, probe in self.implants.items()}
        errors = {kind: point_errors(model, probe.windows) for kind, probe in self.implants.items()}
        errors["normal"] = point_errors(model, held_out)
        return TrialResult(model.measure(held_out, self.normal), implants, errors)

    def compare(self, before: TrialResult, after: TrialResult) -> dict[str, Any]:
        """Return the decision and its figures for the report."""
        normal_scores = self.scores("normal", before, after)
        precision = {
            kind: {
                name: average_precisions(probe.labels, score.reshape(probe.labels.shape), normal_scores[name])
                for name, score in self.scores(kind, before, after).items()
            }
            for kind, probe in self.implants.items()
        }
        kinds = list(precision.values())
        precision["all"] = {name: np.mean([kind[name] for kind in kinds], axis=0) for name in kinds[0]}

        def gains(score: str, over: str) -> dict[str, dict[str, float]]:
            return {kind: mean_with_interval(each[score] - each[over], self.seed) for kind, each in precision.items()}

        results = {"before": before, "after": after}
        touched = self.implants["bank"].touched()
        normal = {when: float(result.normal.windows[:, ERROR].mean()) for when, result in results.items()}
        pseudo = {
            when: float(result.implants["bank"].windows[touched, ERROR].mean()) for when, result in results.items()
        }
        ratio = normal["after"] / max(normal["before"], 1e-12)
        training = gains("enhanced", "training_free")
        kept, reason = decide(gains("enhanced", "before"), gains("training_free", "before"), training, ratio)
        over = {name: gains("enhanced", name) for name in kinds[0] if name != "enhanced"}
        return {
            "kept": kept,
            "accepted": kept != "original",
            "reason": reason,
            "training_adds": all(gain["low"] > 0 for gain in training.values()),
            "normal_error": normal | {"ratio": ratio},
            "pseudo_to_normal_error": {when: pseudo[when] / max(normal[when], 1e-12) for when in results},
            "separability": {
                when: {
                    name: auc(result.normal.windows[:, k], result.implants["bank"].windows[touched, k])
                    for k, name in enumerate(MEASURES[:-1])
                }
                for when, result in results.items()
            },
            "acceptance": {
                kind: {
                    "average_precision": {name: float(value.mean()) for name, value in each.items()},
                    "gain_over": {name: gain[kind] for name, gain in over.items()},
                }
                for kind, each in precision.items()
            },
        }

    def scores(self, kind: str, before: TrialResult, after: TrialResult) -> dict[str, np.ndarray]:
        """Return the scores of the concatenated implants of one kind, or of the ``normal`` stretch, by name.

        They are the backbone's reconstruction error (``before``), controls without training, the score of the heads,
        and the enhanced score.
        """
        if kind == "normal":
            starts = self.normal - self.normal[0]
            length = int(starts[-1]) + before.point_error[kind].shape[1]
        else:
            starts, length = self.implants[kind].starts(), self.implants[kind].labels.size
        curves, calibration = {}, {}
        for when, result in (("before", before), ("after", after)):
            calibration[when] = self.calibrate(result)
            measured = result.normal if kind == "normal" else result.implants[kind]
            curves[when] = spread(calibration[when].bounds.squash(measured), starts, length)
        scores = {"before": overlap_mean(before.point_error[kind], starts, length)}
        scores |= {name: curves["before"][:, MEASURES.index(name)] for name in CONTROL_MEASURES}
        scores["training_free"] = calibration["before"].fuse(curves["before"], WEIGHTS_WITHOUT_HEADS)
        scores["heads"] = calibration["after"].fuse(curves["after"], WEIGHTS_OF_HEADS)
        scores["enhanced"] = calibration["after"].fuse(curves["after"])
        if kind != "normal":  # the ends of segments may be covered by no window
            return scores
        covered = np.isfinite(curves["before"]).all(axis=1)
        return {name: score[covered] for name, score in scores.items()}


@torch.no_grad()
def point_errors(model: EnhancedDetector, windows: torch.Tensor) -> np.ndarray:
    """Return the backbone's reconstruction error of each point of windows [N, C, L], [N, L]."""
    device = device_of(model.backbone)
    model.module.eval()

    def batches(size: int) -> list[np.ndarray]:
        return [model.backbone.point_scores(x.to(device)).cpu().numpy() for x in windows.split(size)]

    return np.concatenate(BatchSize(BATCH).run(batches))
