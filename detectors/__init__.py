"""Reconstruction-based detectors: nine backbones, and an adapter for third-party modules."""

from ape.detectors.contract import Backbone, Detector
from ape.detectors.detector import WindowedDetector
from ape.detectors.many_series import PartlyTrainedError, fit_together
from ape.detectors.registry import create, load, names
from ape.detectors.wrap import WrappedDetector, unwrap, wrap

__all__ = [
    "Backbone",
    "Detector",
    "PartlyTrainedError",
    "WindowedDetector",
    "WrappedDetector",
    "create",
    "fit_together",
    "load",
    "names",
    "unwrap",
    "wrap",
]
