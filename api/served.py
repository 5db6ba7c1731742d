"""Detectors that are served, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ape import posttrain
from ape.api.kept import KeptScorers
from ape.core.errors import InputError
from ape.core.files import folder_digest
from ape.core.run_files import DETECTOR, ENHANCED, RECORD, detector_folder
from ape.detectors import Detector
from ape.detectors.inputs import required_by
from ape.monitor import Threshold
from ape.posttrain import EnhancedDetector
from ape.runs.folder import Request, read_request
from ape.series import ReadOptions, Requirements

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # of detectors and streams; never a path


@dataclass(frozen=True)
class Served:
    """A detector with what its answers need.

    Parameters
    ----------
    name : str
        That of the run folder.
    folder : Path
        The run folder, or the folder of a detector.
    detector : Detector or EnhancedDetector
    threshold : Threshold
    request : Request or None
        Of the run; None for the folder of a detector.
    fingerprint : bytes
        Of the files of the detector.
    scorers : KeptScorers
        Of its streams.
    """

    name: str
    folder: Path
    detector: Detector | EnhancedDetector
    threshold: Threshold
    request: Request | None
    fingerprint: bytes
    scorers: KeptScorers = field(default_factory=KeptScorers, compare=False)

    @property
    def reading(self) -> ReadOptions:
        """How the run read its file, and new files are read; the detector itself knows its counters."""
        return ReadOptions() if self.request is None else replace(self.request.reading, difference=False)

    @property
    def text(self) -> str | None:
        """Name of the file that the rules quote."""
        return None if self.request is None else self.request.text_file

    @property
    def required(self) -> Requirements | None:
        """What the detector requires of rows; None if it does not say."""
        return required_by(self.detector)

    @property
    def latency(self) -> int:
        """Number of further rows after which the score of a row no longer changes."""
        detector = self.detector
        return detector.latency if isinstance(detector, EnhancedDetector) else detector.window - 1


def open_all(folders: Sequence[Path | str]) -> dict[str, Served]:
    """Load the detectors of run folders.

    Raises
    ------
    InputError
        A folder has no detector with a threshold, or its name cannot be served.
    """
    names = [Path(folder).resolve().name for folder in folders]
    for name, folder in zip(names, folders, strict=True):
        if not NAME.fullmatch(name):
            hint = "rename the folder: letters, digits, '.', '_' and '-', at most 64"
            raise InputError(f"'{name}' cannot be the name of a detector", str(folder), hint)
        if names.count(name) > 1:
            raise InputError(f"two folders have the name '{name}'", str(folder), "rename one of them")
    return {name: _opened(name, Path(folder)) for name, folder in zip(names, folders, strict=True)}


def _opened(name: str, folder: Path) -> Served:
    inside = detector_folder(folder, ENHANCED, DETECTOR)
    request = read_request(folder) if (folder / RECORD).is_file() else None
    return Served(name, folder, posttrain.load(inside), Threshold.load(inside), request, folder_digest(inside))
