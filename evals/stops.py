"""Stop commands at random moments: ``python -m ape.evals.stops DATA LONG MANY DETECTOR [STOPS] [COMMAND ...]``.

Each command is started in a process of its own and gets Ctrl-C or SIGTERM, once or twice: to all of its processes, as
from a terminal, or to the first process alone. It must end within five seconds, leave no process, and say one line; a
server and a watch, which end by a signal as they should, may say none. DATA is a series of which a run takes about half
a minute, LONG one that keeps compiled code busy, MANY a manifest, and DETECTOR a folder with a trained detector.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

LIMIT = 5.0  # seconds
PATIENCE = 150.0  # seconds, after which what is left is killed
EARLY = 0.5  # share of the stops within the first seconds, where the imports are
FIRST = 3.0  # seconds
SOONEST = 0.15  # seconds: before that Python itself starts, and cannot be told what to do with a signal
TWICE = 0.3  # seconds between two signals
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@dataclass(frozen=True)
class Stopped:
    """How a command ended that was stopped."""

    moment: float
    seconds: float  # until the last of its processes had ended
    code: int
    lines: tuple[str, ...]  # on standard error
    left: bool  # whether processes outlived the first one by more than a second

    def wrong(self, expected: int) -> str:
        """Return what is wrong; empty if nothing is."""
        found = {
            f"{self.seconds:.1f} s": self.seconds > LIMIT,
            f"code {self.code}": self.code not in (expected, 0),
            f"{len(self.lines)} lines: {' / '.join(self.lines)[:300]}": self.code != 0 and len(self.lines) != 1,
            "processes are left": self.left,
        }
        return ", ".join(text for text, holds in found.items() if holds)


def main() -> None:
    """Print each stop that went wrong, and a line for each command."""
    data, long, many, detector = sys.argv[1:5]
    stops = int(sys.argv[5]) if len(sys.argv) > 5 else 20
    commands = {
        "run": (["run", data, "--out", "OUT"], 25.0),
        "mine": (["mine", data, "--out", "OUT"], 12.0),
        "mine long": (["mine", long, "--out", "OUT"], 60.0),
        "batch": (["batch", many, "--out", "OUT"], 25.0),
        "enhance": (["batch", many, "--enhance", "--out", "OUT"], 60.0),
        "score": (["score", long, "--detector", detector, "--out", "OUT"], 8.0),
        "score many": (["score", many, "--detector", detector, "--out", "OUT"], 12.0),
        "bench": (["bench", "make", "--out", "OUT"], 12.0),
        "chat": (["chat", data, "--out", "OUT"], 15.0),
        "serve": (["serve", "--out", "OUT", "--port", "PORT"], 20.0),
        "api": (["api", detector, "--port", "PORT"], 12.0),
        "api of two": (["api", detector, "--port", "PORT", "--workers", "2"], 20.0),
        "watch": (["watch", "COPY", "--input", data, "--every", "4"], 20.0),
    }
    wrong = 0
    for name in sys.argv[6:] or commands:
        wrong += _stop_often(name, *commands[name], stops, Path(detector))
    sys.exit(1 if wrong else 0)


def _stop_often(name: str, words: list[str], usual: float, stops: int, detector: Path) -> int:
    chance, worst, wrong = random.Random(name), 0.0, 0
    for number in range(stops):
        kind = signal.SIGTERM if number % 4 == 3 else signal.SIGINT
        moment = chance.uniform(SOONEST, FIRST if number < EARLY * stops else usual)
        twice = TWICE if number % 3 == 2 else None
        with tempfile.TemporaryDirectory() as out:
            given = {"OUT": f"{out}/out", "COPY": f"{out}/copy", "PORT": str(_free_port())}
            if "COPY" in words:
                shutil.copytree(detector, given["COPY"])
            ended = stop([given.get(word, word) for word in words], moment, kind, number % 2 == 0, twice)
        worst = max(worst, ended.seconds)
        if why := ended.wrong(CODES[kind]):
            wrong += 1
            sent = f"{'twice' if twice else 'once'} {'to all' if number % 2 == 0 else 'to one'}"
            _say(f"  {name}, {kind.name} {sent} at {moment:.2f} s: {why}")
    _say(f"{name}: {stops} stops, {wrong} wrong, longest {worst:.1f} s")
    return wrong


def stop(words: list[str], moment: float, kind: signal.Signals, to_all: bool, again: float | None = None) -> Stopped:
    """Start a command, stop it at a moment (seconds), and wait until all of its processes have ended.

    ``again`` is when the signal is sent once more, in seconds after the first time.
    """
    command = [sys.executable, "-m", "ape.cli.main", *words]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if process.stdin is not None and words[0] == "chat":
        process.stdin.write("mine\n")
        process.stdin.flush()
    time.sleep(moment)
    begin = time.monotonic()
    for pause in (0.0, *([] if again is None else [again])):
        time.sleep(pause)
        if process.poll() is None:
            (os.killpg if to_all else os.kill)(process.pid, kind)
    code = _wait(process)
    first = last = time.monotonic()
    while (left := _of_session(process.pid)) and last - begin < PATIENCE:
        last = time.monotonic()  # when a process was seen: on a busy machine, to look for them takes long
        time.sleep(0.02)
    for each in left:
        os.kill(each, signal.SIGKILL)
    _, said = process.communicate()
    return Stopped(moment, last - begin, code, tuple(filter(None, said.splitlines())), last - first > 1 or bool(left))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _of_session(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
