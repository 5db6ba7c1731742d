"""``ape chat``: explore a series with the guide, in the terminal. Pictures are files; some terminals also show them."""

from __future__ import annotations

import argparse
import base64
import os
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from ape.cli.commands import request_of
from ape.cli.ending import CODES, end, say_at_end
from ape.cli.options import refuse_fixed_options
from ape.cli.prompt import line_reader
from ape.cli.terminal import print_document, print_reading, wrapping_console
from ape.core.errors import InputError
from ape.core.escapes import escaped
from ape.runs.session import MAIN, Session
from ape.runs.updates import Update

LAST_WORDS = ("quit", "exit", "bye", "goodbye", "q", ":q")  # end the conversation
INTERRUPTED = CODES[signal.SIGINT]
INLINE_TERMINALS = ("iTerm.app", "WezTerm")  # they show pictures, by iTerm2's protocol

console = wrapping_console()


def chat(arguments: argparse.Namespace) -> int:
    """``ape chat DATA --out DIR`` or ``ape chat --resume DIR``; each line of input is a message.

    Returns
    -------
    int
        Exit code: 130 if Ctrl-C ended the conversation.
    """
    session = _session(arguments)
    say_at_end(escaped(_resume_line(session)))
    history = session.history()
    asks = _print_updates(history)
    if session.thread == MAIN and not history:
        console.print("Ask what the series does, say 'mine', or 'help'. 'quit' ends; everything is stored.")
    try:
        session, interrupted = _converse(session, asks)
    except KeyboardInterrupt:  # between two messages
        interrupted = True
    _print_resume_line(session)
    if interrupted:
        return INTERRUPTED
    said = [{"kind": update.kind, "text": update.text, "picture": update.picture} for update in session.history()]
    print_document({"run": str(session.folder), "thread": session.thread, "messages": said})
    return 0


def _converse(session: Session, asks: bool) -> tuple[Session, bool]:
    """Read and answer messages until the person ends; return the last thread, and whether Ctrl-C ended it."""
    read, interrupted = line_reader(console), False
    while True:
        try:
            message = read("yes or no> " if asks else "> ", remember=not asks).strip()
        except EOFError:
            return session, False
        except KeyboardInterrupt:
            if interrupted or not sys.stdin.isatty():
                return session, True
            interrupted = True
            console.print("Ctrl-C again ends the conversation, like 'quit'.", style="dim")
            continue
        interrupted = False
        word = message.lower().strip("/ .!()")
        if word in LAST_WORDS:
            return session, False
        if word == "branch" and not asks:
            session = _branch(session)
        elif message:
            with _stopped_by_ctrl_c(session):
                asks = _print_updates(session.say(_clean(message)), asks)


def _branch(session: Session) -> Session:
    try:
        branch = session.branch()
    except InputError as error:
        console.print(Text(str(error), style="red"))
        return session
    say_at_end(escaped(_resume_line(branch)))
    console.print(f"Now in {branch.thread}. The main thread stays as it is:")
    _print_resume_line(Session(session.folder))
    return branch


@contextmanager
def _stopped_by_ctrl_c(session: Session) -> Iterator[None]:
    """While a turn runs, let Ctrl-C stop it; a second one ends the command at once, since everything is stored."""
    presses = 0

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            session.stop()
            with suppress(OSError):  # the console may be printing, and cannot be entered twice
                os.write(console.file.fileno(), b"\nStopping at the next step; Ctrl-C again ends the conversation.\n")
            return
        end(signal.SIGINT)  # a step that does not report would keep the process

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print_resume_line(session: Session) -> None:
    console.print(_resume_line(session), soft_wrap=True)


def _resume_line(session: Session) -> str:
    """Return the command that opens a thread again, as it has to be typed."""
    words = ["ape", "chat", "--resume", str(session.folder)]
    words += [] if session.thread == MAIN else ["--thread", session.thread]
    return f"resume with: {shlex.join(words)}"


def _clean(message: str) -> str:
    """Return a message without the halves of characters that a terminal of another encoding may send."""
    return message.encode("utf-8", "replace").decode()


def _session(arguments: argparse.Namespace) -> Session:
    if arguments.resume is not None:
        refuse_fixed_options(arguments, "thread")
        return Session(Path(arguments.resume), arguments.thread)
    request = request_of(arguments, "chat")
    series = request.load()
    print_reading(series)
    return Session.create(Path(arguments.out or f"runs/chat-{series.name}"), request, series)


def _print_updates(updates: Iterable[Update], asks: bool = False) -> bool:
    """Print updates as they come; return whether a question waits, where ``asks`` says whether one did before.

    A terminal shows the step that runs, and the tokens of a reply, until what follows replaces them.
    """
    reply = ""
    with Live(console=console, transient=True) as live:
        for update in updates:
            reply = reply + update.text if update.kind == "token" else ""
            if update.kind == "progress" and console.is_terminal:
                live.update(Text(update.text, style="dim", no_wrap=True, overflow="ellipsis"))
                continue
            live.update(Markdown(reply, hyperlinks=False))
            _print_update(update)
            if update.kind != "refused":
                asks = update.kind == "question"
    return asks


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
    console.print(Text(f"picture: {picture}", style="cyan"), soft_wrap=True)
