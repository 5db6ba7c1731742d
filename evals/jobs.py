"""Many measurements in processes of one thread each, each kept as a JSON file: an interrupted call goes on."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from ape.series.files import read_json, write_json, write_text


def measure_all(
    names: Sequence[str], measure: Callable[[str], dict[str, Any]], out: Path, workers: int
) -> list[dict[str, Any]]:
    """Results of ``measure(name)`` in the order of ``names``; those in ``out`` already are not measured again."""
    missing = [name for name in names if not (out / f"{name}.json").exists()]
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        begun = {pool.submit(measure, name): name for name in missing}
        for done in as_completed(begun):
            write_json(out / f"{begun[done]}.json", done.result())
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {begun[done]}\n")
    return [read_json(out / f"{name}.json", "result") for name in names]


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


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
