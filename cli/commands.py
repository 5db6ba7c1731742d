"""What each command does, as calls into the rooms below; heavy imports wait until a command needs them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ape.cli.display import Display
from ape.core.errors import InputError
from ape.series import Series

if TYPE_CHECKING:
    from ape.runs.folder import Request

PIPED = 200  # columns of what is laid out, where there is no terminal

console = Console(highlight=False, soft_wrap=True, markup=False)


def wide_console() -> Console:
    """For trees and running text, which wrap by themselves."""
    laid_out = Console(highlight=False, markup=False)
    if not laid_out.is_terminal:
        laid_out.width = PIPED
    return laid_out


def run(arguments: argparse.Namespace) -> None:
    """``ape run``: the main job, new or resumed."""
    from ape.runs.folder import create_folder, open_folder
    from ape.runs.run import Job, mine_step
    from ape.runs.run import run as run_job

    if (arguments.data is None) == (arguments.resume is None):
        raise InputError("give DATA for a new run, or --resume DIR", "ape run", "one of the two")
    if arguments.resume is not None:
        folder = Path(arguments.resume)
        request, series = open_folder(folder)
    else:
        from ape import detectors

        detectors.create(arguments.backbone)  # an unknown name is refused before anything is made
        request = request_of(arguments, "run")
        series = request.load()
        folder = create_folder(Path(arguments.out or f"runs/{series.name}"), request, series)
    _tell_series(series)
    with Display(console) as display:
        job = Job(folder, request, series, display.listen, display.progress)
        if request.command == "mine":
            mine_step(job)
        else:
            run_job(job)
    _tell_end(folder)


def mine(arguments: argparse.Namespace) -> None:
    """``ape mine``: the Rule Bank only."""
    from ape.runs.folder import create_folder
    from ape.runs.run import Job, mine_step

    request = request_of(arguments, "mine")
    series = request.load()
    folder = create_folder(Path(arguments.out), request, series)
    _tell_series(series)
    with Display(console) as display:
        mine_step(Job(folder, request, series, display.listen, display.progress))
    _tell_end(folder)


def train(arguments: argparse.Namespace) -> None:
    """``ape train``: the backbone only, into ``OUT/detector``; said again after a kill, it goes on."""
    from ape import detectors
    from ape.core.checkpoint import delete_checkpoint

    detector = detectors.create(arguments.backbone)
    series = _load(arguments)
    target = _new(arguments.out, "detector")
    checkpoint = target.with_name("training.safetensors")
    with Display(console) as display:
        detector.fit(series, arguments.seed, display.progress, checkpoint).save(target)
    delete_checkpoint(checkpoint)
    console.print(f"detector: {target}")


def enhance(arguments: argparse.Namespace) -> None:
    """``ape enhance``: post-train a detector, into ``OUT/enhanced`` with ``OUT/posttrain.json``.

    Said again after a kill, it goes on. Where the result is refused the original detector is what is left there, with
    the reason; that is no failure of the command.
    """
    from ape import detectors, posttrain
    from ape.core.checkpoint import delete_checkpoint
    from ape.core.files import write_json
    from ape.rules import RuleBank

    series = _load(arguments)
    detector = detectors.load(_detector_folder(arguments.detector, "detector"))
    bank = RuleBank.load(_bank_path(arguments.bank))
    target = _new(arguments.out, "enhanced")
    checkpoint = target.with_name("posttraining.safetensors")
    with Display(console) as display:
        result = posttrain.enhance(
            detector, bank, series, seed=arguments.seed, progress=display.progress, checkpoint=checkpoint
        )
    result.detector.save(target)
    write_json(Path(arguments.out) / "posttrain.json", result.report)
    delete_checkpoint(checkpoint)
    console.print(f"{'enhanced' if result.accepted else 'original kept'}: {result.report['reason']}")
    console.print(f"detector: {target}")


def score(arguments: argparse.Namespace) -> None:
    """``ape score``: scores of the whole series, into ``OUT/scores.csv``."""
    from ape import posttrain
    from ape.detectors.detector import WindowedDetector
    from ape.runs.run import channel_columns, write_scores

    series = _load(arguments)
    detector = posttrain.load(_detector_folder(arguments.detector, "enhanced", "detector"))
    target = _new(arguments.out, "scores.csv")
    if not arguments.own:
        scores = detector.score(series)
    elif isinstance(detector, WindowedDetector):
        scores = detector.score(series, own=True)
    else:
        raise InputError("an enhanced detector has one score", "--own", "give the folder of a plain detector")
    write_scores(target, series, {"score": scores} | channel_columns(detector, series, scores))
    console.print(f"scores: {target}")


def bank(arguments: argparse.Namespace) -> None:
    """``ape bank validate|show|schema``."""
    from ape.rules import RuleBank

    if arguments.look == "schema":
        print(json.dumps(RuleBank.model_json_schema(), indent=1))  # noqa: T201 (goes to other programs)
        return
    path = _bank_path(arguments.bank)
    loaded = RuleBank.load(path)
    if arguments.look == "validate":
        console.print(f"{path}: valid, {len(loaded.rules)} rules")
        return
    console.print(f"{loaded.scenario}\n{loaded.ended}")
    table = Table(show_lines=True)
    for heading in ("rule", "mechanism", "morphology", "program", "scale", "duration", "figures", "evidence"):
        table.add_column(heading, overflow="fold")
    for rule in loaded.rules:
        figures = rule.history[-1].figures if rule.history else {}
        table.add_row(
            f"{rule.id}\nweight {rule.weight:.2g}",
            rule.mechanism,
            rule.morphology,
            " + ".join(step.operator for step in rule.program),
            f"{rule.scale.low:.3g} to {rule.scale.high:.3g} {rule.scale.unit}",
            f"{rule.duration.low:.3g} to {rule.duration.high:.3g} {rule.duration.unit}",
            "\n".join(f"{name} {value:.3g}" for name, value in figures.items()),
            "\n".join(item.quote or item.id for item in rule.evidence),
        )
    console.print(table)


def detectors(arguments: argparse.Namespace) -> None:
    """``ape detectors list``."""
    from ape.detectors.detector import LONGEST, SHORTEST
    from ape.detectors.registry import BACKBONES

    window = f"one period of the series, {SHORTEST} to {LONGEST} samples by default; the time it takes is "
    for name, backbone in BACKBONES.items():
        console.print(f"{name:<13} {backbone.paper}", style="bold")
        told = {
            "own score": backbone.own_score,
            "channels": backbone.channels,
            "window": f"{window}{backbone.cost}",
            "scaling": "by training mean and deviation of each channel" + backbone.normalisation,
            "cannot see": backbone.blind_to,
        }
        for what, how in told.items():
            console.print(f"    {what:<11} {how}")


def warm_up(arguments: argparse.Namespace) -> None:
    """``ape warm-up``: compile the matrix profile once."""
    from ape.series.matrix_profile import warm_up as compile_once

    compile_once(console.print)


def _load(arguments: argparse.Namespace) -> Series:
    from ape.series import load

    series = load(arguments.data, column=arguments.column, train_end=arguments.train_end)
    _tell_series(series)
    return series


def request_of(arguments: argparse.Namespace, command: str) -> Request:
    """What was asked for, as a run folder keeps it; what cannot be used is refused before anything is made."""
    from ape.agents import open_brain
    from ape.runs.folder import Request
    from ape.tools.logs import read_log
    from ape.tools.user_pictures import read_picture

    brain, images = open_brain(arguments.brain, seed=arguments.seed), tuple(arguments.image or ())
    for image in images:
        read_picture(Path(image))
    if arguments.log is not None:
        read_log(Path(arguments.log), None)
    series = {name: getattr(arguments, name) for name in ("train_end", "backbone") if hasattr(arguments, name)}
    return Request(
        command=command,
        data=getattr(arguments, "data", None) or "",
        column=tuple(getattr(arguments, "column", None) or ()),
        text=_text(arguments.text),
        seed=arguments.seed,
        brain=brain.server or brain.name,
        model=brain.name if brain.server else None,
        image=images,
        log=arguments.log,
        **series,
    )


def _text(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the text: {error}", path, "give a UTF-8 text file") from error


def _new(out: str, name: str) -> Path:
    target = Path(out) / name
    if target.exists():
        raise InputError("it exists already", str(target), "choose another --out")
    return target


def _detector_folder(given: str, *names: str) -> Path:
    """The folder itself, or the first of these that it holds."""
    folder = Path(given)
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def _bank_path(given: str) -> Path:
    path = Path(given)
    return path / "bank.json" if path.is_dir() else path


def _tell_series(series: Series) -> None:
    shape = f"{series.length} points, {series.n_channels} channel{'s' * (series.n_channels > 1)}"
    normal = (
        f"the first {series.train_end} are taken as normal"
        if series.train_end is not None
        else "no train_end: the whole series is training data, guarded by the candidate filter"
    )
    console.print(f"series: {shape}; {normal}")
    for note in series.notes:
        console.print(f"  {note}")


def _tell_end(folder: Path) -> None:
    from ape.core.files import read_json

    if (folder / "posttrain.json").exists():
        report = read_json(folder / "posttrain.json", "post-training report")
        console.print(f"{'enhanced' if report['accepted'] else 'original kept'}: {report['reason']}")
    for name, what in (("bank.json", "Rule Bank"), ("report.html", "report"), ("scores.csv", "scores")):
        if (folder / name).exists():
            console.print(f"{what}: {folder / name}")
