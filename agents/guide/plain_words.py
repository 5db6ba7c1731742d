"""Bring a request into plain words: without greetings, politeness and fillers, in full words, and without slips."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

SLIP, LEAST_LETTERS = 0.87, 5  # least likeness of a misspelt word to the word that is meant, and its least length
_IN_FULL = {  # spellings of chats
    "whats": "what is", "what's": "what is", "wheres": "where is", "where's": "where is", "hows": "how is",
    "whys": "why is", "thats": "that is", "that's": "that is", "dont": "don't", "doesnt": "doesn't",
    "didnt": "didn't", "isnt": "isn't", "wasnt": "wasn't", "cant": "can't", "wont": "won't", "im": "I am",
    "ive": "I have", "gimme": "give me", "lemme": "let me", "wanna": "want to", "vs": "compared with",
    "u": "you", "r": "are", "n": "and",
}  # fmt: skip
_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_GREETING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|dear \w+|good (?:morning|afternoon|evening)|ok(?:ay)?|so|well|and|but|now|then|right|great"
    r"|fine|cool|thanks|thank you|um+|sorry|please|pls|plz)\b[\s,.!:;-]+)+(?=\w{2})"
)
_POLITE = re.compile(
    r"^(?:(?:can|could|would|will) you (?:please |just |maybe )*(?:tell me |let me know |say )?(?:if |whether )?"
    r"|(?:do you know|is it possible to|i(?: would|'d) like (?:you )?to|i want (?:you )?to|may i|can i|could i)"
    r" (?:please )?(?:know )?(?:if |whether )?)(?=\w{2})"
)
# ways to say the same
_SAME = (
    (re.compile(r"\b(?:fishy|dodgy|iffy|sketchy|amiss|awry|out of the ordinary|suspect)\b"), "suspicious"),
    (re.compile(r"\b(?:spots|places|moments|bits|sections|segments)\b"), "stretches"),
    (re.compile(r"\bhow come\b"), "why"),
    (
        re.compile(
            r"\b(?:what(?:ever)?|the (?:stuff|things?|text|lines?)(?: that)?) i(?: have|'ve)?"
            r" (?:wrote|written|typed|told you|noted|described|said)\b"
        ),
        "my notes",
    ),
    (re.compile(r"\b(?:ring|buzz|beep|page|ping|bleep|go off)(?:s|es|ed|ing)?\b(?: (?:me|us|my phone))?"), "alert"),
    (re.compile(r"\b(?:phone|pager|bell|siren)\b"), "alarm"),
)
_FILLER = re.compile(
    r",?\s*\b(?:at the moment|right now|currently|so far|by any chance|actually|basically|if possible|for me|for my \w+"
    r"|kindly|please|pls|plz|thanks|thx|thank you|in (?:the|this|my) data|(?:that|which) i (?:gave|sent|showed) you)\b"
    r"(?=\W|$)"
)


def in_plain_words(text: str, known: Collection[str] = ()) -> str:
    """Return a text in lower case and plain words.

    Parameters
    ----------
    text : str
    known : collection of str
        Words that a misspelt word may mean.
    """
    text = _LETTERS.sub(lambda match: _IN_FULL.get(match[0], match[0]), text.strip().lower())
    for pattern in (_GREETING, _POLITE, _GREETING, _FILLER):
        shorter = pattern.sub("", text).strip()
        text = shorter if _LETTERS.search(shorter) else text
    for pattern, plain in _SAME:
        text = pattern.sub(plain, text)
    return _LETTERS.sub(lambda match: _meant(match[0], known), text) if known else text


def _meant(word: str, known: Collection[str]) -> str:
    """Return the known word that a misspelt word means; the word itself if it is known or like none."""
    if len(word) < LEAST_LETTERS or word in known:
        return word
    close = get_close_matches(word, [each for each in known if each[0] == word[0]], 1, SLIP)
    return close[0] if close and close[0] != f"{word}s" else word  # a singular is no slip
