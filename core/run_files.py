"""Names of the files and folders in a run folder."""

from __future__ import annotations

from pathlib import Path

RECORD = "run.json"  # the request, versions and timings
BANK = "bank.json"
LEDGER = "ledger.jsonl"
SPANS = "spans.jsonl"
CHECKPOINTS = "checkpoints.sqlite"
ARTEFACTS = "artefacts"  # pictures and tool results
DETECTOR, ENHANCED = "detector", "enhanced"  # before and after post-training
THRESHOLD = "threshold.json"  # in the folder of a detector
TRAINING, POSTTRAINING = "training.safetensors", "posttraining.safetensors"  # checkpoints inside these steps
POSTTRAIN = "posttrain.json"  # the post-training report
SCORES = "scores.csv"
EVENTS_CSV, EVENTS_JSON = "events.csv", "events.json"
REPORT = "report.html"
TRACE_PAGE = "trace.html"


def detector_folder(given: Path | str, *names: str) -> Path:
    """Return the first of the named folders inside ``given``, else ``given`` itself."""
    folder = Path(given)
    return next((folder / name for name in names if (folder / name).is_dir()), folder)
