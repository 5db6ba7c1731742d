"""``ape bench``: list, make and describe the series of TimeAnomaly-Bench."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.options import load_series
from ape.cli.terminal import console, print_document, print_lines, print_table
from ape.core.errors import InputError
from ape.core.files import is_free


def bench(arguments: argparse.Namespace) -> None:
    """``ape bench list|make|supplement|describe|gallery``."""
    acts = {"list": _list, "make": _make, "supplement": _supplement, "describe": _describe, "gallery": _gallery}
    acts[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench import SCENARIOS

    names = ("scenario", "fault", "mechanism", "morphology")
    rows = [
        (scenario.name, fault.name, fault.mechanism, fault.morphology)
        for scenario in SCENARIOS.values()
        for fault in scenario.faults
    ]
    print_table(names, rows)
    print_document([dict(zip(names, row, strict=True)) for row in rows])


def _make(arguments: argparse.Namespace) -> None:
    from ape.cli.display import Display
    from ape.evals.timeanomalybench import Config, make_set

    config = Config() if arguments.config is None else Config.load(Path(arguments.config))
    out = _require_free_folder(arguments.out)
    with Display(console) as display:
        make_set(out, arguments.seed, config, lambda done, total: display.progress("series", done, total))
    _print_folder(out)


def _supplement(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench import supplement_set

    out = _require_free_folder(arguments.out)
    supplement_set(out, load_series(arguments), arguments.seed)
    _print_folder(out)


def _print_folder(out: Path) -> None:
    console.print(f"set: {out}")
    print_document({"set": str(out)})


def _require_free_folder(out: str) -> Path:
    path = Path(out)
    if not is_free(path):
        raise InputError("the folder is not empty", out, "choose another --out")
    return path


def _describe(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench import SCENARIOS

    if arguments.what in SCENARIOS:
        scenario = SCENARIOS[arguments.what]
        head = f"{scenario.name}: {scenario.domain}; one sample every {scenario.step:g} s"
        print_lines([head, "", scenario.texts.measured, scenario.texts.manual], 0)
        faults = [
            {"name": fault.name, "note": fault.note, "mechanism": fault.mechanism, "morphology": fault.morphology,
             "precondition": fault.precondition}
            for fault in scenario.faults
        ]  # fmt: skip
        for fault in faults:
            text = "{name}: {note} ({mechanism}, {morphology}; {precondition})".format(**fault)
            print_lines([text], 4)
        print_document({"name": scenario.name, "domain": scenario.domain, "step": scenario.step, "faults": faults})
        return
    card = Path(arguments.what) / "card.md"
    if not card.is_file():
        raise InputError(
            "neither a scenario nor a made set",
            arguments.what,
            f"give a folder that 'ape bench make' wrote, or one of {', '.join(SCENARIOS)}",
        )
    text = card.read_text(encoding="utf-8")
    console.print(text)
    print_document({"set": arguments.what, "card": text})


def _gallery(arguments: argparse.Namespace) -> None:
    from ape.evals.timeanomalybench.gallery import write_gallery

    path = Path(arguments.out)
    if path.exists():
        raise InputError("the file exists already", str(path), "choose another --out")
    write_gallery(path, arguments.seed)
    console.print(f"gallery: {path}")
    print_document({"gallery": str(path)})
