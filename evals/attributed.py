"""What a detector says at the true events of a series: which rule they look like, and which channel is at fault."""

from __future__ import annotations

from collections.abc import Collection

from ape.detectors import Detector
from ape.evals.cases import Case
from ape.evals.metrics import channel_accuracy, rule_accuracy
from ape.posttrain import EnhancedDetector
from ape.posttrain.channels import assess

Figures = dict[str, float]


def attribution_figures(case: Case, detector: Detector | EnhancedDetector, right: Collection[str] = ()) -> Figures:
    """Return the figures of attribution after the training part. This takes as long as scoring.

    Parameters
    ----------
    case : Case
    detector : Detector or EnhancedDetector
    right : collection of str
        Ids of the detector's rules that describe the true fault.

    Returns
    -------
    dict
        ``named``, see `rule_accuracy`, unless no rule is right; ``located`` and ``chance``, see `channel_accuracy`, if
        it is known which of several channels are at fault.
    """
    at_fault = case.at_fault if case.series.n_channels > 1 else None
    if not right and at_fault is None:
        return {}
    assessment, first = assess(detector, case.series), case.series.train_end or 0
    figures = {}
    if right:
        labels = case.labels.copy()
        labels[:first] = False
        figures["named"] = rule_accuracy(labels, assessment.ranking, right)
    if at_fault is not None:
        located = channel_accuracy(at_fault[first:], assessment.shares[first:], assessment.score[first:])
        figures |= located._asdict()
    return figures
