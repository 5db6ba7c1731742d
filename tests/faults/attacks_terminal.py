"""Names, texts, files and replies with characters that a terminal interprets: no command may print them as they are."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from faults.calls import call
from faults.made_run import ANOMALY, NEW, TRAINED
from odd_server import OddServer, body, calling, completion, odd_server, raw, say, wire
from support import short_training, unverified

# Sets the title, blinks, turns the direction, goes back, deletes; no command prints anything of it by itself.
HOSTILE = "\x1b]0;HACK\x07\x1b[5;6m\x9b7m\u202e\u2066\x08\x7f\x0b\x0c\u2028\u200eHACK\x1bP1\x1b\\"
NAME = HOSTILE.replace("/", "")  # of files; BYTES is no UTF-8
BYTES = os.fsdecode(b"\xff\xfe\x1b[5;6mHACK")
RAW = re.compile(
    r"\x1b[\]P\\]|\x1b\[5;6m|[\x00\x07\x08\x0b\x0c\x7f\x80-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Terminal(io.StringIO):
    """What Rich takes for a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def printed(words: Sequence[object], typed: str = "", terminal: bool = False) -> tuple[str, str]:
    """Call a command in a pipe or a terminal; return all that it printed, and its crash if it had one."""
    if not terminal:
        done = call(words, typed)
        return done.out + done.err, done.crash
    from ape.cli.main import main

    shown = Terminal()
    with (
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
        mock.patch.object(sys, "stdin", io.StringIO(typed)),
        mock.patch.dict(os.environ, {"TERM": "xterm-256color", "COLUMNS": "100"}),
    ):
        try:
            main([str(word) for word in words])
        except SystemExit:
            pass
        except Exception as error:
            return shown.getvalue(), repr(error)
    return shown.getvalue(), ""


def make_files(folder: Path) -> None:
    """Write hostile files; the run ``run`` is made of them, with short training, and watched."""
    folder.mkdir(exist_ok=True)
    at = np.arange(TRAINED + NEW)
    values = 50 + 5 * np.sin(2 * np.pi * at / 40) + 0.3 * np.random.default_rng(0).standard_normal(len(at))
    values[ANOMALY] += 15
    other = values[::-1] * 2
    header = f'time,"{NAME} load","b {NAME}"\n'.replace("\u2028", "").replace("\x0b", "").replace("\x0c", "")
    lines = [
        f"{k // 60:02d}:{k % 60:02d},{a:.2f},{b:.2f}\n" for k, (a, b) in enumerate(zip(values, other, strict=True))
    ]
    rows = [f"2026-03-{2 + k // 1440:02d} {lines[k % 1440][:5]}{lines[k][5:]}" for k in range(len(lines))]
    (folder / f"{NAME}.csv").write_text(header + "".join(rows))
    (folder / "new.csv").write_text(header + "".join(rows[TRAINED:]))
    (folder / "cells.csv").write_text(
        header + "".join(rows[:50]) + f'x{NAME},{NAME},"{NAME}"\n' * 3 + "".join(rows[50:90])
    )
    (folder / "text.csv").write_text(header + f'"{NAME}","{NAME}","{NAME}"\n' * 30)
    (folder / "long.csv").write_text("time,series,v\n" + "".join(f"{k},{NAME}{k % 2},{k % 7}\n" for k in range(400)))
    (folder / "unit.csv").write_text(f"time,v\n,{NAME}\n" + "".join(f"{k},{k % 7} {NAME}\n" for k in range(400)))
    (folder / f"{NAME}.txt").write_text(
        f"The load {NAME} sometimes sticks {NAME} for ten minutes.\n{NAME} drops {NAME}.\n"
    )
    (folder / "log.txt").write_text("".join(f"2026-03-02 {k:02d}:00:00 ERROR {NAME} pump {k}\n" for k in range(20)))
    (folder / f"{NAME}.json").write_text(json.dumps({NAME: NAME}))
    (folder / f"{NAME}.npz").write_bytes(b"PK\x03\x04" + NAME.encode())
    (folder / f"{NAME}.parquet").write_bytes(b"PAR1" + NAME.encode())
    Path(folder / f"{BYTES}.csv").write_bytes((header + "".join(rows[:300])).encode())
    (folder / "batch").mkdir(exist_ok=True)
    shutil.copy(folder / "text.csv", folder / "batch" / f"{NAME}.csv")
    shutil.copy(folder / "text.csv", folder / "batch" / f"{BYTES}.csv")
    (folder / "manifest.csv").write_text(f'path,{NAME}\n"{folder}/{NAME}",x\n')
    (folder / "words.toml").write_text(f'sets = ["{NAME.encode("unicode_escape").decode()}"]\n')


