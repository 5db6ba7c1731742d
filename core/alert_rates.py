"""Accepted rates of false alarms, as the command line, Python and the files say them."""

from __future__ import annotations

from dataclasses import dataclass

from ape.core.errors import InputError

TRAINING = "training part"
WORDS = {"day": "day", "week": "week", "training": TRAINING}  # of periods, as they are typed


@dataclass(frozen=True)
class AlertRate:
    """Accepted false alarms: ``number`` in each ``per``, which is ``day``, ``week`` or ``training part``."""

    number: float
    per: str

    def __str__(self) -> str:
        if self.per == TRAINING:
            return f"{self.number:g} in a time as long as the training part"
        return f"{self.number:g} a {self.per}"

    @classmethod
    def parse(cls, text: str) -> AlertRate:
        """Return a rate that is typed as ``day`` or ``week=0.5``.

        Raises
        ------
        InputError
            It is no rate, or not above zero.
        """
        word, given, number = text.partition("=")
        try:
            count = float(number) if given else 1.0
        except ValueError:
            count = 0.0
        if word not in WORDS or not 0 < count < float("inf"):
            hint = "give day, week or training, or a number of alarms such as day=3"
            raise InputError(f"'{text}' is no rate of alarms", "alerts_per", hint)
        return cls(count, WORDS[word])

    @property
    def word(self) -> str:
        """The period as it is typed."""
        return next(word for word, period in WORDS.items() if period == self.per)

    @property
    def typed(self) -> str:
        """The text that `parse` turns into this rate."""
        return self.word if self.number == 1 else f"{self.word}={self.number!r}"
