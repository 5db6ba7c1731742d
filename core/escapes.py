"""Characters that a terminal would interpret are shown as escapes: names, texts and replies may contain any."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

# Control characters other than tab and line feed, marks and overrides of the direction of text, separators of lines,
# invisible tags, and halves of characters, which cannot be written at all.
INTERPRETED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def escaped(text: str) -> str:
    r"""Return a text in which such characters are written as ``\x1b`` or ``\u202e``.

    From DEL on, the form is that of JSON: a JSON document stays valid and keeps its meaning.
    """
    return INTERPRETED.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    if code < 0x7F:
        return f"\\x{code:02x}"
    if code > 0xFFFF:
        return "".join(f"\\u{half:04x}" for half in (0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)))
    return f"\\u{code:04x}"


class EscapingStream:
    """A stream of text that escapes what it writes.

    Parameters
    ----------
    stream : text stream
        Rich writes to it directly, since its colours are escape sequences; its consoles escape by themselves.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # the name that Rich looks for

    def write(self, text: str) -> int:
        """Write a text."""
        self.rich_proxied_file.write(escaped(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        self.write("".join(lines))

    def isatty(self) -> bool:
        """Return False, so that nobody writes colours, which would be escaped."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape what is written to the standard output and the standard error inside the block, tracebacks included."""
    before = sys.stdout, sys.stderr
    wrapped = tuple(cast(TextIO, EscapingStream(each)) for each in before)
    sys.stdout, sys.stderr = wrapped
    try:
        yield
    except Exception:  # its traceback is printed later
        raise
    except BaseException:
        _restore(wrapped, before)
        raise
    else:
        _restore(wrapped, before)


def _restore(wrapped: tuple[TextIO, ...], before: tuple[TextIO, TextIO]) -> None:
    if (sys.stdout, sys.stderr) == wrapped:
        sys.stdout, sys.stderr = before
