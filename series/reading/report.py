"""Describe in one short block how a series was read. Terminal, page, report and ``run.json`` show the same block."""

from __future__ import annotations

from collections.abc import Iterable

from ape.series.reading.names import counted
from ape.series.series import Series

MOST_NAMES = 12
MOST_GAPS = 3
LONGEST_NAME = 60  # characters
TRAINING_PART = "training part"
NO_TRAIN_END = (
    "the whole series, because no --train-end is given: anomalies in it may be learned as normal; only windows that are"
    " unlike all others are left out"
)


def reading_block(series: Series, *, scoring: bool = False) -> dict[str, str]:
    """Return how a series was read, one line for each topic: file, times, step, gaps, columns, training part.

    Parameters
    ----------
    series : Series
    scoring : bool
        Whether the series is only scored, so that it has no training part.
    """
    block = {"series": f"{counted(series.length, 'point')}, {counted(series.n_channels, 'channel')}"}
    reading = series.reading
    if reading is not None:
        block["file"] = reading.format
        block["times"] = _times(series)
        if reading.step is not None:
            block["step"] = reading.step
            block["gaps"] = _gaps(series)
        left_out = f"; left out: {_some(reading.left_out)}" if reading.left_out else ""
        block["columns"] = f"{_some(series.channels)}{left_out}"
    if not scoring:
        block[TRAINING_PART] = _training_part(series)
    return {topic: printable(text) for topic, text in block.items()}


def reading_lines(series: Series, *, scoring: bool = False) -> list[str]:
    """Return the block and the notes as lines of text."""
    block = reading_block(series, scoring=scoring)
    return [
        *(f"{topic}: {text}" for topic, text in block.items()),
        *(f"  {printable(note)}" for note in series.notes),
    ]


def printable(text: str) -> str:
    """Replace characters that a terminal would interpret; names of columns may contain any."""
    return "".join(character if character.isprintable() else " " for character in text)


def _times(series: Series) -> str:
    if series.reading is None or series.reading.times is None:
        return "none, points are counted from 0"
    zone = ", no zone" if series.timestamps is not None and series.zone is None else ""
    return f"{series.reading.times}{zone}; {_span(series, 0, series.length)}"


def _span(series: Series, begin: int, end: int) -> str:
    return f"{series.time_text(begin)} to {series.time_text(end - 1)}"


def _gaps(series: Series) -> str:
    inserted = int(series.inserted.sum())
    parts = [f"{counted(inserted, 'missing row')} inserted"] if inserted else []
    longest = sorted(series.gaps, key=lambda gap: -gap.seconds)[:MOST_GAPS]
    for gap in sorted(longest, key=lambda gap: gap.position):
        what = "no row" if series.step is None else f"{counted(gap.missing, 'row')} missing"
        parts.append(f"{what} after {series.time_text(gap.position - 1)}, until {series.time_text(gap.position)}")
    if len(series.gaps) > MOST_GAPS:
        parts.append(f"and {counted(len(series.gaps) - MOST_GAPS, 'shorter long gap')}")
    if len(series.row_points) != series.length:
        parts.append("positions count points; scores.csv and --train-end count rows of the file")
    return "; ".join(parts) or "none"


def _some(names: Iterable[str]) -> str:
    shown = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..." for name in names]
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return ", ".join(shown[:MOST_NAMES]) + more


def _training_part(series: Series) -> str:
    if series.train_end is None:
        return NO_TRAIN_END
    dates = "" if series.time_text(0) is None else f" ({_span(series, 0, series.train_end)})"
    rows = int((series.row_points < series.train_end).sum())
    what = f"{series.train_end}" if rows == series.train_end else f"{rows} rows of the file ({series.train_end} points)"
    return f"the first {what} are taken as normal{dates}"
