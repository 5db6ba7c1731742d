"""Kill a watch again and again, and compare its events: ``python -m ape.evals.kills RUN FILE [KILLS] [EVERY]``.

``ape watch --once`` is started on a CSV file and killed (``kill -9``), or ended by Ctrl-C or SIGTERM: in turn when the
file of events has just grown, within a transaction (SQLite's journal is there), and at a random time. Before each start
the file gets its next rows. The last start runs to the end. Its file of events has to be, byte for byte, that of a
watch that nobody stopped. The run folder is copied first.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

NAME = "kills"
KINDS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
MOST_OPEN = 6  # transactions; the first ones are those of the start
SHORTER = 4  # times as long is a watch of all rows than one of a part, at least
LOOKS = 2e-4  # seconds between two looks at the files


def main() -> None:
    """Print each kill, and the comparison."""
    run, file = Path(sys.argv[1]), Path(sys.argv[2])
    kills, every = (int(sys.argv[k]) if len(sys.argv) > k else default for k, default in ((3, 20), (4, 16)))
    with tempfile.TemporaryDirectory() as place:
        quiet, killed = (Path(place) / name for name in ("quiet", "killed"))
        for folder in (quiet, killed):
            shutil.copytree(run, folder / "run", ignore=shutil.ignore_patterns("watch"))
        header, *rows = file.read_bytes().splitlines(keepends=True)
        (quiet / "rows.csv").write_bytes(file.read_bytes())
        (killed / "rows.csv").write_bytes(header)
        begin = time.monotonic()
        if _watch(quiet, every).wait() or not _records(quiet):
            sys.exit(f"no events: see 'ape watch {run} --input {file} --once'")
        usual = time.monotonic() - begin
        _say(f"undisturbed: {len(_records(quiet))} records, {usual:.0f} s")
        chance, counts = random.Random(0), Counter[str]()
        for number in range(kills):
            with (killed / "rows.csv").open("ab") as growing:
                growing.writelines(rows[number * len(rows) // kills : (number + 1) * len(rows) // kills])
            moment = ("after a record", "in a transaction", "at random")[number % 3]
            kind = KINDS[number // 3 % len(KINDS)]
            earliest, transactions = chance.uniform(0, usual / SHORTER), chance.randrange(1, MOST_OPEN)
            done = _killed(killed, every, moment, kind, earliest, transactions)
            counts[f"{kind.name} {moment}" if done else "had ended"] += 1
            _say(f"kill {number + 1}, {moment}: {len(_records(killed))} records so far")
        _watch(killed, every).wait()
        same = (quiet / "events.jsonl").read_bytes() == (killed / "events.jsonl").read_bytes()
        verdict = "the files of events are identical" if same else "THE FILES OF EVENTS DIFFER"
        _say(f"{dict(counts)}: {verdict}")
        sys.exit(0 if same else 1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _watch(folder: Path, every: int) -> subprocess.Popen[bytes]:
    """Start a watch in a process of its own."""
    words = ["watch", folder / "run", "--input", folder / "rows.csv", "--out", folder / "events.jsonl", "--once"]
    options = ["--name", NAME, "--every", str(every)]
    return subprocess.Popen(
        [sys.executable, "-m", "ape.cli.main", *map(str, words), *options], stderr=subprocess.DEVNULL
    )


def _killed(folder: Path, every: int, moment: str, kind: signal.Signals, earliest: float, transactions: int) -> bool:
    """Start a watch and send it a signal at a moment; return whether it came before the watch ended."""
    events, journal = folder / "events.jsonl", folder / "run" / "watch" / f"{NAME}.sqlite-journal"
    size = _size(events)
    earliest += time.monotonic()
    comes: dict[str, Callable[[], bool]] = {
        "at random": lambda: time.monotonic() > earliest,
        "in a transaction": lambda: opened >= transactions,
        "after a record": lambda: _size(events) != size,
    }
    opened, is_open = 0, False
    watch = _watch(folder, every)
    while watch.poll() is None and not comes[moment]():
        time.sleep(LOOKS)
        before, is_open = is_open, journal.exists()
        opened += is_open and not before
    runs = watch.poll() is None
    watch.send_signal(kind)
    watch.wait()
    return runs


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _records(folder: Path) -> list[str]:
    """Return the ids of the records that are complete."""
    path = folder / "events.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    return [f"{record['id']} {record['sequence']}" for record in map(json.loads, lines)]


if __name__ == "__main__":
    main()
