"""Measure the fidelity of mined banks on TimeAnomaly-Bench: ``python -m ape.evals.fidelity --out DIR``.

Each scenario, way of mining and seed is a job with a JSON file, so that an interrupted call resumes. The tables are
printed and written to ``DIR/tables.txt``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ape.core.errors import InputError
from ape.core.files import write_text
from ape.evals.fidelity.minings import MININGS, measure_mining
from ape.evals.fidelity.tables import tables
from ape.evals.scenario_jobs import rows_of_jobs
from ape.evals.timeanomalybench import SCENARIOS

SEEDS = 3


def main() -> int:
    """Measure missing jobs, then print and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.fidelity", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes of one thread each; default: 2")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"default: {SEEDS}")
    arguments = parser.parse_args()
    jobs = [
        f"{scenario}--{mining}--{seed}"
        for seed in range(arguments.seeds)
        for scenario in SCENARIOS
        for mining in MININGS
    ]
    try:
        rows = rows_of_jobs(jobs, measure_mining, arguments.out, arguments.workers)
    except InputError as error:
        sys.stderr.write(f"fidelity: {error}\n")
        return 2
    text = tables(rows)
    write_text(arguments.out / "tables.txt", text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
