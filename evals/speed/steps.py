"""Print where the processor time of a command goes: ``python -m ape.evals.speed.steps [FILE ...]``.

Each file is mined into a new folder in a process of its own, from the start of Python on; ``--run`` post-trains and
scores as well. Without a file, a series of 10,000 points is generated. Processor time depends less than wall time on
what else the machine does. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ape.evals.speed.batch import make_series
from ape.evals.speed.sampled import IMPORTS
from ape.evals.speed.timing import Table

POINTS = 10_000
LEAST = 0.05  # seconds of a step that gets a line of its own
OTHER = "all other steps"


def main() -> int:
    """Run the commands, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.steps", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: a generated series")
    parser.add_argument("--run", action="store_true", help="'ape run' instead of 'ape mine'")
    parser.add_argument("--text", type=Path, metavar="TEXT", help="what people wrote about the series")
    arguments = parser.parse_args()
    command = ["run" if arguments.run else "mine", *(["--text", str(arguments.text)] if arguments.text else [])]
    with tempfile.TemporaryDirectory() as folder:
        files = arguments.files or [generated(Path(folder))]
        found = {path.stem[:18]: measured(command, path, Path(folder) / f"out-{i}") for i, path in enumerate(files)}
    table = Table({"seconds": "<38", **dict.fromkeys(found, ">18")})
    steps = {step for each in found.values() for step in each["steps"]}
    lines = {step: [each["steps"].get(step, 0.0) for each in found.values()] for step in steps}
    few = [step for step, taken in lines.items() if max(taken) < LEAST]
    lines[OTHER] = [sum(lines[step][i] for step in few) for i in range(len(found))]
    lines["not attributed"] = [each["processor"] - sum(each["steps"].values()) for each in found.values()]
    imports = [step for step in steps if step.startswith(IMPORTS)]
    for step in sorted(lines.keys() - set(few), key=lambda step: -max(lines[step])):
        table.row(step, *(f"{taken:.2f}" for taken in lines[step]))
    table.row("imports together", *(f"{sum(lines[step][i] for step in imports):.2f}" for i in range(len(found))))
    table.row("processor time", *(f"{each['processor']:.2f}" for each in found.values()))
    table.row("wall time", *(f"{each['wall']:.2f}" for each in found.values()))
    return 0


def generated(folder: Path) -> Path:
    """Write a series of 10,000 points, and return its file."""
    make_series(folder / "series", 1, POINTS)
    return folder / "series" / "s0000.npz"


def measured(command: list[str], path: Path, out: Path) -> dict[str, Any]:
    """Return what `ape.evals.speed.sampled` notes of a command."""
    noted = out.with_suffix(".json")
    words = [*command, str(path), "--out", str(out), "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "ape.evals.speed.sampled", str(noted), *words], check=True, stdout=subprocess.DEVNULL
    )
    return dict(json.loads(noted.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main())
