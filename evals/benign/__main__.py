"""Measure benign rules on TimeAnomaly-Bench: ``python -m ape.evals.benign --out DIR --table FILE``.

Each scenario and seed is a job with a JSON file in DIR, so that an interrupted call resumes. The table is Markdown, as
in ``docs/results/benign/report.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ape.core.errors import InputError
from ape.core.files import write_text
from ape.evals.benign.measure import measure_scenario
from ape.evals.benign.tables import tables
from ape.evals.scenario_jobs import rows_of_jobs
from ape.evals.timeanomalybench import SCENARIOS


def main() -> int:
    """Measure missing jobs, then print the tables and write them."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.benign", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the jobs")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the tables to this file")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of one thread each; default: 1")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    arguments = parser.parse_args()
    jobs = [f"{scenario}--{seed}" for seed in range(arguments.seeds) for scenario in SCENARIOS]
    try:
        rows = rows_of_jobs(jobs, measure_scenario, arguments.out, arguments.workers)
    except InputError as error:
        sys.stderr.write(f"benign: {error}\n")
        return 2
    text = tables(rows)
    if arguments.table:
        write_text(arguments.table, text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
