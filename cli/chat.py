"""``ape chat``: explore a series with the guide, in the terminal. Pictures are files; some terminals also show them."""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Iterable
from pathlib import Path

from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from ape.cli.commands import request_of
from ape.cli.options import refuse_fixed_options
from ape.cli.terminal import print_document, print_reading, wrapping_console
from ape.runs.session import MAIN, Session
from ape.runs.updates import Update

LAST_WORDS = ("quit", "exit", "bye")  # end the conversation, like an empty line
INLINE_TERMINALS = ("iTerm.app", "WezTerm")  # they show pictures, by iTerm2's protocol

console = wrapping_console()


def chat(arguments: argparse.Namespace) -> None:
    """``ape chat DATA --out DIR`` or ``ape chat --resume DIR``; each line of input is a message."""
    session = _session(arguments)
    history = session.history()
    _print_updates(history)
    if arguments.thread == MAIN and not history:
        console.print(
            "Ask what the series does, say 'mine', or 'help'. 'quit' or an empty line ends; everything is stored."
        )
    while True:
        try:
            message = console.input("> ").strip()
        except EOFError:
            break
        if not message or message.lower() in LAST_WORDS:
            break
        if message.lower() == "branch":
            session = session.branch()
            console.print(
                f"now in {session.thread}; 'ape chat --resume {session.folder} --thread {MAIN}' opens the main thread"
            )
            continue
        _print_updates(session.say(message))
    thread = "" if session.thread == MAIN else f" --thread {session.thread}"
    console.print(f"resume with 'ape chat --resume {session.folder}{thread}'")
    said = [{"kind": update.kind, "text": update.text, "picture": update.picture} for update in session.history()]
    print_document({"run": str(session.folder), "thread": session.thread, "messages": said})


def _session(arguments: argparse.Namespace) -> Session:
    if arguments.resume is not None:
        refuse_fixed_options(arguments, "thread")
        return Session(Path(arguments.resume), arguments.thread)
    request = request_of(arguments, "chat")
    series = request.load()
    print_reading(series)
    return Session.create(Path(arguments.out or f"runs/chat-{series.name}"), request, series)


def _print_updates(updates: Iterable[Update]) -> None:
    """Print updates as they come; show the tokens of a reply until the complete reply replaces them."""
    reply = ""
    with Live(console=console, transient=True) as live:
        for update in updates:
            reply = reply + update.text if update.kind == "token" else ""
            live.update(Markdown(reply, hyperlinks=False))
            _print_update(update)


def _print_update(update: Update) -> None:
    if update.kind == "reply":
        console.print(Markdown(update.text, hyperlinks=False))
    elif update.kind == "person":
        console.print(Text(f"> {update.text}", style="bold"))
    elif update.kind == "question":
        console.print(Text(f"{update.text} (yes/no)", style="yellow"))
    elif update.kind in ("refused", "failed"):
        console.print(Text(update.text, style="red"))
    elif update.kind in ("tool_call", "progress"):  # tool results are not printed: the guide reports them
        console.print(Text(update.text, style="dim"), no_wrap=True, overflow="ellipsis")
    if update.picture is not None:
        _print_picture(update.picture)


def _print_picture(picture: Path) -> None:
    if console.is_terminal and os.environ.get("TERM_PROGRAM") in INLINE_TERMINALS:
        data = base64.b64encode(picture.read_bytes()).decode()
        console.file.write(f"\x1b]1337;File=inline=1;width=80%:{data}\a\n")
    console.print(Text(f"picture: {picture}", style="cyan"))
