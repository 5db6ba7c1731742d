"""``ape export``: write a detector as ONNX graphs."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ape.cli.inputs import EXAMPLE
from ape.cli.terminal import console, print_document
from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.run_files import DETECTOR, ENHANCED, RECORD, THRESHOLD, detector_folder
from ape.export.onnx import require_onnx

if TYPE_CHECKING:
    from ape.series import Requirements, Series


def export(arguments: argparse.Namespace) -> None:
    """``ape export RUN --out DIR``."""
    require_onnx()  # before what takes seconds
    from ape import posttrain
    from ape.export import export as write
    from ape.export import require_exportable
    from ape.monitor import Threshold

    folder = detector_folder(arguments.run, ENHANCED, DETECTOR)
    detector = require_exportable(posttrain.load(folder))
    threshold = Threshold.load(folder) if is_expected(folder / THRESHOLD) else None
    found = write(detector, arguments.out, _series(arguments, detector.required), threshold)
    console.print(
        f"{found.folder}: on {found.points} points, the scores differ by at most {found.difference:.2g}"
        f" (accepted: {found.tolerance:g}); score with 'python {found.folder / 'scorer.py'} DATA.csv'"
    )
    print_document({**asdict(found), "folder": str(found.folder)})


def _series(arguments: argparse.Namespace, required: Requirements | None) -> Series:
    """Return the series of ``--check``, or else that of the run."""
    from ape.runs.folder import read_request
    from ape.series import ReadOptions, load

    folder = Path(arguments.run)
    request = read_request(folder) if (folder / RECORD).is_file() else None
    path = arguments.check or (None if request is None else request.data)
    if path is None or not (Path(path).is_file() or path.startswith(EXAMPLE)):
        raise InputError("no data to compare the scores on", path or arguments.run, "give --check FILE")
    reading = ReadOptions() if request is None else replace(request.reading, difference=False)
    return load(path, options=reading, required=required, scoring=True)
