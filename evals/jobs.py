"""Many measurements in processes of one thread each, each kept as a JSON file: an interrupted call goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from ape.series.files import read_json, write_json


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


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
