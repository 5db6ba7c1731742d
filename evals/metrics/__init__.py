"""Metrics that compare anomaly scores with labels."""

from ape.evals.metrics.affiliation import Affiliation, affiliation
from ape.evals.metrics.alerts import Alerts, alerts
from ape.evals.metrics.attribution import ChannelAccuracy, channel_accuracy, rule_accuracy
from ape.evals.metrics.average_precision import average_precision
from ape.evals.metrics.best_f1 import best_f1
from ape.evals.metrics.in_time import InTime, in_time
from ape.evals.metrics.pa_k import PaK, pa_k
from ape.evals.metrics.point_adjusted_f1 import PointAdjustedF1, point_adjusted_f1
from ape.evals.metrics.roc_auc import roc_auc
from ape.evals.metrics.ucr_accuracy import ucr_accuracy
from ape.evals.metrics.vus import vus_pr, vus_roc

__all__ = [
    "Affiliation",
    "Alerts",
    "ChannelAccuracy",
    "InTime",
    "PaK",
    "PointAdjustedF1",
    "affiliation",
    "alerts",
    "average_precision",
    "best_f1",
    "channel_accuracy",
    "in_time",
    "pa_k",
    "point_adjusted_f1",
    "roc_auc",
    "rule_accuracy",
    "ucr_accuracy",
    "vus_pr",
    "vus_roc",
]
