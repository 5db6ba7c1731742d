"""Names of the files and folders in a run folder."""

from __future__ import annotations

import os
from pathlib import Path

from ape.core.errors import InputError

RECORD = "run.json"  # the request, versions and timings
BANK = "bank.json"
LEDGER = "ledger.jsonl"
SPANS = "spans.jsonl"
CHECKPOINTS = "checkpoints.sqlite"
CONVERSATION = "conversation.sqlite"
ARTEFACTS = "artefacts"  # pictures and tool results
DETECTOR, ENHANCED = "detector", "enhanced"  # before and after post-training
THRESHOLD = "threshold.json"  # in the folder of a detector
TRAINING, POSTTRAINING = "training.safetensors", "posttraining.safetensors"  # checkpoints inside these steps
POSTTRAIN = "posttrain.json"  # the post-training report
SCORES = "scores.csv"
EVENTS_CSV, EVENTS_JSON = "events.csv", "events.json"
REPORT = "report.html"
MADE_AGAIN = (DETECTOR, ENHANCED, POSTTRAIN, SCORES, EVENTS_CSV, EVENTS_JSON, REPORT)  # by a run that is resumed
TRACE_PAGE = "trace.html"


def detector_folder(given: Path | str, *names: str) -> Path:
    """Return the first of the named folders inside ``given``, else ``given`` itself.

    Raises
    ------
    InputError
        The run was post-trained, and its enhanced detector is missing: the other one has other scores.
    """
    folder = Path(given)
    enhanced = folder / ENHANCED
    was_made = os.path.lexists(enhanced) or (folder / POSTTRAIN).is_file()
    if ENHANCED in names and was_made and not enhanced.is_dir():
        raise InputError("the enhanced detector of the run is missing", str(enhanced), remedy(enhanced))
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def remedy(path: Path, otherwise: str = "restore it from a copy, or make it again") -> str:
    """Return how to repair a file of a run or of a detector: the run makes it again if its checkpoints can."""
    for folder in path.parents[:3]:
        if (folder / RECORD).is_file():
            name, again = path.relative_to(folder).parts[0], f"'ape run --resume {folder}' makes it again"
            if name == BANK:
                return f"correct it; or delete it, and {again}"
            return again if name in MADE_AGAIN else "start a new run"
    return otherwise