def commands(folder: Path) -> Iterator[tuple[str, list[object], str]]:
    """Yield names, words and typed input of commands on the hostile files; those that make the run come first."""
    data, text, run = folder / f"{NAME}.csv", folder / f"{NAME}.txt", folder / f"run {NAME}"
    yield "run", ["run", data, "--train-end", TRAINED, "--text", text, "--log", folder / "log.txt", "--out", run], ""
    said = f"what does {NAME} do?\nmine {NAME}\nshow me the events\nwhy {NAME}?\nhelp\nchange {NAME} to 5\nquit\n"
    yield "chat", ["chat", "--resume", run], said
    yield "watch", ["watch", run, "--input", folder / "new.csv", "--once", "--name", f"w{NAME}"], ""
    yield "watch cells", ["watch", run, "--input", folder / "cells.csv", "--once", "--name", "cells"], ""
    yield "watch text", ["watch", run, "--input", folder / "text.csv", "--once", "--name", "text"], ""
    yield "watch again", ["watch", run, "--input", folder / "cells.csv", "--once", "--name", f"w{NAME}"], ""
    for action in (["events", run], ["bank", "show", run], ["bank", "validate", run], ["trace", run], ["alerts", run]):
        yield " ".join(map(str, action[:-1])), action, ""
        yield " ".join(map(str, action[:-1])) + " as JSON", [*action, "--json"], ""
    for rule in ("RULE", NAME):
        yield f"why {rule}", ["trace", run, "--why", rule], ""
        yield f"spans of {rule}", ["trace", run, "--rule", rule, "--agent", rule], ""
        yield f"fork {rule}", ["trace", run, "--fork", "3", "--reject", rule, "--out", folder / f"fork {rule}"], ""
    yield "against", ["trace", run, "--against", run], ""
    yield "page of a trace", ["trace", run, "--html"], ""
    yield "alerts ID", ["alerts", run, NAME, "--false"], ""
    yield "label", ["alerts", run, "EVENT", "--acknowledge", "--note", NAME], ""
    yield "labels", ["alerts", run], ""
    yield "resume", ["run", "--resume", run], ""
    yield "approve", ["run", "--resume", run, "--approve", "--drop", NAME], ""
    yield "score", ["score", folder / "new.csv", "--detector", run, "--out", folder / f"scored {NAME}"], ""
    yield "scored", ["events", folder / f"scored {NAME}"], ""
    yield "score other", ["score", folder / "long.csv", "--detector", run, "--out", folder / "x"], ""
    yield "score bytes", ["score", folder / f"{BYTES}.csv", "--detector", run, "--out", folder / f"bytes {BYTES}"], ""
    yield "train", ["train", data, "--train-end", TRAINED, "--out", folder / f"detector {NAME}"], ""
    yield "mine", ["mine", data, "--text", text, "--out", folder / f"mined {BYTES}"], ""
    yield "batch", ["batch", folder / "batch", "--out", folder / f"batched {NAME}"], ""
    yield "batch again", ["batch", folder / "batch", "--out", folder / f"batched {NAME}"], ""
    yield "manifest", ["batch", folder / "manifest.csv", "--out", folder / "batched"], ""
    yield "export", ["export", run, "--out", folder / f"export {NAME}"], ""
    yield "export of no run", ["export", folder / NAME, "--out", folder / "e"], ""
    yield "api", ["api", run], ""
    yield "api of no run", ["api", folder / NAME], ""
    yield "token", ["api", run, "--token-file", folder / NAME], ""
    yield "eval", ["eval", "run", folder / "words.toml", "--out", folder / "evaluated"], ""
    yield "eval of no file", ["eval", "run", f"{NAME}.toml", "--out", folder / "evaluated"], ""
    yield "bench", ["bench", "describe", NAME], ""
    yield "supplement", ["bench", "supplement", data, "--out", folder / f"set {NAME}"], ""
    for name in (
        f"{NAME}.csv",
        "cells.csv",
        "text.csv",
        "long.csv",
        "unit.csv",
        f"{NAME}.npz",
        f"{NAME}.parquet",
        f"{BYTES}.csv",
    ):
        yield f"check {name}", ["check", folder / name], ""
        yield f"check {name} as JSON", ["check", folder / name, "--json"], ""
    for option in ("--column", "--time-format", "--timezone", "--series-column", "--missing", "--train-end"):
        yield f"check {option}", ["check", data, option, NAME], ""
        yield f"check {option}=", ["check", folder / "long.csv", f"{option}={NAME}={NAME}"], ""
    for action in ("run", "mine", "train", "check", "chat", "events", "alerts", "trace", "batch", "watch", "score"):
        yield (
            f"{action} of no file",
            [action, folder / f"no {NAME}", *(["--out", folder / "none"] if action != "check" else [])],
            "",
        )
    yield "an unknown command", [NAME], ""
    yield "an unknown option", ["run", f"--{NAME}"], ""
    yield "an unknown choice", ["run", data, "--backbone", NAME, "--alerts-per", NAME, "--seed", NAME], ""
    yield (
        "text that is none",
        ["mine", data, "--text", folder / f"{NAME}.npz", "--log", folder / NAME, "--out", folder / "none"],
        "",
    )
    for action in ("show", "validate"):
        yield f"bank {action}", ["bank", action, folder / f"{NAME}.json"], ""


