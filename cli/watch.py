"""``ape watch`` and ``ape alerts``: follow new rows, and what people say about the events."""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ape.cli.commands import detector_folder
from ape.cli.terminal import console, print_document, print_table
from ape.core.errors import InputError
from ape.core.files import folder_digest
from ape.core.run_files import DETECTOR, ENHANCED, RECORD

if TYPE_CHECKING:
    from ape.watch.store import Store

Done = TypeVar("Done")
IDENTITY = "watch"  # key of the input and the detector in the store
WEBHOOK = "APE_WEBHOOK"  # variable with the URL, which may hold a secret
UNNAMED = re.compile(r"[^\w.-]+")  # what the name of a watch cannot have


def watch(arguments: argparse.Namespace) -> int:
    """``ape watch RUN``: follow the input until it ends or a signal comes."""
    from ape import posttrain
    from ape.detectors.inputs import required_by
    from ape.monitor import Threshold
    from ape.runs.folder import Request, read_request
    from ape.series import Requirements
    from ape.series.reading.names import counted
    from ape.watch.describing import Describer
    from ape.watch.drift import DriftWatch
    from ape.watch.events import EventTracker
    from ape.watch.formats import kept_format
    from ape.watch.loop import Stop, Watch
    from ape.watch.metrics import Metrics
    from ape.watch.order import Order
    from ape.watch.parsing import Parser
    from ape.watch.pipes import NamedPipe
    from ape.watch.scorer import LiveScorer, usual_every
    from ape.watch.sinks import File, Sink, StandardOutput, Webhook
    from ape.watch.sources import open_source
    from ape.watch.state import SCORER, stored_states
    from ape.watch.store import Store, locked, store_path

    folder, name = Path(arguments.run), _name(arguments)
    of_detector = detector_folder(arguments.run, ENHANCED, DETECTOR)
    _refuse_own_output(arguments)
    detector, threshold = posttrain.load(of_detector), Threshold.load(of_detector)
    required = required_by(detector) or Requirements()
    request = read_request(folder) if (folder / RECORD).is_file() else Request("run", "")
    every = arguments.every or usual_every(required.step)
    path, metrics, stop = store_path(folder, name), Metrics(threshold.level), Stop()
    url = arguments.webhook or os.environ.get(WEBHOOK)
    with ExitStack() as stack:
        stack.enter_context(locked(path))
        store = stack.enter_context(Store(path))
        _require_same(store, arguments, of_detector)
        states = stored_states(store, detector)
        known = kept_format(folder, request, required) if states["parser"] is None else None
        scorer = LiveScorer(detector, threshold, every, store.get(SCORER))
        sinks: list[Sink] = []
        if arguments.out:
            sinks.append(File(Path(arguments.out)))
        elif not arguments.quiet:
            sinks.append(StandardOutput())
        watched = Watch(
            source=open_source(arguments.input, states["source"]),
            parser=Parser(required, request.reading, known, states["parser"], arguments.input),
            order=Order(required, states["order"]),
            scorer=scorer,
            tracker=EventTracker(name, threshold, Describer(scorer, request.text_file), states["tracker"]),
            store=store,
            sinks=sinks,
            webhook=None
            if not url
            else Webhook(
                url, path, path.with_suffix(".dead.jsonl"), _say, lambda how: metrics.webhook.labels(how).inc()
            ),
            metrics=metrics,
            say=_say,
            drift=DriftWatch(scorer, name, path.with_suffix(".drift.png"), states["drift"]),
        )
        if arguments.metrics is not None:
            _say(f"metrics at port {metrics.serve(arguments.metrics)}")
        begins = f"continues after {counted(scorer.known, 'row')}" if scorer.known else "starts"
        often = "scores every row" if every == 1 else f"scores every {every} rows"
        _say(f"{name}: {begins}; reports scores from {threshold.level:.2f} on; {often}")
        if isinstance(watched.source, NamedPipe) and not arguments.once:
            _say(f"{arguments.input} is a pipe: the watch waits for a program that writes rows to it")
        atexit.register(gc.freeze)  # otherwise Python collects garbage once more at its end, for seconds if it is busy
        stack.enter_context(stop.on_signals())
        watched.run(stop, once=arguments.once)
        end = "stopped" if stop else "ended"
        rows, events = counted(scorer.known, "row"), counted(store.count_events(), "event")
        _say(f"{name}: {end} after {rows} and {events}; state in {path}")
        if (undecided := watched.parser.undecided) is not None:
            _say(f"{name}: the last lines wait until more rows show how they are written: {undecided}")
    return 0


