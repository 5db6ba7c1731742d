"""The enhanced detector: a backbone, the discriminators of a bank and of all operators, and a calibrated score."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ape import detectors
from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors import Detector, WrappedDetector
from ape.detectors.inputs import prepared
from ape.posttrain.assessment import Assessment, Quiet, over_channels
from ape.posttrain.backbone_inputs import BackboneStatistics, backbone_inputs
from ape.posttrain.calibration import VOICES, Calibration, Peaks, Voice
from ape.posttrain.detector_folder import is_enhanced, read_folder, save_folder
from ape.posttrain.discriminator.evidence import Evidence, Reader
from ape.posttrain.discriminator.network import RuleDiscriminator
from ape.posttrain.discriminator.normal import Normal
from ape.posttrain.discriminator.rules import BankDiscriminator, generic_discriminator
from ape.posttrain.discriminator.streaming import Scoring
from ape.posttrain.discriminator.subspace import Subspace
from ape.posttrain.explanation import Explanation, channel_shares, explain
from ape.posttrain.following import Follower, Highest, feed, missing_points
from ape.posttrain.gates import Gates
from ape.posttrain.normal_part import NormalPart
from ape.posttrain.quieting import Relief, alike, benign_odds, best_benign, quiet_score, relief
from ape.rules import RuleBank
from ape.series import Requirements, Series
from ape.series.series import Gap
from ape.series.windows import usable

AT_ONCE = 1 << 22  # log-odds that are turned into scores at once, to save memory
ANY = "pseudo-anomaly"  # the only rule of a model that was trained on other anomalies than those of a bank


def device_of(detector: Detector) -> torch.device:
    """Return the device of a detector's standardisation, which is that of its module."""
    return detector.shift_and_scale[0].device


