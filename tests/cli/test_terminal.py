"""Tables stay readable at 80 columns and in a pipe, and JSON has no NaN."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from ape.cli import terminal

ROWS = [
    ["1", "2026-03-07 13:20", "level-jump in compressor_discharge_temperature, " + "as on every other day " * 4],
    ["2", "2026-03-08 01:00", "short"],
]


@pytest.fixture
def printed(monkeypatch):
    """Return a function that prints into a console of some width, which may be a terminal, and returns the lines."""

    def call(action, width: int, terminal_: bool) -> list[str]:
        file = io.StringIO()
        console = terminal.SafeConsole(
            file=file, width=width, force_terminal=terminal_, color_system=None, soft_wrap=True
        )
        monkeypatch.setattr(terminal, "console", console)
        monkeypatch.delenv("COLUMNS", raising=False)
        action()
        return file.getvalue().splitlines()

    return call


@pytest.mark.parametrize(("width", "is_terminal"), [(80, True), (60, True), (200, False)])
def test_tables_wrap_the_last_column_between_words(printed, width, is_terminal):
    lines = printed(lambda: terminal.print_table(["#", "from", "what"], ROWS), width, is_terminal)
    assert lines[0].split() == ["#", "from", "what"]
    assert max(map(len, lines)) <= min(width, 80)
    start = lines[0].index("what")
    assert {line[:start].strip() for line in lines[2:-1]} == {""}
    words = " ".join(line[start:] for line in lines[1:]).split()
    assert words == [*ROWS[0][2].split(), "short"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_sentences_below_rows_are_wrapped_and_data_have_no_escape_sequences(printed, is_terminal):
    hostile = "\x1b[31mred\x9b2J\u202e"

    def action():
        terminal.print_table(["id", "label"], [["a", hostile], ["b", ""]], ["word " * 40, hostile])
        terminal.console.print(Text(hostile, style="bold"), hostile)

    lines = printed(action, 80, is_terminal)
    assert lines[2].startswith("  word") and max(map(len, lines[:-1])) <= 80 and len(lines) == 8
    assert lines[-1] == " ".join(["\\x1b[31mred\\u009b2J\\u202e"] * 2) and all(line.isprintable() for line in lines)


@given(
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "P"]), min_size=1, max_size=90)), st.integers(1, 120)
)
def test_no_word_is_broken(words, width):
    lines = terminal.wrapped(" ".join(words), width, indent=4)
    assert " ".join(lines).split() == words
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)


def test_documents_have_no_nan(capsys):
    terminal.set_output(json=True, quiet=False)
    try:
        terminal.print_document({"a": float("nan"), "b": (1, float("inf")), 3: None})
    finally:
        terminal.set_output(json=False, quiet=False)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, None], "3": None}
