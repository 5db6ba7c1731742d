"""``ape chat``: explore one scenario with the guide, in the terminal; pictures are files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from ape.cli.commands import mining_options
from ape.graphs.folder import Request
from ape.graphs.session import MAIN, Event, Session
from ape.series import InputError

PIPED = 160  # columns, where there is no terminal

console = Console(highlight=False, markup=False)
if not console.is_terminal:
    console.width = PIPED


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
            turn = sum(event.kind == "person" for event in session.history())
            session = session.branch(turn, f"branch-{len(session.threads())}")
            console.print(f"now in {session.thread}; 'ape chat --resume {session.folder} --thread {MAIN}' goes back")
            continue
        _tell(session.say(said))
    console.print(f"go on with 'ape chat --resume {session.folder}'")


def _session(arguments: argparse.Namespace) -> Session:
    if (arguments.data is None) == (arguments.resume is None):
        raise InputError("give DATA for a new conversation, or --resume DIR", "ape chat", "one of the two")
    if arguments.resume is not None:
        return Session(Path(arguments.resume), arguments.thread)
    request = Request(
        **mining_options(arguments),
        command="chat",
        data=arguments.data,
        column=tuple(arguments.column or ()),
        train_end=arguments.train_end,
        backbone=arguments.backbone,
        seed=arguments.seed,
    )
    series = request.load()
    return Session.begin(Path(arguments.out or f"runs/chat-{series.name}"), request, series)


def _tell(events: Iterable[Event]) -> None:
    for event in events:
        if event.kind == "said":
            console.print(Markdown(event.text, hyperlinks=False))
        elif event.kind == "person":
            console.print(Text(f"> {event.text}", style="bold"))
        elif event.kind == "asked":
            console.print(Text(f"{event.text} (yes/no)", style="yellow"))
        elif event.kind in ("refused", "failed"):
            console.print(Text(event.text, style="red"))
        elif event.kind != "found":  # the guide tells what was found
            console.print(Text(event.text, style="dim"))
        if event.picture is not None:
            console.print(Text(f"picture: {event.picture}", style="cyan"))
