"""The functions of the main commands; heavy imports wait until a command needs them."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ape.cli.display import Display
from ape.cli.options import load_series, read_options, refuse_fixed_options
from ape.cli.terminal import console, print_document, print_lines, print_reading
from ape.core.errors import InputError
from ape.core.run_files import (
    BANK,
    DETECTOR,
    ENHANCED,
    POSTTRAINING,
    TRAINING,
    detector_folder,
)
from ape.series import Requirements, Series

if TYPE_CHECKING:
    from ape.detectors import Detector
    from ape.posttrain import EnhancedDetector
    from ape.runs import Request, Run


def run(arguments: argparse.Namespace) -> int:
    """``ape run``: the whole run, new, resumed, or continued from an earlier one."""
    if arguments.resume is None and arguments.continue_from is None:
        if arguments.drop:
            raise InputError("there are no rules to drop yet", "--drop", "use it with --resume DIR")
        return _execute(_new_run(arguments, "run"), arguments)
    dropped = None
    if arguments.resume is not None:
        from ape.runs import Run

        refuse_fixed_options(arguments, "approve", "drop")
        dropped = arguments.drop or [] if arguments.approve or arguments.drop else None
        run = Run.open(Path(arguments.resume))
    else:
        from ape.cli.continuing import new_run

        run = new_run(arguments)
    print_reading(run.series)
    return _execute(run, arguments, dropped)


def mine(arguments: argparse.Namespace) -> int:
    """``ape mine``: the Rule Bank only."""
    return _execute(_new_run(arguments, "mine"), arguments)


def train(arguments: argparse.Namespace) -> None:
    """``ape train``: train a backbone into ``OUT/detector``, with its threshold; rerun after a kill to resume."""
    from ape.core.checkpoint import delete_checkpoint
    from ape.detectors.train_into_folder import train_into_folder
    from ape.runs.changing import making

    series = _load(arguments)
    with making(Path(arguments.out)):
        target = _new(arguments.out, DETECTOR, unless=TRAINING)
        with Display(console) as display:
            detector = train_into_folder(
                arguments.backbone, series, target, arguments.seed, display.progress, keep_checkpoint=True
            )
        document = _with_threshold(detector, series, arguments, target)
        delete_checkpoint(target.with_name(TRAINING))
    print_document(document)


def enhance(arguments: argparse.Namespace) -> None:
    """``ape enhance``: post-train a detector into ``OUT/enhanced`` with ``OUT/posttrain.json``; rerun to resume.

    If the result is not accepted, the folder contains the original detector and the report says why. The command
    succeeds all the same.
    """
    from ape import detectors, posttrain
    from ape.core.checkpoint import delete_checkpoint
    from ape.posttrain.steps import describe_outcome, post_train
    from ape.rules import RuleBank
    from ape.runs.changing import making

    detector = detectors.load(detector_folder(arguments.detector, DETECTOR))
    series = _load(arguments, detector.required)
    bank = RuleBank.load(_bank_path(arguments.bank))
    with making(Path(arguments.out)):
        target = _new(arguments.out, ENHANCED, unless=POSTTRAINING)
        with Display(console) as display:
            report = post_train(detector, bank, series, target, arguments.seed, display.progress, keep_checkpoint=True)
        console.print(describe_outcome(report))
        document = _with_threshold(posttrain.load(target), series, arguments, target)
        delete_checkpoint(target.with_name(POSTTRAINING))
    print_document({"kept": report["kept"], "reason": report["reason"], **document})


def _with_threshold(
    detector: Detector | EnhancedDetector, series: Series, arguments: argparse.Namespace, target: Path
) -> dict[str, Any]:
    """Save the threshold of a detector into its folder, and describe both."""
    from ape.monitor import threshold_for

    threshold = threshold_for(detector, series, arguments.alerts_per)
    threshold.save(target)
    console.print(f"threshold: score {threshold.level:.2f}; accepted false alarms: {threshold.rate}")
    console.print(f"detector: {target}")
    return {"detector": str(target), "threshold": threshold.level, "alerts": str(threshold.rate)}


def bank(arguments: argparse.Namespace) -> None:
    """``ape bank validate|show|schema``."""
    from ape.rules import RuleBank

    if arguments.action == "schema":
        print(json.dumps(RuleBank.model_json_schema(), indent=1))  # noqa: T201 (read by other programs)
        return
    path = _bank_path(arguments.bank)
    loaded = RuleBank.load(path)
    if arguments.action == "validate":
        benign = f" and {len(loaded.benign)} benign" if loaded.benign else ""
        console.print(f"{path}: valid, {len(loaded.rules)} rules{benign}")
        print_document({"bank": str(path), "rules": len(loaded.rules), "benign": len(loaded.benign)})
        return
    print_document(loaded.model_dump(mode="json"))
    print_lines([loaded.scenario, loaded.ended], 0)
    shares = loaded.shares()
    for rule in (*loaded.rules, *loaded.benign):
        figures = rule.history[-1].figures if rule.history else {}
        share = f"{shares[rule.id]:.0%} of incidents" if rule.id in shares else "must not alarm"
        console.print(f"{rule.id}: {rule.mechanism}, {rule.morphology}, {share}", style="bold")
        properties = {
            "program": " + ".join(step.operator for step in rule.program),
            "scale": f"{rule.scale.low:.3g} to {rule.scale.high:.3g} {rule.scale.unit}",
            "duration": f"{rule.duration.low:.3g} to {rule.duration.high:.3g} {rule.duration.unit}",
            "figures": ", ".join(f"{name} {value:.3g}" for name, value in figures.items()),
            "evidence": "; ".join(item.quote or item.id for item in rule.evidence),
        }
        print_lines((f"    {name:<9} {text}" for name, text in properties.items()), 14)


def detectors(arguments: argparse.Namespace) -> None:
    """``ape detectors list``."""
    from ape.detectors.detector import LONGEST, SHORTEST
    from ape.detectors.registry import BACKBONES

    window = f"one period of the series, {SHORTEST} to {LONGEST} samples by default; run time "
    document = []
    for name, backbone in BACKBONES.items():
        properties = {
            "own score": backbone.own_score,
            "channels": backbone.channels,
            "window": f"{window}{backbone.cost}",
            "scaling": "by training mean and deviation of each channel" + backbone.normalisation,
            "cannot see": backbone.blind_to,
        }
        document.append({"name": name, "paper": backbone.paper, **properties})
        print_lines([f"{name:<13} {backbone.paper}"], 14, "bold")
        print_lines((f"    {title:<11} {text}" for title, text in properties.items()), 16)
    print_document(document)


def warm_up(arguments: argparse.Namespace) -> None:
    """``ape warm-up``: compile the matrix profile once."""
    from ape.series.matrix_profile import warm_up as compile_once

    compile_once(console.print)
    print_document({"compiled": True})


def _load(arguments: argparse.Namespace, required: Requirements | None = None, *, scoring: bool = False) -> Series:
    series = load_series(arguments, required, scoring=scoring)
    print_reading(series, scoring=scoring)
    if not scoring and getattr(arguments, "alerts_per", None):
        from ape.monitor.threshold import level_for

        level_for(arguments.alerts_per, series.step, len(series.train))  # before hours of training
    return series


def request_of(arguments: argparse.Namespace, command: str) -> Request:
    """Return the request of a run; files and servers that cannot be used are refused before anything is written."""
    from ape.agents import open_brain
    from ape.runs import Request
    from ape.tools.logs import read_log
    from ape.tools.user_pictures import read_picture

    brain, images = open_brain(arguments.brain, seed=arguments.seed), tuple(arguments.image or ())
    for image in images:
        read_picture(Path(image))
    if arguments.log is not None:
        read_log(Path(arguments.log), None)
    given = ("train_end", "backbone", "approve")
    options = {name: getattr(arguments, name) for name in given if hasattr(arguments, name)}
    return Request(
        command=command,
        data=getattr(arguments, "data", None) or "",
        column=tuple(getattr(arguments, "column", None) or ()),
        text=_read_text(arguments.text),
        seed=arguments.seed,
        brain=brain.server or brain.name,
        model=brain.name if brain.server else None,
        image=images,
        log=arguments.log,
        reading=read_options(arguments),
        text_file=None if arguments.text is None else Path(arguments.text).name,
        alerts=getattr(arguments, "alerts_per", None),
        **options,
    )


def _read_text(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the text: {error}", path, "give a UTF-8 text file") from error


def _new(out: str, name: str, unless: str = "") -> Path:
    """Return ``OUT/name``. It must not exist unless a checkpoint beside it says that it is not finished."""
    target = Path(out) / name
    if target.exists() and not (unless and target.with_name(unless).exists()):
        raise InputError("it already exists", str(target), "choose another --out")
    return target


def _bank_path(given: str) -> Path:
    path = Path(given)
    return path / BANK if path.is_dir() else path


def _new_run(arguments: argparse.Namespace, command: str) -> Run:
    """Make the folder of a new run. The series is read and shown first: what follows imports for seconds."""
    series = load_series(arguments)
    print_reading(series)
    request = request_of(arguments, command)
    if request.text is not None:  # an example has a text of its own
        series = replace(series, text=request.text)
    from ape.runs import Run

    return Run.create(Path(arguments.out or f"runs/{series.name}"), request, series)


def _execute(run: Run, arguments: argparse.Namespace, dropped: list[str] | None = None) -> int:
    """Execute or resume a run with live progress, then print its outcome, its events and its files."""
    from ape.cli.bank_listing import print_bank
    from ape.cli.events import report_events
    from ape.posttrain.steps import describe_outcome
    from ape.runs import Callbacks, execute
    from ape.runs.continuing import continues, execute_continued

    with Display(console) as display:
        callbacks = Callbacks(display.listen, display.progress)
        if continues(run.folder):
            outcome = execute_continued(run, callbacks)
        else:
            outcome = execute(run, callbacks, dropped=dropped)
    print_bank(outcome.bank)
    if outcome.post_training:
        console.print(describe_outcome(outcome.post_training))
    code = report_events(arguments, run.folder, **outcome.post_training, awaits_approval=outcome.awaits_approval)
    if outcome.awaits_approval:
        console.print(
            f"the rules wait for approval: read them with 'ape bank show {run.folder}', then continue with"
            f" 'ape run --resume {run.folder} --approve', and --drop RULE for each rule to leave out"
        )
    return code
