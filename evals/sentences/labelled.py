"""The labelled sentences and their two halves.

The sentences are invented, from general engineering knowledge: notes, manuals, log lines and chat messages about
plants, computers, buildings, vehicles, medicine, the grid, space, laboratories and shops. Each has the role, and the
mechanism and morphology where it names something unusual. Sentences in languages other than English have theirs too.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Half = Literal["tuning", "held out"]
PATH = Path(__file__).parent / "sentences.csv"


@dataclass(frozen=True)
class Labelled:
    """One labelled sentence.

    Parameters
    ----------
    text : str
    language : str
        ISO 639-1 code.
    role : str
        One of `ape.agents.understanding.meaning.ROLES`. "normal" includes denials ("the sensor never drifts").
    mechanisms, morphologies : tuple of str
        Terms of the vocabulary, each of which is right; empty where the sentence names nothing unusual.
    channel, size, length : str
        As the sentence names them; empty if it does not.
    kind : str
        "denial", or empty.
    """

    text: str
    language: str
    role: str
    mechanisms: tuple[str, ...]
    morphologies: tuple[str, ...]
    channel: str
    size: str
    length: str
    kind: str

    @property
    def half(self) -> Half:
        """The half that the hash of the text puts the sentence in. Nothing is tuned on the held-out half."""
        return "tuning" if int(hashlib.sha256(self.text.encode()).hexdigest(), 16) % 2 else "held out"


def labelled(half: Half | None = None) -> list[Labelled]:
    """Return the labelled sentences of a half, or all of them."""
    with PATH.open(encoding="utf-8", newline="") as file:
        rows = [
            Labelled(
                **{key: row[key] for key in ("text", "language", "role", "channel", "size", "length", "kind")},
                mechanisms=tuple(row["mechanism"].split()),
                morphologies=tuple(row["morphology"].split()),
            )
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if half is None or row.half == half]
