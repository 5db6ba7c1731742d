"""End the process of a command by Ctrl-C or SIGTERM: at once, with one line.

Every file is written under a temporary name first, and every step is checkpointed, so nothing has to be brought to an
end before. Threads that compute are therefore not waited for. Worker processes end by themselves, see
`ape.core.processes`. Only the standard library is imported here, since the command calls it before anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}  # exit codes of the shell's convention
PATIENCE = 1.0  # seconds that the main thread has to react; it cannot while it is in compiled code
SHOW_CURSOR, PLAIN_PASTE = "\x1b[?25h", "\x1b[?2004l"  # progress bars hide the cursor; prompts mark what is pasted

_ending = threading.Lock()
_hint = ""
_terminal: list[object] = []  # the attributes of the terminal at the start; prompts change them


def end_on_signals() -> None:
    """Let Ctrl-C and SIGTERM end this process from now on. Call it in the main thread."""
    for number in CODES:
        signal.signal(number, end)
    if os.isatty(0):
        import termios

        _terminal[:] = termios.tcgetattr(0)
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(RuntimeError):  # no more threads are allowed: the main thread alone reacts
        threading.Thread(target=_watch, args=(read,), daemon=True).start()
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_leave_to_parent)


def say_at_end(hint: str) -> None:
    """Set what the line says that is printed when a signal ends this process: how to resume."""
    global _hint
    _hint = hint


def end(number: int, _frame: FrameType | None = None) -> None:
    """End this process because of a signal."""
    if not _ending.acquire(blocking=False):
        return
    temporaries = sys.modules.get("ape.core.temporaries")
    remove = getattr(temporaries, "remove_unfinished", None)
    if remove is not None:  # else nothing is written yet
        remove()
    cause = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    line = f"{_reset_terminal()}ape: stopped{cause}{_hint and f'; {_hint}'}\n"
    with contextlib.suppress(OSError):
        os.write(2, line.encode(errors="replace"))
    os._exit(CODES[signal.Signals(number)])


def _watch(pipe: int) -> None:
    """End the process when the main thread does not react to a signal that should end it."""
    while True:
        number = os.read(pipe, 1)[0]
        handler: object = signal.getsignal(number)
        if number in CODES and handler is end:  # other handlers have their own rules
            time.sleep(PATIENCE)
            end(number)


def _leave_to_parent() -> None:
    """In a process that was forked: Ctrl-C comes to all processes of a terminal, and the parent decides."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _reset_terminal() -> str:
    """Give the terminal its attributes of the start; return what has to be printed to it before a line."""
    if not os.isatty(2):
        return ""
    with contextlib.suppress(OSError):
        if _terminal and os.tcgetpgrp(0) == os.getpgrp():  # a background process would be stopped
            import termios

            termios.tcsetattr(0, termios.TCSANOW, _terminal)  # type: ignore[arg-type]
    return f"{SHOW_CURSOR}{PLAIN_PASTE}\n"
