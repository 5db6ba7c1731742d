"""``ape chat``: explore one scenario with the guide, in the terminal; pictures are files, and drawn where it can."""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Iterable
from pathlib import Path

from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from ape.cli.commands import request_of, wide_console
from ape.core.errors import InputError
from ape.runs.session import MAIN, Event, Session

DRAWING = ("iTerm.app", "WezTerm")

console = wide_console()


def chat(arguments: argparse.Namespace) -> None:
    """``ape chat DATA --out DIR``, ``ape chat --resume DIR``; each line is one thing said, from a pipe as well."""
    session = _session(arguments)
    _tell(session.history())
    if arguments.thread == MAIN and not session.history():
        console.print("Ask what the series does, say 'mine', or 'help'. An empty line or Ctrl-D ends; all is kept.")
    while True:
        try:
            said = console.input("> ")
        except EOFError:
            break
        if not said.strip():
            break
        if said.strip().lower() == "branch":
            session = session.branch()
            console.print(f"now in {session.thread}; 'ape chat --resume {session.folder} --thread {MAIN}' goes back")
            continue
        _tell(session.say(said))
    console.print(f"go on with 'ape chat --resume {session.folder}'")


def _session(arguments: argparse.Namespace) -> Session:
    if (arguments.data is None) == (arguments.resume is None):
        raise InputError("give DATA for a new conversation, or --resume DIR", "ape chat", "one of the two")
    if arguments.resume is not None:
        return Session(Path(arguments.resume), arguments.thread)
    request = request_of(arguments, "chat")
    series = request.load()
    return Session.begin(Path(arguments.out or f"runs/chat-{series.name}"), request, series)


def _tell(events: Iterable[Event]) -> None:
    saying = ""
    with Live(console=console, transient=True) as under_way:
        for event in events:
            saying = saying + event.text if event.kind == "saying" else ""
            under_way.update(Markdown(saying, hyperlinks=False))
            _print(event)


def _print(event: Event) -> None:
    if event.kind == "said":
        console.print(Markdown(event.text, hyperlinks=False))
    elif event.kind == "person":
        console.print(Text(f"> {event.text}", style="bold"))
    elif event.kind == "asked":
        console.print(Text(f"{event.text} (yes/no)", style="yellow"))
    elif event.kind in ("refused", "failed"):
        console.print(Text(event.text, style="red"))
    elif event.kind in ("called", "progress"):  # what was found the guide tells
        console.print(Text(event.text, style="dim"), no_wrap=True, overflow="ellipsis")
    if event.picture is not None:
        _show(event.picture)


def _show(picture: Path) -> None:
    """Where a picture lies, and the picture itself where the terminal draws it, by iTerm2's protocol."""
    if console.is_terminal and os.environ.get("TERM_PROGRAM") in DRAWING:
        data = base64.b64encode(picture.read_bytes()).decode()
        console.file.write(f"\x1b]1337;File=inline=1;width=80%:{data}\a\n")
    console.print(Text(f"picture: {picture}", style="cyan"))
