"""Parse accepted rates of false alarms, for the command line and for Python."""

from __future__ import annotations

from ape.core.errors import InputError

PERIODS = {"day": "day", "week": "week", "training": "training part"}  # by word


def parse_alert_rate(text: str) -> tuple[float, str]:
    """Return the number and the period of a rate such as ``day`` or ``week=0.5``.

    Raises
    ------
    InputError
        It is no rate, or not above zero.
    """
    word, _, number = text.partition("=")
    try:
        count = float(number or 1)
    except ValueError:
        count = 0.0
    if word not in PERIODS or not 0 < count < float("inf"):
        hint = "give day, week or training, or a number of alarms such as day=3"
        raise InputError(f"'{text}' is no rate of alarms", "alerts_per", hint)
    return count, PERIODS[word]


def alert_rate_text(number: float, per: str) -> str:
    """Return the text that `parse_alert_rate` parses into a number and a period."""
    word = next(word for word, period in PERIODS.items() if period == per)
    return word if number == 1 else f"{word}={number!r}"