def hostile_banks(bank: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield banks in which one text each is hostile."""
    content = json.loads(bank.read_text())

    def places(value: object, at: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
        if isinstance(value, str):
            yield at
        elif isinstance(value, dict | list):
            for key in value if isinstance(value, dict) else range(len(value)):
                yield from places(value[key], (*at, key))

    kinds = {tuple("*" if isinstance(key, int) else key for key in place): place for place in places(content)}
    for kind, place in kinds.items():
        changed = json.loads(bank.read_text())
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = f"{inner[place[-1]]}{HOSTILE}"
        path = folder / "hostile bank.json"
        path.write_text(json.dumps(changed))
        yield ".".join(map(str, kind)), path
    for key in content:
        changed = {(f"{name}{HOSTILE}" if name == key else name): value for name, value in content.items()}
        path = folder / "hostile bank.json"
        path.write_text(json.dumps(changed))
        yield f"name {key}", path


REPLIES = {
    "text": say(HOSTILE),
    "text with a picture": say(f"![x](http://127.0.0.1:1/{HOSTILE}) <b>{HOSTILE}</b>"),
    "a call of an unknown tool": calling({"id": HOSTILE, "type": "function", "function": {"name": HOSTILE,
    "arguments": HOSTILE}}),
    "an error": body({"error": {"message": HOSTILE, "code": HOSTILE, "type": HOSTILE}}, status=400),
    "an error that is retried": body({"error": {"message": HOSTILE, "code": HOSTILE}}, status=401),
    "HTML": raw(f"<html>{HOSTILE}</html>".encode(), kind=f"text/html; x={'HACK'}"),
    "no JSON": raw(HOSTILE.encode()),
    "another reason to finish": body(completion({"role": "assistant", "content": HOSTILE}, model=HOSTILE)),
    "a refusal": body(completion({"role": "assistant", "content": None, "refusal": HOSTILE})),
    "a status line": wire(b"HTTP/1.1 400 \x1b]0;HACK\x07\x1b[5;6mHACK\r\nContent-Length: 0\r\n\r\n"),
    "no HTTP": wire(HOSTILE.encode() * 20),
}  # fmt: skip


def with_servers(folder: Path, data: Path) -> Iterator[tuple[str, list[object], str]]:
    """Yield commands that ask a model server with hostile replies, while it runs."""
    for name, reply in REPLIES.items():
        with odd_server() as server:
            server.reply = reply
            yield f"mine: {name}", ["mine", data, "--brain", f"{server.url}/v1", "--out", folder / f"asked {name}"], ""
            yield (
                f"chat: {name}",
                ["chat", data, "--brain", f"{server.url}/v1", "--out", folder / f"chat {name}"],
                "hello\nquit\n",
            )
            yield f"brain: {name}", ["brain", "check", f"{server.url}/v1"], ""
    with odd_server() as server:
        server.models = _models
        yield "models", ["brain", "check", f"{server.url}/v1"], ""
        yield "mine: models", ["mine", data, "--brain", f"{server.url}/v1", "--out", folder / "asked for models"], ""
    for address in (f"http://127.0.0.1:1/{NAME}", f"{NAME}", f"http://{NAME}/v1", f"http://u:{NAME}@127.0.0.1:1/v1"):
        yield f"address {address!r}", ["brain", "check", address], ""
        yield f"mine: address {address!r}", ["mine", data, "--brain", address, "--out", folder / "asked nobody"], ""


def _models(sender: OddServer) -> None:
    body(
        {"object": HOSTILE, "data": [{"id": f"{HOSTILE}{k}", "object": "model", "owned_by": HOSTILE} for k in range(3)]}
    )(sender)


def attacks(folder: Path) -> Iterator[tuple[str, str]]:
    """Call all commands, each in a pipe and in a terminal; yield a name for each, and what is wrong."""
    make_files(folder)
    run = folder / f"run {NAME}"
    with short_training():
        for terminal in (False, True):
            where = "terminal" if terminal else "pipe"
            for part in (commands(folder), with_servers(folder, folder / "long.csv")):
                for name, words, typed in part:
                    yield f"{name} in a {where}", _wrong(*printed(_known(words, run), typed, terminal))
            for made in [path for path in folder.iterdir() if path.is_dir() and path.name != "batch"]:
                shutil.rmtree(made) if made != run else None
        bank = run / "bank.json"
        unverified(run)
        for what, path in hostile_banks(bank, folder):
            for words in (["bank", "show", path], ["bank", "validate", path], ["bank", "show", path, "--json"]):
                yield f"{what}: {words[1]}", _wrong(*printed(words))
            shutil.copy(path, bank)
            for words in (["bank", "show", run], ["trace", run], ["events", run]):
                yield f"{what}: {words[0]} of the run", _wrong(*printed(words, terminal=True))


def _known(words: list[object], run: Path) -> list[object]:
    """Put the first rule and the first event of the run in their places."""
    if "RULE" in words:
        rule = json.loads((run / "bank.json").read_text())["rules"][0]["id"]
        words = [rule if word == "RULE" else word for word in words]
    if "EVENT" in words:
        alerts = json.loads(call(["alerts", run, "--json"]).out)
        words = [alerts[0]["id"] if word == "EVENT" else word for word in words]
    return words


def _wrong(shown: str, crash: str) -> str:
    if crash:
        return f"crash: {crash.strip().splitlines()[-1][:300]}"
    found = RAW.search(shown)
    return "" if found is None else f"raw: {shown[max(0, found.start() - 60) : found.end() + 20]!r}"
