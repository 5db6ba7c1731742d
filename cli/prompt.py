"""Read the lines of a conversation: with editing and a history in a terminal, plainly from a pipe."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Protocol, TextIO, cast

from rich.console import Console
from rich.text import Text


class LineReader(Protocol):
    """Reads one line after the prompt ``mark``; an answer that is not worth remembering stays out of the history.

    Raises
    ------
    EOFError
        The input ends.
    KeyboardInterrupt
        The person presses Ctrl-C.
    """

    def __call__(self, mark: str, *, remember: bool = True) -> str:
        """Read a line."""


def line_reader(console: Console) -> LineReader:
    """Return how to read lines: from the terminal that ``console`` prints to, or from a pipe."""
    if console.is_terminal and sys.stdin.isatty():
        return _terminal_reader(console)
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")  # a byte that is not UTF-8 does not end the conversation

    def read(mark: str, *, remember: bool = True) -> str:
        try:
            line = console.input(mark)
        except EOFError:
            console.print()
            raise
        if not sys.stdin.isatty():
            console.print(Text(line))  # what comes from a pipe is not echoed
        return line

    return read


def history_path() -> Path:
    """Return the file of the messages that this user typed, in the state folder of the XDG specification."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ape" / "chat_history"


def _terminal_reader(console: Console) -> LineReader:
    from prompt_toolkit import PromptSession  # takes 0.1 s to import
    from prompt_toolkit.application import get_app
    from prompt_toolkit.history import DummyHistory, FileHistory, History
    from prompt_toolkit.output import create_output

    path = history_path()
    history: History
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # messages are private
        history = FileHistory(str(path))
    except OSError:  # a home folder that cannot be written
        history = DummyHistory()
    output = create_output(stdout=cast(TextIO, console.file))
    messages: PromptSession[str] = PromptSession(history=history, output=output, enable_suspend=True)
    answers: PromptSession[str] = PromptSession(history=DummyHistory(), output=output)

    def read(mark: str, *, remember: bool = True) -> str:
        pressed: list[int] = []  # Ctrl-C before the prompt is ready, which must not interrupt its set-up
        before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
        told = signal.set_wakeup_fd(-1)  # the event loop of the prompt takes its place

        def on_ready() -> None:
            if pressed:
                get_app().exit(exception=KeyboardInterrupt())

        try:
            return (messages if remember else answers).prompt(mark, pre_run=on_ready)
        finally:
            signal.set_wakeup_fd(told, warn_on_full_buffer=False)
            signal.signal(signal.SIGINT, before)

    return read
