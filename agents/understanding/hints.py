"""Find hints in manuals and logs: mechanism, morphology, level, duration, size and channels that sentences name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ape.agents.records import Hint
from ape.agents.understanding.quantities import changes, durations
from ape.agents.understanding.sentences import Sentence, sentences
from ape.rules import OPERATORS
from ape.rules.schema import Range, Tercile

_CLAUSE = re.compile(r"[;,:]| and | but | while | though | yet | whereas ")
# before a stem that is denied
_DENIAL = re.compile(
    r"\b(?:no|not|never|without|free of|hardly|rarely|isn't|doesn't|don't)\b(?! longer)(?: \w+){0,3} ?$", re.IGNORECASE
)
# in a sentence about something normal
_HARMLESS = re.compile(
    r"\b(?:(?:is|are|all) (?:normal|expected|harmless|routine|weather)|no failures?\b|not a (?:fault|failure)|excluded|"
    r"ruled out|as (?:expected|usual|planned)|by order of|on purpose|test signal|not affected|announced)",
    re.IGNORECASE,
)
# in a clause about a channel that does not change
_UNCHANGED = re.compile(
    r"\b(?:holds?|stays?|stayed|hardly|as ever|not|normal|right|steady|unaffected|on time|keeps? its)\b", re.IGNORECASE
)
STRONG, WEAK = 1.0, 0.5
CLEAR_SHARE = 0.6  # of the best mechanism's weight, from which another mechanism of a sentence gives a hint
TYPICAL_BONUS = 0.75  # for a morphology that is typical of the mechanism

Patterns = Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]  # strong and weak stems of a term


def find_hints(lines: Iterable[tuple[int, str]], channels: Sequence[str] = (), source: str = "text") -> list[Hint]:
    """Return the hints in numbered lines, clearest first; sentences about denied or harmless events give none."""
    hints = [hint for sentence in sentences(lines) for hint in _hints_in(sentence, channels, source)]
    return sorted(hints, key=lambda hint: -hint.strength)


def _hints_in(sentence: Sentence, channels: Sequence[str], source: str) -> list[Hint]:
    text = sentence.text
    if _HARMLESS.search(text):
        return []
    mechanisms, morphologies = _weights(text, MECHANISM), _weights(text, MORPHOLOGY)
    best = max((weight for weight, _ in mechanisms.values()), default=0.0)
    spans, sizes = durations(text), changes(text)
    return [
        Hint(
            rationale=f"'{stem}' indicates {mechanism}",
            quote=text[:200],
            source=source,  # type: ignore[arg-type]
            line=sentence.line,
            mechanism=mechanism,
            strength=round(min(1.0, weight / 3 + 0.2), 3),
            morphology=_morphology(morphologies, mechanism),
            seconds=Range(low=spans[0][0], high=spans[0][1]) if spans else None,
            change=Range(low=sizes[0][0], high=sizes[0][1]) if sizes else None,
            level=_level(text),
            channels=_changed_channels(text, channels),
        )
        for mechanism, (weight, stem) in mechanisms.items()
        if weight >= max(STRONG, CLEAR_SHARE * best)
    ]


def _weights(text: str, patterns: Patterns) -> dict[str, tuple[float, str]]:
    """Weight and strongest stem of each term that the text names without denying it."""
    weights: dict[str, tuple[float, str]] = {}
    for term, (strong, weak) in patterns.items():
        stems: dict[str, float] = {}
        for pattern, weight in ((strong, STRONG), (weak, WEAK)):
            for match in pattern.finditer(text):
                if not _DENIAL.search(text[max(0, match.start() - 40) : match.start()]):
                    stems.setdefault(match[0].lower(), weight)
        if stems:
            weights[term] = (sum(stems.values()), max(stems, key=lambda stem: (stems[stem], len(stem))))
    return weights


def _morphology(weights: dict[str, tuple[float, str]], mechanism: str) -> str | None:
    """The morphology with the highest weight, with a bonus for those typical of the mechanism."""
    typical = {operator.broad.morphology for operator in OPERATORS.values() if operator.broad.mechanism == mechanism}
    return max(weights, key=lambda term: weights[term][0] + TYPICAL_BONUS * (term in typical), default=None)


def _level(text: str) -> list[Tercile]:
    return [tercile for tercile, words in LEVEL.items() if words.search(text)]


def _changed_channels(text: str, channels: Sequence[str]) -> list[str]:
    """Channels that a clause names without saying that they do not change."""
    clauses = [clause for clause in _CLAUSE.split(text) if not _UNCHANGED.search(clause)]
    return [name for name in channels if any(_channel_pattern(name).search(clause) for clause in clauses)][:8]


def _channel_pattern(channel: str) -> re.Pattern[str]:
    words = [word for word in re.split(r"[\W_]+", channel) if len(word) > 1] or [channel]
    whole = r"[\s_-]+".join(map(re.escape, words))
    return re.compile(rf"\b{whole}", re.IGNORECASE)


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
