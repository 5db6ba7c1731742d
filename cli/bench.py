"""``ape bench``: list, make and describe the series of TimeAnomaly-Bench."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.options import load_series
from ape.cli.terminal import console
from ape.core.errors import InputError
from ape.core.files import is_free


def bench(arguments: argparse.Namespace) -> None:
    """``ape bench list|make|supplement|describe|gallery``."""
    acts = {"list": _list, "make": _make, "supplement": _supplement, "describe": _describe, "gallery": _gallery}
    acts[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench import SCENARIOS

    for scenario in SCENARIOS.values():
        for fault in scenario.faults:
            print(scenario.name, fault.name, fault.mechanism, fault.morphology, sep="\t")  # noqa: T201 (for other programs)


def _make(arguments: argparse.Namespace) -> None:
    from ape.cli.display import Display
    from ape.evals.timeanomalybench import Config, make_set

    config = Config() if arguments.config is None else Config.load(Path(arguments.config))
    out = _require_free_folder(arguments.out)
    with Display(console) as display:
        make_set(out, arguments.seed, config, lambda done, total: display.progress("series", done, total))
    console.print(f"set: {out}")


def _supplement(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench import supplement_set

    out = _require_free_folder(arguments.out)
    supplement_set(out, load_series(arguments), arguments.seed)
    console.print(f"set: {out}")


def _require_free_folder(out: str) -> Path:
    path = Path(out)
    if not is_free(path):
        raise InputError("the folder is not empty", out, "choose another --out")
    return path


def _describe(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench import SCENARIOS

    if arguments.what in SCENARIOS:
        scenario = SCENARIOS[arguments.what]
        console.print(f"{scenario.name}: {scenario.domain}; one sample every {scenario.step:g} s")
        console.print(f"\n{scenario.texts.measured}\n{scenario.texts.manual}")
        for fault in scenario.faults:
            console.print(f"{fault.name}: {fault.note} ({fault.mechanism}, {fault.morphology}; {fault.precondition})")
        return
    card = Path(arguments.what) / "card.md"
    if not card.is_file():
        raise InputError(
            "neither a scenario nor a made set",
            arguments.what,
            f"give a folder that 'ape bench make' wrote, or one of {', '.join(SCENARIOS)}",
        )
    console.print(card.read_text(encoding="utf-8"))


def _gallery(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench.gallery import write_gallery

    path = Path(arguments.out)
    if path.exists():
        raise InputError("the file exists already", str(path), "choose another --out")
    write_gallery(path, arguments.seed)
    console.print(f"gallery: {path}")
