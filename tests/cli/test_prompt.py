"""``ape chat`` in a real terminal: editing, history, Ctrl-C at the prompt and during a step, quitting."""

from __future__ import annotations

import os
import re
import select
import shlex
import struct
import time

import pytest
from processes import start

fcntl = pytest.importorskip("fcntl")
pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")

UP, CTRL_C, CTRL_D, TO_START = "\x1b[A", "\x03", "\x04", "\x01"
STEP = ": "  # between an agent and what it does; the terminal may show the last step only
WAITS, READY = "\x1b[?2004h", "<ready>"  # what the terminal is sent when a line can be typed
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECONDS = 60


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *argv, home):
        self.main, self.follower = pty.openpty()
        fcntl.ioctl(self.follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = {"XDG_STATE_HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
        self.process = start(argv, os.ttyname(self.follower), environment)
        self.seen = ""

    def type(self, text):
        os.write(self.main, text.encode())

    def wait_for(self, text):
        """Wait until the terminal shows a text, and forget what it showed before."""
        ends = time.monotonic() + SECONDS
        while text not in self.seen:
            assert time.monotonic() < ends, f"no {text!r} in {self.seen[-9000:]!r}"
            self.read()
        before, _, self.seen = self.seen.partition(text)
        return before

    def ended(self):
        """Wait until the command ends; return its exit code and the rest of its output."""
        ends = time.monotonic() + SECONDS
        while self.read() and time.monotonic() < ends:
            pass
        self.process.join(SECONDS)
        return self.process.exitcode, self.seen

    def read(self):
        """Take what comes within 0.1 s; return whether more may come."""
        running = self.process.exitcode is None
        if not select.select([self.main], [], [], 0.1)[0]:
            return running
        self.seen += CONTROL.sub("", os.read(self.main, 65536).decode(errors="replace").replace(WAITS, READY))
        return True

    def close(self):
        """Kill the command if it still runs."""
        self.process.kill()
        self.process.join()
        os.close(self.main)
        os.close(self.follower)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def open_(*argv):
        opened.append(Terminal(*argv, home=tmp_path / "home"))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.mark.extended
def test_lines_are_edited_and_remembered_and_the_resume_line_works(terminal, data, tmp_path):
    folder = tmp_path / "my chat"
    first = terminal("chat", data, "--out", folder)
    first.wait_for(READY)
    first.type("lp" + TO_START + "he\r")
    first.wait_for("In your own words")
    first.wait_for(READY)
    first.type("mine\r")
    first.wait_for("yes or no>")
    first.type("no\r")
    first.wait_for("Cancelled")
    first.wait_for(READY)
    first.type("half a li" + CTRL_C)
    first.wait_for("Ctrl-C again")
    first.type("bye\r")
    code, rest = first.ended()
    line = rest.splitlines()[-1]
    assert code == 0 and line == f"resume with: ape chat --resume {shlex.quote(str(folder))}"
    second = terminal(*shlex.split(line.partition("ape ")[2]))
    second.wait_for("Cancelled")
    second.wait_for(READY)
    second.type(UP + UP + UP + "\r")  # bye, mine, help; but neither the answer nor the cancelled line
    second.wait_for("In your own words")
    second.wait_for(READY)
    second.type(CTRL_D)
    assert second.ended()[0] == 0
    (history,) = (tmp_path / "home").rglob("chat_history")
    assert history.stat().st_mode & 0o077 == 0


@pytest.mark.extended
def test_ctrl_c_stops_a_step_and_twice_ends(terminal, data, tmp_path):
    opened = terminal("chat", data, "--out", tmp_path / "chat")
    opened.wait_for(READY)
    opened.type("mine\r")
    opened.wait_for("yes or no>")
    opened.type("y\r")
    opened.wait_for(STEP)
    opened.type(CTRL_C)
    opened.wait_for("Stopped. What was not finished")
    opened.wait_for(READY)
    opened.type(CTRL_C)
    opened.wait_for("Ctrl-C again")
    opened.wait_for(READY)
    opened.type(CTRL_C)
    code, rest = opened.ended()
    assert code == 130 and "resume with: ape chat" in rest and "Traceback" not in rest, rest


@pytest.mark.extended
def test_a_second_ctrl_c_during_a_step_ends_at_once(terminal, data, tmp_path):
    opened = terminal("chat", data, "--out", tmp_path / "chat")
    opened.wait_for(READY)
    opened.type("mine\r")
    opened.wait_for("yes or no>")
    opened.type("yes\r")
    opened.wait_for(STEP)
    opened.type(CTRL_C)
    opened.wait_for("Stopping")
    while opened.process.exitcode is None:  # the step may have stopped before the second one
        opened.type(CTRL_C)
        again = time.monotonic() + 1  # at each one the terminal forgets what it has not shown yet
        while opened.process.exitcode is None and time.monotonic() < again:
            opened.read()
    code, rest = opened.ended()
    assert code == 130 and "resume with: ape chat" in rest and "Traceback" not in rest, rest
