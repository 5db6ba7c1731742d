"""The stems of the lexicon in a sentence, as features of its meaning."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

# before a stem that is denied
_DENIAL = re.compile(
    r"\b(?:no|not|never|without|free of|hardly|rarely|isn't|doesn't|don't)\b(?! longer)(?: \w+){0,3} ?$", re.IGNORECASE
)
# in a sentence about something normal
HARMLESS = re.compile(
    r"\b(?:(?:is|are|all) (?:normal|expected|harmless|routine|weather)|no failures?\b|not a (?:fault|failure)|excluded|"
    r"ruled out|as (?:expected|usual|planned)|by order of|on purpose|test signal|not affected|announced)",
    re.IGNORECASE,
)
STRONG, WEAK = 1.0, 0.5

Patterns = Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]  # strong and weak stems of a term


def weights(text: str, patterns: Patterns) -> dict[str, tuple[float, str]]:
    """Weight and strongest stem of each term that the text names without denying it."""
    found: dict[str, tuple[float, str]] = {}
    for term, (strong, weak) in patterns.items():
        stems: dict[str, float] = {}
        for pattern, weight in ((strong, STRONG), (weak, WEAK)):
            for match in pattern.finditer(text):
                if not _DENIAL.search(text[max(0, match.start() - 40) : match.start()]):
                    stems.setdefault(match[0].lower(), weight)
        if stems:
            found[term] = (sum(stems.values()), max(stems, key=lambda stem: (stems[stem], len(stem))))
    return found


def _pattern(stems: Sequence[str]) -> re.Pattern[str]:
    listed = "|".join(map(re.escape, stems)) or "(?!)"
    return re.compile(rf"(?<!o')\b(?:{listed})", re.IGNORECASE)


def _patterns(table: Mapping[str, Mapping[str, Sequence[str]]]) -> Patterns:
    return {term: (_pattern(stems.get("strong", ())), _pattern(stems.get("weak", ()))) for term, stems in table.items()}


_LEXICON = tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))
MECHANISM, MORPHOLOGY = _patterns(_LEXICON["mechanism"]), _patterns(_LEXICON["morphology"])
