"""What measurements have in common: their arguments, their jobs in processes, and where their tables go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.core.files import write_text
from ape.runs.jobs import FAILURES, map_jobs, show_progress


def measure_all(
    names: Sequence[str], measure: Callable[[str], dict[str, Any]], out: Path, workers: int
) -> list[dict[str, Any]]:
    """Results of ``measure(name)`` in the order of ``names``; those in ``out`` already are not measured again."""
    found = map_jobs(names, measure, out, workers, told=show_progress(len(names)))
    if failed := [name for name in names if name not in found]:
        raise InputError(f"{len(failed)} of {len(names)} failed", str(out / FAILURES), "fix what it says, call again")
    return list(found.values())


def options(module: str, what: str) -> argparse.ArgumentParser:
    """Arguments that all measurements have: where results are kept, and how many processes measure."""
    parser = argparse.ArgumentParser(prog=f"python -m ape.evals.{module}", description=what)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes of one thread each; default: 2")
    return parser


def publish(out: Path, text: str) -> None:
    """Leave the tables in ``out/tables.txt``, and print them."""
    write_text(out / "tables.txt", text)
    sys.stdout.write(text)
