"""What the words of manuals and logs say of failures: mechanism, morphology, level, length, size and channels."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ape.agents.expert.quantities import changes, durations
from ape.agents.records import Hint
from ape.rules import OPERATORS
from ape.rules.schema import Range, Tercile

_PASSAGE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]*", re.DOTALL)
_BEGINS = re.compile(r"\s*(?:[-*#>\[]|\d{4}-\d\d-\d\d|\w{3} +\d+ \d\d:|\w+:\s)")
_CLAUSE = re.compile(r"[;,:]| and | but | while | though | yet | whereas ")
_BEFORE = re.compile(
    r"\b(?:no|not|never|without|free of|hardly|rarely|isn't|doesn't|don't)\b(?! longer)(?: \w+){0,3} ?$", re.IGNORECASE
)
_HARMLESS = re.compile(
    r"\b(?:(?:is|are|all) (?:normal|expected|harmless|routine|weather)|no failures?\b|not a (?:fault|failure)|excluded|"
    r"ruled out|as (?:expected|usual|planned)|by order of|on purpose|test signal|not affected|announced)",
    re.IGNORECASE,
)
_UNMOVED = re.compile(
    r"\b(?:holds?|stays?|stayed|hardly|as ever|not|normal|right|steady|unaffected|on time|keeps? its)\b", re.IGNORECASE
)
STRONG, WEAK = 1.0, 0.5
WRAPPED = 0.7  # of the longest line, which a line reaches that goes on in the next
CLEAR = 0.6  # share of a passage's best mechanism that another needs to be told too
NATURAL = 0.75  # what a morphology gains that the mechanism commonly has


Patterns = Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]  # strong and weak stems of a term


@dataclass(frozen=True)
class Passage:
    """One sentence of a text, on one line, and the number of the line where it begins."""

    line: int
    text: str


def hints(lines: Iterable[tuple[int, str]], channels: Sequence[str] = (), source: str = "text") -> list[Hint]:
    """Hints of numbered lines, clearest first; what a passage denies or calls harmless is passed over."""
    found = [hint for passage in passages(lines) for hint in _of_passage(passage, channels, source)]
    return sorted(found, key=lambda hint: -hint.strength)


def passages(lines: Iterable[tuple[int, str]]) -> list[Passage]:
    """Sentences over line breaks; a blank line, and one that begins with a date, a bullet or a heading, starts anew.

    So does the line after one that is too short to have been wrapped.
    """
    lines = list(lines)
    wrapped = WRAPPED * max((len(line.rstrip()) for _, line in lines), default=0)
    blocks: list[list[tuple[int, str]]] = []
    last = ""
    for number, line in lines:
        fresh = len(last) < wrapped or not line.strip() or _BEGINS.match(line)
        if fresh or not blocks:
            blocks.append([])
        blocks[-1].append((number, line.strip()))
        last = line.rstrip()
    found = []
    for block in blocks:
        text, begins = "", []
        for number, line in block:
            begins.append((len(text), number))
            text += line + " "
        for match in _PASSAGE.finditer(text):
            if match[0].strip():
                first = len(match[0]) - len(match[0].lstrip()) + match.start()
                line_number = max((begin, number) for begin, number in begins if begin <= first)[1]
                found.append(Passage(line_number, match[0].strip()))
    return found


def _of_passage(passage: Passage, channels: Sequence[str], source: str) -> list[Hint]:
    if _HARMLESS.search(passage.text):
        return []
    mechanisms, forms = _weighed(passage.text, MECHANISM), _weighed(passage.text, MORPHOLOGY)
    best = max((weight for weight, _ in mechanisms.values()), default=0.0)
    lengths, sizes = durations(passage.text), changes(passage.text)
    return [
        Hint(
            rationale=f"'{stem}' speaks for {mechanism}",
            quote=passage.text[:200],
            source=source,  # type: ignore[arg-type]
            line=passage.line,
            mechanism=mechanism,
            strength=round(min(1.0, weight / 3 + 0.2), 3),
            morphology=_form(forms, mechanism),
            seconds=Range(low=lengths[0][0], high=lengths[0][1]) if lengths else None,
            change=Range(low=sizes[0][0], high=sizes[0][1]) if sizes else None,
            level=_level(passage.text),
            channels=_mentioned(passage.text, channels),
        )
        for mechanism, (weight, stem) in mechanisms.items()
        if weight >= max(STRONG, CLEAR * best)
    ]


def _level(text: str) -> list[Tercile]:
    return [tercile for tercile, words in LEVEL.items() if words.search(text)]


def _mentioned(text: str, channels: Sequence[str]) -> list[str]:
    """Channels that a clause names and does not say to be as ever."""
    moved = [clause for clause in _CLAUSE.split(text) if not _UNMOVED.search(clause)]
    return [name for name in channels if any(_names(name).search(clause) for clause in moved)][:8]


def _names(channel: str) -> re.Pattern[str]:
    words = [word for word in re.split(r"[\W_]+", channel) if len(word) > 1] or [channel]
    whole = r"[\s_-]+".join(map(re.escape, words))
    return re.compile(rf"\b{whole}", re.IGNORECASE)


def _weighed(text: str, patterns: Patterns) -> dict[str, tuple[float, str]]:
    """Weight and first stem of each term whose stems stand in ``text`` undenied."""
    found: dict[str, tuple[float, str]] = {}
    for term, (strong, weak) in patterns.items():
        stems: dict[str, float] = {}
        for pattern, weight in ((strong, STRONG), (weak, WEAK)):
            for match in pattern.finditer(text):
                if not _BEFORE.search(text[max(0, match.start() - 40) : match.start()]):
                    stems.setdefault(match[0].lower(), weight)
        if stems:
            found[term] = (sum(stems.values()), max(stems, key=lambda stem: (stems[stem], len(stem))))
    return found


def _form(forms: dict[str, tuple[float, str]], mechanism: str) -> str | None:
    """The morphology that a passage speaks of most, for this mechanism."""
    natural = {operator.broad.morphology for operator in OPERATORS.values() if operator.broad.mechanism == mechanism}
    return max(forms, key=lambda form: forms[form][0] + NATURAL * (form in natural), default=None)


def _pattern(stems: Sequence[str]) -> re.Pattern[str]:
    listed = "|".join(map(re.escape, stems)) or "(?!)"
    return re.compile(rf"(?<!o')\b(?:{listed})", re.IGNORECASE)


def _patterns(table: Mapping[str, Mapping[str, Sequence[str]]]) -> Patterns:
    return {term: (_pattern(stems.get("strong", ())), _pattern(stems.get("weak", ()))) for term, stems in table.items()}


_LEXICON = tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))
MECHANISM, MORPHOLOGY = _patterns(_LEXICON["mechanism"]), _patterns(_LEXICON["morphology"])
LEVEL: dict[Tercile, re.Pattern[str]] = {
    "high": _pattern(_LEXICON["level"]["high"]),
    "low": _pattern(_LEXICON["level"]["low"]),
}
