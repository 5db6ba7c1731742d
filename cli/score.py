"""``ape score``: score a series, or many, with a saved detector, and list the events."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.batch import FILES as BATCH_FILES
from ape.cli.batch import SHOWN_SERIES, LiveTable, policy_of, read_all_events, require_all
from ape.cli.display import Display
from ape.cli.events import FILES, exit_code, print_worst_events, report_events, report_files
from ape.cli.options import load_series, read_options
from ape.cli.terminal import console, print_document, print_reading
from ape.core.errors import InputError
from ape.core.run_files import DETECTOR, ENHANCED, EVENTS_CSV, SCORES, detector_folder
from ape.detectors.inputs import require_window, required_by
from ape.runs.batch import ITEMS, write_failures
from ape.runs.batch_page import write_all_events
from ape.runs.changing import making
from ape.runs.folder import Request
from ape.runs.manifest import names_many, read_manifest
from ape.runs.scoring import RESULTS, Scoring, score_items, score_series

FOR_MANY = ("ray", "workers", "timeout", "retries")


def score(arguments: argparse.Namespace) -> int:
    """``ape score DATA --detector DIR --out DIR``."""
    folder = detector_folder(arguments.detector, ENHANCED, DETECTOR)
    scoring = Scoring(folder.resolve(), arguments.own, arguments.alerts_per)
    if why := scoring.no_events:
        if arguments.fail_on_events or arguments.alerts_per:
            option = "--fail-on-events" if arguments.fail_on_events else "--alerts-per"
            raise InputError(why, option, "leave out --own" if arguments.own else "train the detector again")
        console.print(f"{why}: events are not listed")
    if names_many(arguments.data, read_options(arguments)):
        return _score_many(arguments, scoring)
    return _score_one(arguments, scoring)


def _score_one(arguments: argparse.Namespace, scoring: Scoring) -> int:
    from ape import posttrain

    if given := [name for name in FOR_MANY if getattr(arguments, name) is not None]:
        raise InputError("one series is scored here", f"--{given[0]}", "leave it out, or give a folder or a manifest")
    detector = posttrain.load(scoring.folder)
    series = load_series(arguments, required_by(detector), scoring=True)
    print_reading(series, scoring=True)
    require_window(detector, series, arguments.data)
    out = Path(arguments.out)
    with making(out), Display(console) as display:
        if (out / SCORES).exists():
            raise InputError("it already exists", str(out / SCORES), "choose another --out")
        found = score_series(scoring, detector, series, out, display.progress)
    if found is None:
        print_document({"folder": arguments.out, "files": report_files(out, FILES)})
        return 0
    return report_events(arguments, out)


def _score_many(arguments: argparse.Namespace, scoring: Scoring) -> int:
    """Score each series into ``OUT/items/NAME``; the same call resumes, and retries what failed."""
    out = Path(arguments.out)
    defaults = Request("score", "", tuple(arguments.column or ()), reading=read_options(arguments))
    requests = read_manifest(arguments.data, defaults)
    workers, policy = arguments.workers or 2, policy_of(arguments)
    with making(out):
        with LiveTable(console, "scored", requests, out / RESULTS) as table:
            failed = score_items(requests, scoring, out, workers, arguments.ray, policy, table.on_done)
        folders = {name: out / ITEMS / name for name in requests if name not in failed}
        write_all_events(out / EVENTS_CSV, folders)
        write_failures(out, requests, failed)
    found = read_all_events(out, folders)
    print_worst_events(found, SHOWN_SERIES)
    files = report_files(out, BATCH_FILES)
    print_document({"series": list(requests), "failed": failed, "events": found, "files": files})
    require_all(requests, failed, out)
    return exit_code(arguments, any(document["events"] for document in found.values()))
