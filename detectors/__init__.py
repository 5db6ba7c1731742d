"""Backbones, the detector around them, and the adapter for anyone else's module."""

from ape.detectors.contract import Detector
from ape.detectors.detector import WindowedDetector
from ape.detectors.registry import create, load, names
from ape.detectors.together import PartlyTrainedError, fit_together
from ape.detectors.wrap import WrappedDetector, unwrap, wrap

__all__ = [
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
