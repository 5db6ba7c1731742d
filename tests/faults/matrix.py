"""Every file of a run, every kind of damage, every command that reads a run: what a command must do."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faults.calls import Done, call
from faults.damage import ALL_DAMAGES, DAMAGES, DAMAGES_OF_FOLDERS
from faults.made_run import MadeRun
from support import short_training

CHANGES = ("run.json", "posttrain.json", "checksums.json")  # have run times, or both of two checksums
RESULTS = ("scores.csv", "events.csv", "events.json", "posttrain.json", "detector", "enhanced")


@dataclass(frozen=True)
class Command:
    """A command that reads a run folder.

    Parameters
    ----------
    words : callable
        Returns its arguments, given the run and a folder for its output.
    typed : str
        Standard input.
    makes : tuple of str
        Files and folders of the run that it makes again if need be; they are compared as well.
    slow : bool
        Whether it takes seconds.
    """

    words: Callable[[MadeRun, Path], list[object]]
    typed: str = ""
    makes: tuple[str, ...] = ()
    slow: bool = False


COMMANDS: dict[str, Command] = {
    "events": Command(lambda run, out: ["events", run.folder, "--json"]),
    "events at another rate": Command(lambda run, out: ["events", run.folder, "--alerts-per", "day=3", "--json"]),
    "bank show": Command(lambda run, out: ["bank", "show", run.folder, "--json"]),
    "trace": Command(lambda run, out: ["trace", run.folder, "--json"]),
    "why": Command(lambda run, out: ["trace", run.folder, "--why", run.rule, "--json"]),
    "trace page": Command(lambda run, out: ["trace", run.folder, "--html"]),
    "alerts": Command(lambda run, out: ["alerts", run.folder, "--json"]),
    "score": Command(lambda run, out: ["score", run.new, "--detector", run.folder, "--out", out, "--json"]),
    "watch": Command(
        lambda run, out: ["watch", run.folder, "--input", run.new, "--once", "--name", "other", "--json"], slow=True
    ),
    "chat": Command(
        lambda run, out: ["chat", "--resume", run.folder, "--json"], "show me the events\nquit\n", slow=True
    ),
    "save a rate": Command(lambda run, out: ["events", run.folder, "--alerts-per", "day=3", "--save"], slow=True),
    "fork": Command(
        lambda run, out: ["trace", run.folder, "--fork", "3", "--reject", run.rule, "--out", out / "forked"], slow=True
    ),
    "resume": Command(lambda run, out: ["run", "--resume", run.folder, "--json"], makes=RESULTS, slow=True),
}


@dataclass(frozen=True)
class Case:
    """A damage of a file, and a command that is called then."""

    file: str
    damage: str
    command: str

    def __str__(self) -> str:
        return f"{self.file}: {self.damage}: {self.command}"


def files_of(folder: Path) -> list[str]:
    """Return the files of a run folder that have content; of the artefacts one of each kind."""
    names = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    kinds: dict[tuple[Path, str], Path] = {}
    for path in names:
        kinds.setdefault((path.parent, path.suffix if path.parent.name == "artefacts" else path.name), path)
    return [path.relative_to(folder).as_posix() for path in kinds.values()]


def cases(folder: Path, commands: list[str], each: int) -> Iterator[Case]:
    """Yield ``each`` commands, in turn, for every file and folder and every kind of damage."""
    turns = itertools.cycle(commands)
    folders = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_dir()]
    pairs = itertools.product(files_of(folder), DAMAGES)
    for file, damage in itertools.chain(pairs, itertools.product(folders, DAMAGES_OF_FOLDERS)):
        for _ in range(each):
            yield Case(file, damage, next(turns))


def run_case(case: Case, source: MadeRun, clean: dict[str, str], place: Path) -> str:
    """Damage a copy of a run and call the command; return what is wrong, or an empty text.

    A command may refuse the file in one line, do the same as without the damage, or say that the bank was edited.
    """
    run = source.copy_into(place / "run")
    chance = random.Random(zlib.crc32(str(case).encode()))
    ALL_DAMAGES[case.damage](run.folder / case.file, chance)
    done = call_on(case.command, run, place)
    result = _result(case.command, run, place, done)
    if done.crash:
        return f"traceback: {done.crash.strip().splitlines()[-1][:200]}"
    if done.code == 2:
        lines = done.err.splitlines()
        one = [line for line in lines if line.startswith("ape: ") and not line.endswith("used as edited")]
        return "" if len(one) == 1 else f"{len(lines)} lines, code 2: {lines[:3]}"
    if done.code != 0:
        return f"exit code {done.code}: {done.err[:200]}"
    edited = case.file == "bank.json" and "was edited after the run" in done.err
    name, answer = Path(case.file).name, "".join((done.out + done.err).split())
    said = case.command in ("chat", "why") and name in answer  # a part of the answer says it
    if result == clean.get(case.command) or edited or said:
        return ""
    return "another result, without a word"


def call_on(name: str, run: MadeRun, place: Path) -> Done:
    """Call a command on a run, with short training."""
    command = COMMANDS[name]
    with short_training():
        return call(command.words(run, place / "out"), command.typed)


def clean_results(source: MadeRun, commands: list[str], place: Path) -> dict[str, str]:
    """Return what the commands do without damage."""
    clean = {}
    for name in commands:
        run = source.copy_into(place / "run")
        done = call_on(name, run, place)
        assert (done.code, done.crash) == (0, ""), (name, done.crash, done.err)
        clean[name] = _result(name, run, place, done)
    return clean


def _result(name: str, run: MadeRun, place: Path, done: Done) -> str:
    """Return what a command printed and made, as text that is the same for the same result."""
    makes = [run.folder / each for each in COMMANDS[name].makes] + [place / "out"]
    paths = [path for each in makes for path in ([each] if each.is_file() else sorted(each.rglob("*")))]
    made = [
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in paths
        if path.is_file() and path.suffix in (".csv", ".json", ".safetensors") and path.name not in CHANGES
    ]
    shutil.rmtree(place / "out", ignore_errors=True)
    return json.dumps([_document(done.out.replace(str(place), "PLACE")), made])


def _document(out: str) -> str:
    """Return the JSON document that a command printed; a console that another command made may print before it."""
    lines = out.splitlines()
    begin = next((number for number, line in enumerate(lines) if line in ("{", "[")), len(lines))
    return "\n".join(lines[begin:])