@dataclass(frozen=True)
class EnhancedDetector:
    """A detector whose score comes from the rules of a bank and from normal windows. It follows `Detector`.

    Parameters
    ----------
    backbone : Detector
        A post-trained copy of the detector.
    bank : RuleBank
        Without rules if the model was trained on other anomalies.
    normal : NormalPart
        Windows are compared with it.
    model : BankDiscriminator
        Post-trained; of the bank's rules.
    network : RuleDiscriminator
        Pretrained; of all operators.
    statistics : BackboneStatistics or None
        How the backbone's outputs enter the model. None if they do not.
    required : Requirements
        What it requires of a series, for `ape.series.load`.
    calibration : Calibration or None
        None until normal points are measured.
    kept : {"both", "rules", "free"}
        Voices that the score consists of.
    """

    backbone: Detector
    bank: RuleBank
    normal: NormalPart
    model: BankDiscriminator
    network: RuleDiscriminator
    statistics: BackboneStatistics | None
    required: Requirements
    calibration: Calibration | None = None
    kept: Voice = "both"

    @property
    def window(self) -> int:
        """Window length L of the backbone."""
        return self.backbone.window

    @property
    def module(self) -> nn.Module:
        """The backbone's module."""
        return self.backbone.module

    @property
    def shift_and_scale(self) -> tuple[Tensor, Tensor]:
        """Shift [C] and scale [C] with which the backbone standardises."""
        return self.backbone.shift_and_scale

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the backbone's reconstruction of windows [B, C, L], data units."""
        return self.backbone.reconstruct(x)

    def encode(self, x: Tensor) -> Tensor:
        """Return the backbone's latent of windows [B, C, L], [B, D]."""
        return self.backbone.encode(x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the backbone's training loss."""
        return self.backbone.loss(x)

    def point_scores(self, x: Tensor) -> Tensor:
        """Return the backbone's reconstruction error of each point of windows [B, C, L] from anywhere, [B, L]."""
        return self.backbone.point_scores(x)

    def clone(self) -> Self:
        """Return an independent copy."""
        return replace(self, backbone=self.backbone.clone(), model=copy.deepcopy(self.model))

    def keeping(self, voice: Voice) -> Self:
        """Return the same detector with a score from other voices."""
        return replace(self, kept=voice)

    @cached_property
    def reader(self) -> Reader:
        """What reads the evidence off windows."""
        further = None
        if self.statistics is not None:
            further = partial(backbone_inputs, self.backbone, self.statistics)
        self.backbone.module.eval()
        return Reader(self.generic, Subspace.of(self.training), self.model, further)

    @cached_property
    def generic(self) -> BankDiscriminator:
        """The discriminator of all operators."""
        return generic_discriminator(self.network, self.bank.context)

    def scoring(self, continues: bool, own: bool = False) -> Scoring:
        """Return what computes the evidence of a series in pieces, which may continue or be the training part.

        If the last training points have missing values, what follows them is a new stretch all the same.
        """
        reaches_end = self.normal.segments[-1][1] == len(self.normal.values)
        return Scoring(self.reader, self.training, continues and reaches_end, own)

    @cached_property
    def training(self) -> Normal:
        """The normal part as the discriminator sees it."""
        normal, device = self.normal, device_of(self.backbone)
        return Normal.of(normal.values, self.bank.context, normal.segments, ~normal.is_clean, device)

    @property
    def latency(self) -> int:
        """Samples that have to be known after a point before its score is final."""
        return self.require_calibration().latency

    def require_calibration(self) -> Calibration:
        """Return the calibration, which every finished detector has."""
        if self.calibration is None:
            msg = "not calibrated yet"
            raise RuntimeError(msg)
        return self.calibration

    def begins(self, series: Series) -> bool:
        """Return whether a `prepared` series begins with the training part, or is the begin of it."""
        same = min(series.length, len(self.normal.values))
        return np.array_equal(series.values[:same], self.normal.values[:same])

    @torch.no_grad()
    def evidence(self, series: Series) -> Iterator[Evidence]:
        """Yield the evidence of the points of a `prepared` series, in pieces.

        A series that does not begin with the training part is a new stretch after it. The evidence of the training
        part itself comes from its other windows. A training part that was sampled is scored like new data, since most
        of it is no reference, but without comparing windows with themselves.
        """
        trained, length = len(self.normal.values), series.length
        own, sampled = self.begins(series), self.normal.sampled
        continues = own and not sampled
        scoring = self.scoring(continues, own and sampled)
        if not usable(series.segments, scoring.window):
            raise InputError(
                f"no stretch without a gap is as long as a window of {scoring.window} points",
                series.name,
                "give a longer series",
            )
        if continues:
            at = 0
            for piece in scoring.trained():
                end = min(int(piece.time[-1]) + 1, length) if len(piece) else at
                yield piece.over(at, end)
                at = end
            yield piece.over(at, min(length, trained))  # after the last segment
        yield from feed(scoring, series, trained if continues else 0)
        if length > trained or not continues:
            yield scoring.newest()

    def gates(self, position: int | None) -> Gates:
        """Return what says where the benign rules can hold, ``position`` points after the begin of the training part.

        It is 0, the length of the training part, or None if it is not known.
        """
        rules = self.bank.benign[: self.model.question.benign]  # a model without the bank's rules asks for none
        gates = Gates(rules, self.bank.context, None if position is None else 0)
        if position:
            names = tuple(channel.name for channel in self.bank.context.channels)
            gaps = (Gap(gap.position, gap.missing, 0.0) for gap in self.bank.context.gaps if gap.position < position)
            gates.priors(Series(self.normal.values, names, gaps=tuple(gaps)))
        return gates

    @cached_property
    def relief(self) -> Callable[[Evidence, np.ndarray], Relief]:
        """What returns by how much benign rules with priors [n, Q] lower the evidence of n points."""
        return partial(relief, same=alike(self.bank))

    @torch.no_grad()
    def relieved(self, series: Series, progress: Progress | None = None) -> Iterator[tuple[Evidence, np.ndarray]]:
        """Yield `evidence` with the priors of the benign rules, [n, Q], see `Gates.priors`."""
        at = 0
        where = self.gates(0 if self.begins(series) else None).priors(series)
        for whole in self.evidence(series):
            for piece in whole.split(AT_ONCE):
                yield piece, where[at : at + len(piece)]
                at += len(piece)
            if progress is not None:
                progress("scoring", at, series.length)

    def score(self, series: Series, stride: int | None = None) -> np.ndarray:
        """Return the anomaly score of each point, float32 [T]; NaN in stretches shorter than a window.

        It is minus log10 of the share of normal points that score as high: 2 is reached by one in a hundred. The last
        points of a stretch are provisional, see `latency`. It is lower where a benign rule explains a point. Channels
        are matched by name, see `ape.detectors.inputs.prepared`. Points with missing values get the highest score so
        far, and at least 6.

        Parameters
        ----------
        series : Series
        stride : int or None
            Without effect; part of the `Detector` protocol.

        Raises
        ------
        InputError
            A channel is missing, or no stretch of the series is as long as a window.
        """
        series, calibration = prepared(self, series), self.require_calibration()
        pieces = [
            quiet_score(piece, calibration, self.kept, self.relief(piece, priors))
            for piece, priors in self.relieved(series)
        ]
        return self.raised(np.concatenate(pieces), series)

    def raised(self, score: np.ndarray, series: Series) -> np.ndarray:
        """Raise the scores of points with missing values. What was high in the training part does not count later."""
        trained, missing = len(self.normal.values) if self.begins(series) else 0, missing_points(series)
        parts = (slice(None, trained), slice(trained, None))
        return np.concatenate([Highest().raised(score[part], missing[part]) for part in parts])

    def voices(self, series: Series) -> dict[Voice, np.ndarray]:
        """Return the score by each choice of voices, float32 [T] each. Missing values are not treated."""
        series, calibration = prepared(self, series), self.require_calibration()
        pieces: dict[Voice, list[np.ndarray]] = {voice: [] for voice in VOICES}
        for piece, priors in self.relieved(series):
            relieved = self.relief(piece, priors)
            for voice in VOICES:
                pieces[voice].append(quiet_score(piece, calibration, voice, relieved))
        return {voice: np.concatenate(own) for voice, own in pieces.items()}

    def assess(self, series: Series, progress: Progress | None = None) -> Assessment:
        """Return score, channels at fault and rules of every point in one pass.

        Where values are missing or far outside the training range, only their channels have shares: those of others
        come from their relation to these.
        """
        series, calibration = prepared(self, series), self.require_calibration()
        columns = []
        for piece, priors in self.relieved(series, progress):
            relieved = self.relief(piece, priors)
            score = quiet_score(piece, calibration, self.kept, relieved)
            loud = calibration.score(Peaks.of(piece), self.kept) if self.bank.benign else score
            shares = channel_shares(piece, calibration, self.kept, relieved)
            explained = over_channels(*explain(piece, calibration, self.named, relieved))
            columns.append(
                (score, shares, *explained, loud, best_benign(benign_odds(piece, priors)), np.isfinite(priors))
            )
        score, share, log_odds, rule_shares, loud, benign_rule, able = (
            np.concatenate(column) for column in zip(*columns, strict=True)
        )
        culprits = self.normal.far(series.values)
        if series.missing is not None:
            culprits = np.where(series.missing.any(axis=1, keepdims=True), series.missing, culprits)
        clear = culprits.any(axis=1) & np.isfinite(share).all(axis=1)
        share[clear] = culprits[clear] / culprits[clear].sum(axis=1, keepdims=True)
        quiet = (
            Quiet(loud, benign_rule, able, tuple(rule.id for rule in self.bank.benign)) if self.bank.benign else None
        )
        return Assessment(
            self.raised(score, series), share.astype(np.float32), log_odds, rule_shares, self.rule_names, quiet
        )

    def explain(self, series: Series, begin: int = 0, end: int | None = None) -> Explanation:
        """Return which rules the points of a series look like, and how likely they are anomalies.

        Parameters
        ----------
        series : Series
        begin, end : int
            Range of points, cut off at the ends of the series; memory grows with it. Default: all points.
        """
        series, calibration = prepared(self, series), self.require_calibration()
        begin, stop = max(begin, 0), series.length if end is None else min(end, series.length)
        at, parts = 0, []
        for piece, priors in self.relieved(series):
            wanted = slice(max(begin - at, 0), max(stop - at, 0))
            some = piece.take(wanted)
            parts.append(explain(some, calibration, self.named, self.relief(some, priors[wanted])))
            at += len(piece)
            if at >= stop:
                break
        log_odds, posterior = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Explanation(begin, series.channels, self.rule_names, log_odds, posterior)

    @property
    def rule_names(self) -> tuple[str, ...]:
        """Ids of the bank's rules."""
        return tuple(rule.id for rule in self.bank.rules) or (ANY,)

    @cached_property
    def named(self) -> np.ndarray:
        """Whether a rule of the bank uses an operator at a channel, bool [C, K]."""
        question, operators = self.model.question, self.generic.question.operator
        uses = question.operator[:, None] == operators
        uses &= question.rule[:, None] < question.rules
        return ((question.channels[question.rule].float().T @ uses.float()) > 0).numpy()

    def follow(self, continues: bool = True) -> Follower:
        """Return what scores new data in pieces: the same scores as at once.

        Parameters
        ----------
        continues : bool
            Whether the data follow the training part without a gap.
        """
        scoring, calibration = self.scoring(continues), self.require_calibration()
        prepare, last = partial(prepared, self), self.normal.values[-1:]
        gates = self.gates(len(self.normal.values) if continues else None)
        return Follower(prepare, self.required, scoring, calibration, self.kept, last, gates, self.relief)

    def require_channels(self, series: Series) -> None:
        """Raise `InputError` if the series has another number of channels than the training data."""
        if series.n_channels != self.normal.values.shape[1]:
            raise InputError(
                f"{series.n_channels} channels, but the detector was trained on {self.normal.values.shape[1]}",
                series.name,
                "score a series with the same channels",
            )

    def save(self, folder: Path | str) -> None:
        """Save the detector into ``folder`` (safetensors and JSON), atomically."""
        self.require_calibration()
        save_folder(Path(folder), *(getattr(self, field.name) for field in fields(self)))


def load(folder: Path | str, into: WrappedDetector | None = None) -> Detector | EnhancedDetector:
    """Load a plain or an enhanced detector, according to its ``detector.json``.

    Parameters
    ----------
    folder : path
    into : WrappedDetector, optional
        Receives the weights if a wrapped detector was saved or enhanced, as in `ape.detectors.load`.

    Raises
    ------
    InputError
        A file is missing or truncated, or does not match the others.
    """
    if not is_enhanced(Path(folder)):
        return detectors.load(folder, into=into)
    return EnhancedDetector(*read_folder(Path(folder), into))
