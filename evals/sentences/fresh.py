"""Texts by somebody who saw neither the labelled sentences nor the bench: how much of them is read rightly."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ape.agents.records import Hint
from ape.agents.understanding.reading import Reading, read_statements
from ape.rules.schema import Range

TEXTS = Path(__file__).parent / "fresh.toml"
FACTOR = 1.6  # within which a length or size agrees
HOURS = 1.5


@dataclass(frozen=True)
class Read:
    """What a sentence of a text was taken for.

    Parameters
    ----------
    writer : str
    said : dict
        The sentence with what it means, as in ``fresh.toml``.
    role : str
    hints : list of Hint
    """

    writer: str
    said: dict[str, Any]
    role: str
    hints: list[Hint]

    def right(self, field: str) -> bool:
        """Whether a field of the sentence agrees with what it means."""
        said = self.said[field]
        if field == "role":
            return self.role in said.split("|")
        if field == "mechanism":
            return bool(self.hints) and self.hints[0].mechanism in said.split("|")
        if field == "channels":
            return any(set(hint.channels) == set(said) for hint in self.hints)
        return any(_near(getattr(hint, field), said, by_hours=field == "hours") for hint in self.hints)


def read_fresh() -> Iterator[Read]:
    """Read all texts."""
    for text in tomllib.loads(TEXTS.read_text(encoding="utf-8"))["texts"]:
        said = text["sentences"]
        quotes = [each["text"] for each in said]
        prose = all(quote[-1] in ".?!" for quote in quotes)
        lines = [" ".join(quotes)] if prose else quotes
        reading = read_statements(
            enumerate(lines, 1),
            text["channels"],
            "log" if text.get("kind") == "log" else "text",
            text["step_seconds"],
        )
        for each in said:
            yield Read(text["writer"], each, *_found(each["text"], reading))


def table() -> list[str]:
    """Return the rows of the table of figures: what was asked, sentences, share that is right."""
    read = list(read_fresh())
    groups: list[tuple[str, str, list[Read]]] = [("role of all sentences", "role", read)]
    for role in ("failure", "benign", "normal", "other"):
        groups.append((f"role: {role}", "role", [each for each in read if each.said["role"] == role]))
    english = [each for each in read if "language" not in each.said]
    for field in ("mechanism", "channels", "seconds", "amount", "change", "hours"):
        groups.append((field, field, [each for each in english if field in each.said]))
    return [
        f"{name} | {len(members)} | {sum(each.right(field) for each in members) / len(members):.2f}"
        for name, field, members in groups
    ]


def _found(quote: str, reading: Reading) -> tuple[str, list[Hint]]:
    """Role and hints of a sentence; a hint counts before a remark on another part of it."""
    hints = [hint for hint in reading.hints if hint.quote in quote or quote in hint.quote]
    if hints:
        return ("benign" if hints[0].benign else "failure"), hints
    uses = [remark.use for remark in reading.remarks if remark.quote in quote or quote in remark.quote]
    return (uses[0] if uses else "nothing"), []


def _near(found: Range | None, said: list[float], *, by_hours: bool) -> bool:
    if found is None:
        return False
    low, high = said
    if by_hours:
        return abs((found.low + found.high - low - high) / 2) <= HOURS
    middle, expected = abs(found.low + found.high) / 2, abs(low + high) / 2
    return expected / FACTOR <= middle <= expected * FACTOR
