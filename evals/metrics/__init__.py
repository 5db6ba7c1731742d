"""Metrics of anomaly scores against labels."""

from ape.evals.metrics.average_precision import average_precision
from ape.evals.metrics.ucr_accuracy import ucr_accuracy

__all__ = ["average_precision", "ucr_accuracy"]
