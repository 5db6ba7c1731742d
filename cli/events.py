"""``ape events``: the events of a run as a table, also for another rate of false alarms."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ape.cli.terminal import console, print_document, print_table
from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.run_files import BANK, EVENTS_CSV, EVENTS_JSON, RECORD, REPORT, SCORES
from ape.monitor import read_events
from ape.monitor.event_files import NONE, event_file
from ape.monitor.reason import LIKELY, PERHAPS

EVENTS_FOUND = 3  # exit code
SHOWN = 10  # events at the end of a run
FILES = {
    REPORT: "report",
    EVENTS_CSV: "events",
    EVENTS_JSON: "events in detail",
    SCORES: "scores",
    BANK: "Rule Bank",
}
DAY = re.compile(r"\d{4,}-\d\d-\d\d ")
ZONE = re.compile(r"[+-]\d\d:\d\d$")
FULL_MINUTE = re.compile(r"\d{4,}-\d\d-\d\d \d\d:\d\d:00")
WHOLE_SERIES = (
    "no end of the training part is given: events are sought in the whole series, which the detector has learned"
)


def events(arguments: argparse.Namespace) -> int:
    """``ape events RUN``; with another rate, the saved detector scores the series again."""
    folder, rate = Path(arguments.run), arguments.alerts_per
    if rate is None and not arguments.save and (folder / EVENTS_JSON).is_file():
        document = read_events(folder)
    else:
        document = _found_again(folder, arguments)
    _print_events(document, folder, arguments.top)
    print_document({**document, "folder": str(folder), "events": document["events"][: arguments.top]})
    return exit_code(arguments, bool(document["events"]))


def _found_again(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Score the series of a run again; save what is found if requested."""
    from ape.runs import Run
    from ape.runs.rates import find_again, save_found

    if not (folder / RECORD).is_file():
        hint = "score the series again: ape score DATA --detector DIR --alerts-per PERIOD --out DIR"
        raise InputError("only the events of a run can be sought again", arguments.run, hint)
    run = Run.open(folder)
    console.print(f"scores {run.series.name} again")
    found = find_again(run, arguments.alerts_per)
    if arguments.save:
        save_found(run, found)
        console.print(f"saved in {folder}")
    document: dict[str, Any] = event_file(found).model_dump(mode="json")
    return document


def report_events(arguments: argparse.Namespace, folder: Path, **more: Any) -> int:
    """Print the events in a folder and where the files are, and return the exit code.

    Parameters
    ----------
    arguments : Namespace
        Of the command.
    folder : Path
        A run folder, or the folder that ``ape score`` writes. Runs that are not finished have no events.
    **more
        Further fields of the JSON document.
    """
    document = read_events(folder) if is_expected(folder / EVENTS_JSON) else {}
    if document:
        _print_events(document, folder, SHOWN)
    print_document({**more, **document, "folder": str(folder), "files": report_files(folder, FILES)})
    return exit_code(arguments, bool(document.get("events")))


def report_files(folder: Path, names: Mapping[str, str]) -> dict[str, str]:
    """Print where files are that exist, and return their paths by name; ``names`` says what they are."""
    files = {name: str(folder / name) for name in names if (folder / name).is_file()}
    for name, path in files.items():
        console.print(f"{names[name]}: {path}")
    return files


def exit_code(arguments: argparse.Namespace, found: bool) -> int:
    """Return the exit code of a command that has found events or not."""
    return EVENTS_FOUND if found and getattr(arguments, "fail_on_events", False) else 0


def _print_events(document: dict[str, Any], folder: Path, top: int) -> None:
    """Print the worst events of a document such as ``events.json`` as a table."""
    found = document["events"]
    count = f"{len(found) or 'no'} event{'s' * (len(found) != 1)}"
    console.print(f"{count}; accepted false alarms: {document['alerts']}")
    if document["train_end"] is None and (folder / RECORD).is_file():
        console.print(WHOLE_SERIES)
    if not found:
        return
    shown = found[:top]
    first, last, times = _times(shown)
    rows = [
        [str(event["rank"]), *when, event["expected_every"].replace("more than", ">"), _what(event)]
        for event, when in zip(shown, times, strict=True)
    ]
    print_table(["#", first, last, "by chance in", "what"], rows)
    if len(found) > top:
        console.print(f"and {len(found) - top} more")


def print_worst_events(found: dict[str, dict[str, Any]], top: int) -> None:
    """Print the worst event of each series as a table; ``found`` is in this order."""
    shown = {name: document["events"] for name, document in found.items() if document["events"]}
    if found:
        console.print(f"events in {len(shown)} of {len(found)} series" + (", the worst of each:" if shown else ""))
    if not shown:
        return
    names = list(shown)[:top]
    first, last, times = _times([shown[name][0] for name in names])
    rows = [
        [name, str(len(shown[name])), *when, _what(shown[name][0])] for name, when in zip(names, times, strict=True)
    ]
    print_table(["series", "events", first, last, "what"], rows)
    if len(shown) > top:
        console.print(f"and {len(shown) - top} more series")


def _what(event: dict[str, Any]) -> str:
    """Describe an event: its first channel, and the rule that it looks like."""
    first, *others = event["channels"]
    channel = f"{first['channel']} and {len(others)} more" if others else first["channel"]
    text = f"{channel}: {first['text']}" if first["text"] else channel
    if event["rule"] in (None, NONE) or event["rule_probability"] < PERHAPS:
        return text
    like = "like" if event["rule_probability"] >= LIKELY else "perhaps like"
    return f"{text}; {like} '{event['rule']}', {100 * event['rule_probability']:.0f} %"


def _times(found: list[dict[str, Any]]) -> tuple[str, str, list[tuple[str, str]]]:
    """Return the titles of two columns and, for each event, its first and last time as short as they are clear."""
    if any(event["start_time"] is None for event in found):
        return "from row", "to row", [(str(event["start"]), _end(event, str(event["end"] - 1))) for event in found]
    texts = [text for event in found for text in (event["start_time"], event["end_time"])]
    zones = {match[0] if (match := ZONE.search(text)) else "" for text in texts}
    zone = zones.pop() if len(zones) == 1 else ""
    texts = [text.removesuffix(zone) for text in texts]
    if all(FULL_MINUTE.fullmatch(text) for text in texts):
        texts = [text.removesuffix(":00") for text in texts]
    pairs = zip(found, texts[::2], texts[1::2], strict=True)
    times = [(first, _end(event, _later(first, last))) for event, first, last in pairs]
    return f"from ({zone})" if zone else "from", "to", times


def _later(first: str, last: str) -> str:
    """Return the time of the last point; its date only if it is another one than that of the first."""
    day = DAY.match(first)
    return last.removeprefix(day[0]) if day else last


def _end(event: dict[str, Any], text: str) -> str:
    return "ongoing" if event["ongoing"] else text
