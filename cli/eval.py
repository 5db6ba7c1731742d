"""``ape eval``: run experiments, write their reports, compare two runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.terminal import console, print_document
from ape.core.errors import InputError
from ape.core.extras import require_extra

PACKAGES = ("pyarrow", "scikit_posthocs", "tabulate")


def eval(arguments: argparse.Namespace) -> None:
    """``ape eval run|report|compare``."""
    require_extra("eval", PACKAGES, "evaluation", "ape eval")
    {"run": _run, "report": _report, "compare": _compare}[arguments.action](arguments)


def _run(arguments: argparse.Namespace) -> None:
    from ape.evals.experiment import read_experiment
    from ape.evals.runner import run_experiment
    from ape.runs.changing import making

    experiment = read_experiment(arguments.experiment)
    out = Path(arguments.out or f"runs/eval-{Path(arguments.experiment).stem}")
    folder = Path(arguments.data) if arguments.data else None
    if folder is not None and not folder.is_dir():
        raise InputError("no such folder", str(folder), "check the path")
    with making(out):
        failed = run_experiment(experiment, out, folder, arguments.workers, arguments.ray)
    _print_paths(out, failed)
    if failed:
        where = str(out / "cells" / "failures.json")
        raise InputError(f"{failed} cells failed", where, "rerun the command to try them again")


def _report(arguments: argparse.Namespace) -> None:
    from ape.evals.runner import rewrite_report

    rewrite_report(Path(arguments.run))
    _print_paths(Path(arguments.run))


def _compare(arguments: argparse.Namespace) -> None:
    from ape.evals.report import compare

    differences = compare(Path(arguments.before), Path(arguments.after))
    console.print(differences.to_string())
    print_document(differences.reset_index().to_dict("records"))


def _print_paths(out: Path, failed: int = 0) -> None:
    reports = [str(out / name) for name in ("report.html", "report.md")]
    console.print(f"report: {', '.join(reports)}")
    print_document({"reports": reports, "failed": failed})
