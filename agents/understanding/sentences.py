"""Split texts and logs into sentences, and sentences into clauses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ape.agents.understanding.words import WORDS

# a sentence; a full stop inside a number, a name or an abbreviation does not end it
_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]*", re.DOTALL)
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|approx|ca|resp|incl|max|min|no|nos|nr|fig|vs|temp|press|etc|dept|dr|mr|st|cf|abb|bzw|z\.B)\.|(?-i:(?<=\s)[A-Z])\."
    r"|^\s*(?:\d{1,2}|[a-z])\.)\s*$",
    re.IGNORECASE,
)
# marks of a list item or a heading at the beginning of a sentence
_MARK = re.compile(r"^(?:\s*(?:[-*•>|+]|#{1,6}|\(?\d{1,2}[.)]|\(?[a-z]\)|\[[ xX]\])\s+)+")
# beginning of a list item, a heading, a dated line or a labelled line
_BLOCK_START = re.compile(r"\s*(?:[-*•#>\[|]|\(?\d{1,2}[.)]\s|\d{4}-\d\d-\d\d|\w{3} +\d+ \d\d:|[\w()\[\]]+(?::| =)\s)")
_HEADING = re.compile(r"^\s*#{1,6}\s|^\s*[A-Z][A-Z\s/&-]{5,}:?\s*$")
# words of headings that introduce what follows
_HEADING_WORDS = frozenset(WORDS["words"]["heading"])
WRAPPED_SHARE = 0.7  # of the longest line, from which a line may continue on the next one
LEAST_STOPS = 0.25  # full stops a line; a text with fewer has one statement a line
LONGEST_HEADING = 6  # words
# before a clause about something else, or about another way to fail
_CLAUSE = re.compile(
    r"\s*;\s+|,?\s+(?:or(?: else)?|but|while|whereas|yet|although)\s+|,\s+(?:and\s+)?"
    r"|\s+and\s+(?!(?:down|off|forth|on|again|more|out|then|less|over)\b)"
)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a text, joined into one line, and the number of its first line.

    Parameters
    ----------
    line : int
    text : str
        As it is written, without the marks of lists and headings.
    heading : bool
        Whether it introduces the sentences after it.
    """

    line: int
    text: str
    heading: bool = False


def sentences(lines: Iterable[tuple[int, str]]) -> list[Sentence]:
    """Split numbered lines into sentences, which may continue over wrapped lines.

    A sentence ends before a blank line, before a line that starts with a date, a bullet, a heading or a label, and
    after a line too short to be wrapped. In a text with hardly any full stops, each line is a sentence.
    """
    split = []
    for block in _blocks(list(lines)):
        text, starts = "", []
        for number, line in block:
            starts.append((len(text), number))
            text += line + " "
        for start, sentence in _sentences(text):
            line_number = max((begin, number) for begin, number in starts if begin <= start)[1]
            stripped = _MARK.sub("", sentence).strip(" |*_")
            if re.search(r"\w", stripped):
                split.append(Sentence(line_number, stripped, _is_heading(sentence)))
    return split


def clauses(text: str) -> list[str]:
    """Split a sentence at its conjunctions, semicolons and commas; the label before a colon goes with the first one."""
    label = re.match(r"[^:;]{1,80}: ", text)
    start = label.end() if label else 0
    parts = [part.strip(" ,;.") for part in _CLAUSE.split(text[start:])]
    return [part for part in [text[:start] + parts[0], *parts[1:]] if part]


def _sentences(text: str) -> list[tuple[int, str]]:
    """Sentences of a block, and where they start."""
    found: list[tuple[int, str]] = []
    held = ""
    for match in _SENTENCE.finditer(text):
        held += match[0]
        following = text[match.end() :].lstrip()
        if _ABBREVIATED.search(held) and following and not (following[0].isupper() and len(held.split()) > 3):
            continue
        if held.strip():
            start = match.end() - len(held)
            found.append((start + len(held) - len(held.lstrip()), held.strip()))
        held = ""
    return [*found, (len(text) - len(held), held.strip())] if held.strip() else found


def _is_heading(sentence: str) -> bool:
    if _HEADING.match(sentence):
        return True
    words = re.findall(r"[\w'-]+", _MARK.sub("", sentence).lower())
    if not words or len(words) > LONGEST_HEADING:
        return False
    generic = sum(word in _HEADING_WORDS for word in words) / len(words)
    return generic == 1 or sentence.rstrip().endswith(":")


def _blocks(lines: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Group lines that belong together because each but the last is wrapped."""
    filled = sum(bool(line.strip()) for _, line in lines)
    stops = sum(len(re.findall(r"[.!?](?:\s|$)", line)) for _, line in lines)
    if stops < LEAST_STOPS * filled:
        return [[(number, line.strip())] for number, line in lines]
    wrapped = WRAPPED_SHARE * max((len(line.rstrip()) for _, line in lines), default=0)
    blocks: list[list[tuple[int, str]]] = []
    last = ""
    for number, line in lines:
        continues = len(last) >= wrapped or (re.match(r"\s*[a-zß-ÿ]", line) is not None and last[-1:] not in ".!?:;")
        if not last.strip() or not continues or not line.strip() or _BLOCK_START.match(line) or not blocks:
            blocks.append([])
        blocks[-1].append((number, line.strip()))
        last = line.rstrip()
    return blocks
