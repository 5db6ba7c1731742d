"""``ape eval``: run experiments, write their reports, compare two runs."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from rich.console import Console

from ape.core.errors import InputError

PACKAGES = ("pyarrow", "scikit_posthocs", "tabulate")

console = Console(highlight=False, soft_wrap=True, markup=False)


def eval(arguments: argparse.Namespace) -> None:
    """``ape eval run|report|compare``."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise InputError(f"evaluation needs {', '.join(missing)}", "ape eval", "pip install 'ape-tsad[eval]'")
    {"run": _run, "report": _report, "compare": _compare}[arguments.action](arguments)


def _run(arguments: argparse.Namespace) -> None:
    from ape.evals.experiment import read_experiment
    from ape.evals.runner import run_experiment

    experiment = read_experiment(arguments.experiment)
    out = Path(arguments.out or f"runs/eval-{Path(arguments.experiment).stem}")
    folder = Path(arguments.data) if arguments.data else None
    if folder is not None and not folder.is_dir():
        raise InputError("no such folder", str(folder), "check the path")
    failed = run_experiment(experiment, out, folder, arguments.workers, arguments.ray)
    if failed:
        console.print(f"{failed} cells failed: {out / 'cells' / 'failures.json'}; rerun the command to retry them")
    _print_paths(out)


def _report(arguments: argparse.Namespace) -> None:
    from ape.evals.runner import rewrite_report

    rewrite_report(Path(arguments.run))
    _print_paths(Path(arguments.run))


def _compare(arguments: argparse.Namespace) -> None:
    from ape.evals.report import compare

    console.print(compare(Path(arguments.before), Path(arguments.after)).to_string())


def _print_paths(out: Path) -> None:
    console.print(f"report: {out / 'report.html'}, {out / 'report.md'}")
