"""Sparklines: one channel in a few hundred numbers, and as a small SVG picture with the events marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ape.series import Series
from ape.series.plots import exact_values

COLUMNS = 120  # pairs of extremes
WIDTH, HEIGHT, MARGIN = 240, 44, 3  # pixels
NARROWEST = 3.0  # pixels of an event


def curve(series: Series, channel: str) -> dict[str, Any]:
    """Return a channel over the rows of the file, as plain data.

    Parameters
    ----------
    series : Series
    channel : str

    Returns
    -------
    dict
        ``channel``; ``rows`` and ``trained``, the numbers of rows in the file and in the training part; ``low`` and
        ``high``, the extremes in equal parts of the rows, from 0 to 100, None where all values are missing.
    """
    number, points = series.channels.index(channel), series.row_points
    values = exact_values(series, number)
    if series.missing is not None:
        values[series.missing[:, number]] = np.nan
    values = values[points]
    edges = np.unique(np.linspace(0, len(values), COLUMNS, endpoint=False).astype(int))
    low, high = np.fmin.reduceat(values, edges), np.fmax.reduceat(values, edges)
    known = values[np.isfinite(values)]
    bottom, span = (known.min(), np.ptp(known) or 1.0) if len(known) else (0.0, 1.0)
    return {
        "channel": channel,
        "rows": len(values),
        "trained": int((points < (series.train_end or 0)).sum()),
        "low": _heights((low - bottom) / span),
        "high": _heights((high - bottom) / span),
    }


def sparkline(curve: dict[str, Any], events: Sequence[dict[str, Any]]) -> Markup:
    """Return an SVG picture of a `curve` with the training part shaded and the events marked.

    Parameters
    ----------
    curve : dict
    events : sequence of dict
        With ``start`` and ``end`` (rows of the file) and ``reason``, as in ``events.json``.
    """
    scale = WIDTH / max(curve["rows"], 1)
    bands = [_BAND.format("trained", 0.0, curve["trained"] * scale, HEIGHT, "training part")]
    for event in events:
        width = max((event["end"] - event["start"]) * scale, NARROWEST)
        bands.append(_BAND.format("event", event["start"] * scale, width, HEIGHT, event["reason"]))
    label = f"{curve['channel']}, {len(events)} event{'' if len(events) == 1 else 's'} marked"
    return _PICTURE.format(WIDTH, HEIGHT, label, Markup("").join(bands), _path(curve["low"], curve["high"]))


_PICTURE = Markup(
    '<svg class="sparkline" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">{3}'
    '<path d="{4}"/></svg>'
)
_BAND = Markup('<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}</title></rect>')


def _heights(shares: np.ndarray) -> list[int | None]:
    return [None if np.isnan(share) else round(100 * float(share)) for share in shares]


def _path(low: Sequence[int | None], high: Sequence[int | None]) -> str:
    """Return a line through the extremes of each part; it breaks where values are missing."""
    step, parts, pen = WIDTH / max(len(low), 1), [], "M"
    for number, (bottom, top) in enumerate(zip(low, high, strict=True)):
        if bottom is None or top is None:
            pen = "M"
            continue
        x = (number + 0.5) * step
        parts.append(f"{pen}{x:.1f} {_y(bottom):.1f}V{_y(top):.1f}")
        pen = "L"
    return "".join(parts)


def _y(height: int) -> float:
    return HEIGHT - MARGIN - height * (HEIGHT - 2 * MARGIN) / 100
