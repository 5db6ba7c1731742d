"""``ape eval``: run experiments, write their reports, compare two runs."""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path

from rich.console import Console

from ape.core.errors import InputError

NEEDED = ("pyarrow", "scikit_posthocs", "tabulate")

console = Console(highlight=False, soft_wrap=True, markup=False)


def eval(arguments: argparse.Namespace) -> None:
    """``ape eval run|report|compare``."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise InputError(f"evaluation needs {', '.join(missing)}", "ape eval", "pip install 'ape-tsad[eval]'")
    {"run": _run, "report": _report, "compare": _compare}[arguments.act](arguments)


def _run(arguments: argparse.Namespace) -> None:
    from ape.evals.experiment import read_experiment, run_experiment

    experiment = read_experiment(arguments.experiment)
    out = Path(arguments.out or f"runs/eval-{Path(arguments.experiment).stem}")
    folder = Path(arguments.data) if arguments.data else None
    if folder is not None and not folder.is_dir():
        raise InputError("no such folder", str(folder), "check the path")
    failed = run_experiment(experiment, out, folder, arguments.workers, arguments.ray)
    if failed:
        console.print(f"{failed} cells failed: {out / 'cells' / 'failures.json'}; the same command tries them again")
    console.print(f"report: {out / 'report.html'}, {out / 'report.md'}")


def _report(arguments: argparse.Namespace) -> None:
    from ape.core.files import read_json
    from ape.evals.experiment import RECORD
    from ape.evals.report import write_report

    out = Path(arguments.run)
    record = read_json(out / RECORD, "experiment")
    paths = sorted((out / "cells").glob("*--*.json"))
    if not paths:
        raise InputError("no cells", str(out / "cells"), "run the experiment first: ape eval run")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    write_report(out, record["title"], record["reference"], results)
    console.print(f"report: {out / 'report.html'}, {out / 'report.md'}")


def _compare(arguments: argparse.Namespace) -> None:
    from ape.evals.report import compare

    console.print(compare(Path(arguments.before), Path(arguments.after)).to_string())
