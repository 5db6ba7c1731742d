"""Say in one short block how a series was read."""

from __future__ import annotations

from ape.series.series import Series

MOST_NAMES = 12
MOST_GAPS = 3


def reading_block(series: Series, *, scoring: bool = False) -> dict[str, str]:
    """Return how a series was read, one line for each topic: file, times, step, gaps, columns, training part.

    Parameters
    ----------
    series : Series
    scoring : bool
        Whether the series is only scored, so that it has no training part.
    """
    block = {"series": f"{series.length} points, {series.n_channels} channel{'s' * (series.n_channels > 1)}"}
    reading = series.reading
    if reading is not None:
        block["file"] = reading.format
        if reading.times is not None:
            block["times"] = f"{reading.times}; {_span(series, 0, series.length)}"
        if reading.step is not None:
            block["step"] = reading.step
            block["gaps"] = _gaps(series)
        left_out = f"; left out: {_some(reading.left_out)}" if reading.left_out else ""
        block["columns"] = f"{_some(series.channels)}{left_out}"
    if not scoring:
        block["training part"] = _training_part(series)
    return block


def reading_lines(series: Series, *, scoring: bool = False) -> list[str]:
    """Return the block and the notes as lines of text."""
    block = reading_block(series, scoring=scoring)
    return [*(f"{topic}: {text}" for topic, text in block.items()), *(f"  {note}" for note in series.notes)]


def _span(series: Series, begin: int, end: int) -> str:
    return f"{series.time_text(begin)} to {series.time_text(end - 1)}"


def _gaps(series: Series) -> str:
    inserted = int(series.inserted.sum())
    parts = [f"{inserted} missing row{'s' * (inserted > 1)} inserted"] if inserted else []
    for gap in series.gaps[:MOST_GAPS]:
        parts.append(
            f"{gap.missing} rows missing after {series.time_text(gap.position - 1)},"
            f" until {series.time_text(gap.position)}"
        )
    if len(series.gaps) > MOST_GAPS:
        parts.append(f"{len(series.gaps) - MOST_GAPS} more long gaps")
    return "; ".join(parts) or "none"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _training_part(series: Series) -> str:
    if series.train_end is None:
        return "no train_end: the whole series is training data, guarded by the candidate filter"
    dates = "" if series.time_text(0) is None else f" ({_span(series, 0, series.train_end)})"
    return f"the first {series.train_end} are taken as normal{dates}"