def alerts(arguments: argparse.Namespace) -> None:
    """``ape alerts RUN [ID]``: list the events of all watches of a run, or label one."""
    from ape.watch.store import Label, stores_of

    folder = Path(arguments.run)
    paths = stores_of(folder)
    if not paths:
        raise InputError("nothing was watched with it", arguments.run, "start 'ape watch RUN --input FILE'")
    label: Label | None = "false" if arguments.false else "acknowledged" if arguments.acknowledge else None
    if (arguments.event is None) != (label is None) and not arguments.note:
        raise InputError("give ID with --acknowledge or --false", "ape alerts", "ape alerts RUN lists the events")
    if arguments.note and label is None:
        raise InputError("a note belongs to a label", "--note", "add --acknowledge or --false")
    if label is None:
        found, unreadable = _each_store(paths, lambda store: store.alerts())
        if found or not unreadable:
            _print_alerts([alert for some in found for alert in some])
        _require_readable(unreadable)
        return

    def labelled(store: Store) -> bool:
        there = store.has(arguments.event)
        if there:
            store.label(arguments.event, label, arguments.note)
        return there

    done, unreadable = _each_store(paths, labelled)
    if not any(done):
        _require_readable(unreadable)
        raise InputError(f"no event '{arguments.event[:80]}'", arguments.run, f"see 'ape alerts {arguments.run}'")
    console.print(f"{arguments.event} is labelled: {label}")
    print_document({"id": arguments.event, "label": label, "note": arguments.note})


def _each_store(paths: list[Path], action: Callable[[Store], Done]) -> tuple[list[Done], list[InputError]]:
    """Return what an action returns for each watch, and the errors of those that cannot be read."""
    from ape.watch.store import Store

    done: list[Done] = []
    unreadable = []
    for path in paths:
        try:
            with Store(path) as store:
                done.append(action(store))
        except InputError as error:
            unreadable.append(error)
    return done, unreadable


def _require_readable(unreadable: list[InputError]) -> None:
    """Say which watches could not be read, after those that could."""
    if unreadable:
        first = unreadable[0]
        raise InputError(first.what, ", ".join(error.where for error in unreadable), first.hint)


def _print_alerts(found: list[Any]) -> None:
    """Print events as a table, the newest last."""
    rows = []
    for alert in found:
        record = alert.record
        begin = record["start_time"] or f"row {record['start']}"
        end = record["end_time"] or f"row {record['end'] - 1}"
        state = {"close": "over", "withdraw": "withdrawn", "drift": "drift"}.get(record["state"], "open")
        label = f"{alert.label}: {alert.note}" if alert.note else alert.label or ""
        rows.append([alert.id, begin, end, state, label])
    console.print(f"{len(found) or 'no'} event{'s' * (len(found) != 1)}")
    if rows:
        print_table(["id", "from", "to", "state", "label"], rows, [alert.record["reason"] for alert in found])
    print_document([{**alert.record, "label": alert.label, "note": alert.note} for alert in found])


def _say(text: str) -> None:
    with suppress(OSError, AttributeError):  # standard error is full, or closed
        sys.stderr.write(f"ape: {text}\n")
        sys.stderr.flush()


def _name(arguments: argparse.Namespace) -> str:
    """Return the name of the watch, for its files and the ids of its events."""
    given = arguments.name or ("stdin" if arguments.input == "-" else Path(arguments.input).resolve().stem)
    return UNNAMED.sub("-", given).strip("-.")[:60] or "watch"


def _refuse_own_output(arguments: argparse.Namespace) -> None:
    """Refuse to write events to where they would be read again."""
    if arguments.out is None:
        return
    out, given = Path(arguments.out).resolve(), Path(arguments.input).resolve()
    if arguments.input != "-" and given in (out, out.parent):
        raise InputError("the events would be read as rows", f"--out {arguments.out}", "write them elsewhere")


def _require_same(store: Store, arguments: argparse.Namespace, detector: Path) -> None:
    """Refuse to go on with another input or another detector than before."""
    from pydantic import TypeAdapter

    from ape.watch.state import SCORER
    from ape.watch.store import damaged

    where = arguments.input if arguments.input == "-" else str(Path(arguments.input).resolve())
    now = {"input": where, "detector": folder_digest(detector).hex()}
    stored = store.get(IDENTITY)
    if stored is None:
        if store.get(SCORER) is not None:
            raise damaged(store.path, f"'{IDENTITY}' is missing")
        store.put(IDENTITY, json.dumps(now).encode())
        return
    try:
        before = TypeAdapter(dict[Literal["input", "detector"], str]).validate_json(stored)
    except ValueError as error:
        raise damaged(store.path, IDENTITY) from error
    if set(before) != set(now):
        raise damaged(store.path, IDENTITY)
    hint = "give another --name to start from the beginning"
    if before["input"] != now["input"]:
        raise InputError(f"this watch follows {before['input']}", str(store.path), hint)
    if before["detector"] != now["detector"]:
        raise InputError("the detector has changed since the watch began", str(detector), hint)
