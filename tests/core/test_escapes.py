"""What a terminal would interpret is shown as escapes."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.core.escapes import EscapingStream, escaped, escaped_output

RAW = [
    *("\x1b[2J", "\x1b]52;c;aGk=\x07", "\x1b]8;;http://x.example\x1b\\", "\x9b31m", "\x9d0;t\x9c"),
    *("\u202eabc", "\u2066", "\r", "\x08"),
]


@pytest.mark.parametrize("text", RAW)
def test_sequences_are_shown(text):
    shown = escaped(f"a{text}b")
    assert shown.isprintable() and shown.startswith("a\\") and escaped(shown) == shown


@given(st.text())
def test_nothing_of_them_is_left_and_all_else_stays(text):
    shown = escaped(text)
    shown.encode()  # no half of a character
    for character in shown:
        assert character in "\t\n" or not (ord(character) < 32 or 127 <= ord(character) < 160)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029")
    kept = "".join(c for c in text if escaped(c) == c)
    assert kept == kept.replace("\x1b", "") and escaped(kept) == kept
    assert escaped("Grüße, 温度 😀\tµ\n") == "Grüße, 温度 😀\tµ\n"


@given(st.text())
def test_a_json_document_keeps_its_meaning(text):
    assert json.loads(escaped(json.dumps({"name": text}, ensure_ascii=False))) == {"name": text}


def test_all_that_is_written_inside_the_block_is_escaped(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with escaped_output():
        print("a\x1b[2J")  # noqa: T201
        sys.stderr.writelines(["b\x9b", "\n"])
        assert not sys.stdout.isatty() and sys.stdout.rich_proxied_file is out
    assert (sys.stdout, sys.stderr) == (out, err)
    assert (out.getvalue(), err.getvalue()) == ("a\\x1b[2J\n", "b\\u009b\n")
    with pytest.raises(ValueError, match="later"), escaped_output():
        raise ValueError("later")
    assert isinstance(sys.stderr, EscapingStream)  # for the traceback
