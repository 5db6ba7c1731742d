"""Names of the files and folders in a run folder."""

from __future__ import annotations

from pathlib import Path

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
    """Return the first of the named folders inside ``given``, else ``given`` itself."""
    folder = Path(given)
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
