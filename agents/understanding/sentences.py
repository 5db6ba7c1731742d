"""Split texts and logs into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# a sentence; a full stop inside a number or a name does not end it
_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]*", re.DOTALL)
# beginning of a list item, a heading, a dated line or a labelled line
_BLOCK_START = re.compile(r"\s*(?:[-*#>\[]|\d{4}-\d\d-\d\d|\w{3} +\d+ \d\d:|\w+:\s)")
WRAPPED_SHARE = 0.7  # of the longest line, from which a line may continue on the next one


@dataclass(frozen=True)
class Sentence:
    """A sentence of a text, joined into one line, and the number of its first line."""

    line: int
    text: str


def sentences(lines: Iterable[tuple[int, str]]) -> list[Sentence]:
    """Split numbered lines into sentences, which may continue over wrapped lines.

    A sentence ends before a blank line, before a line that starts with a date, a bullet, a heading or a label, and
    after a line too short to be wrapped.
    """
    split = []
    for block in _blocks(list(lines)):
        text, starts = "", []
        for number, line in block:
            starts.append((len(text), number))
            text += line + " "
        for match in _SENTENCE.finditer(text):
            if match[0].strip():
                first = len(match[0]) - len(match[0].lstrip()) + match.start()
                line_number = max((start, number) for start, number in starts if start <= first)[1]
                split.append(Sentence(line_number, match[0].strip()))
    return split


def _blocks(lines: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Group lines that belong together because each but the last is wrapped."""
    wrapped = WRAPPED_SHARE * max((len(line.rstrip()) for _, line in lines), default=0)
    blocks: list[list[tuple[int, str]]] = []
    last = ""
    for number, line in lines:
        starts_block = len(last) < wrapped or not line.strip() or _BLOCK_START.match(line)
        if starts_block or not blocks:
            blocks.append([])
        blocks[-1].append((number, line.strip()))
        last = line.rstrip()
    return blocks
