"""The language of a sentence: English, or another one that the models of meaning do not know."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

ENGLISH = "English"
# by the first word of the Unicode name of a letter
SCRIPTS = {
    "CYRILLIC": "Russian or another language in Cyrillic script",
    "GREEK": "Greek",
    "CJK": "Chinese or Japanese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "ARABIC": "Arabic or another language in Arabic script",
    "HEBREW": "Hebrew",
    "THAI": "Thai",
    "DEVANAGARI": "Hindi or another language in Devanagari script",
}
SCRIPT_SHARE = 0.3  # of the letters, from which a foreign script decides
TYPICAL = 0.6  # what a typical letter or ending counts, in words; at most twice in a sentence
_WORD = re.compile(r"[^\W\d_]+'?")


def language(text: str) -> str:
    """Return the English name of the language of a sentence; ``"English"`` where nothing speaks against it."""
    script = _script(text)
    if script:
        return script
    words = _WORD.findall(text.lower())
    scores = {name: _score(words, text.lower(), *signs) for name, signs in _signs().items()}
    english = scores.pop(ENGLISH)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= 1.0 and scores[best] > english else ENGLISH


def _score(words: list[str], text: str, known: frozenset[str], typical: re.Pattern[str]) -> float:
    return sum(word in known for word in words) + TYPICAL * min(2, len(typical.findall(text)))


def _script(text: str) -> str | None:
    letters = [character for character in text if character.isalpha() and not character.isascii()]
    names = [unicodedata.name(letter, "").split(" ")[0].split("-")[0] for letter in letters]
    foreign = [name for name in names if name in SCRIPTS]
    if len(foreign) <= SCRIPT_SHARE * sum(character.isalpha() for character in text):
        return None
    # kana decide for Japanese, which has Chinese characters too
    kana = {"HIRAGANA", "KATAKANA"} & set(foreign)
    return SCRIPTS[kana.pop() if kana else max(set(foreign), key=foreign.count)]


@cache
def _signs() -> dict[str, tuple[frozenset[str], re.Pattern[str]]]:
    table = tomllib.loads((Path(__file__).parent / "languages.toml").read_text(encoding="utf-8"))
    return {name: (frozenset(signs["words"].split()), re.compile(signs["typical"])) for name, signs in table.items()}
