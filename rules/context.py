"""Measure the context of a series, which places and scales its rules, from the training part alone."""

from __future__ import annotations

import numpy as np

from ape.rules.schema import ChannelContext, Context, ContextGap
from ape.series import Series
from ape.series.numerics import NEGLIGIBLE, dominant_period, local_residual, robust_scale, rolling_std
from ape.series.windows import longest, usable

MIN_SHARE = 0.2  # of the standard deviation; the median deviation of a channel with rare bursts is near zero


def build_context(series: Series, period: int | None = None) -> Context:
    """Measure period, clock, robust scales, quantiles, limits and regime cuts of the training part.

    Each stretch between gaps is measured on its own. The period is that of the longest.

    A channel that is constant in the training part gets the median scale of the other channels, so that rules can
    still act on it.

    Parameters
    ----------
    series : Series
    period : int, optional
        In samples. By default the dominant period.
    """
    segments = usable(series.train_segments, 2)
    begin, end = longest(segments)
    period = period or dominant_period(series.values[begin:end])
    width = max(5, (period or 40) // 4)
    parts = [series.values[begin:end].astype(np.float64) for begin, end in segments]
    train, fine = np.concatenate(parts), np.concatenate([local_residual(part, period) for part in parts])
    varies = np.ptp(train, axis=0) > 0
    scale = _median_if_constant(np.maximum(robust_scale(train), MIN_SHARE * train.std(axis=0)), varies)
    residual = _median_if_constant(np.maximum(robust_scale(fine), MIN_SHARE * fine.std(axis=0)), varies)
    residual = np.clip(residual, NEGLIGIBLE * scale, scale)
    low, high = np.quantile(train, [0.001, 0.999], axis=0)
    minimum, maximum = train.min(axis=0), train.max(axis=0)
    margin = np.maximum(maximum - minimum, scale)
    offset = np.zeros(len(scale)) if series.offset is None else series.offset
    ends_at_zero = (minimum >= 0) & (offset == 0)  # zero is out of reach of a channel with an offset
    step = np.quantile(np.abs(np.concatenate([np.diff(part, axis=0) for part in parts])), 0.995, axis=0)
    level_cuts = np.quantile(train, [1 / 3, 2 / 3], axis=0)
    activity_cuts = np.quantile(np.concatenate([rolling_std(part, width) for part in parts]), [1 / 3, 2 / 3], axis=0)
    channels = [
        ChannelContext(
            name=name,
            offset=0.0 if series.offset is None else float(series.offset[c]),
            scale=float(scale[c]),
            residual_scale=float(residual[c]),
            quantile_low=float(low[c]),
            quantile_high=float(high[c]),
            limit_low=0.0 if ends_at_zero[c] else float(minimum[c] - margin[c]),
            limit_high=float(maximum[c] + margin[c]),
            step=float(step[c]),
            level_cuts=(float(level_cuts[0, c]), float(level_cuts[1, c])),
            activity_cuts=(float(activity_cuts[0, c]), float(activity_cuts[1, c])),
        )
        for c, name in enumerate(series.channels)
    ]
    first_hour, hours_per_step = _clock(series)
    return Context(
        period=period,
        activity_width=width,
        first_hour=first_hour,
        hours_per_step=hours_per_step,
        channels=channels,
        gaps=[
            ContextGap(position=gap.position, missing=gap.missing)
            for gap in series.gaps
            if gap.position < len(series.train)
        ],
    )


def _median_if_constant(scale: np.ndarray, varies: np.ndarray) -> np.ndarray:
    return np.where(varies, scale, np.median(scale[varies]) if varies.any() else 1.0)


def _clock(series: Series) -> tuple[float | None, float | None]:
    """Return the hour of the day at the first point and the hours between points, if the series has timestamps."""
    if series.timestamps is None or series.clock is None:
        return None, None
    first = series.clock[0]  # the steps are those of the timestamps, which no change of the clock interrupts
    seconds = (series.timestamps - series.timestamps[0] + first - first.astype("datetime64[D]")) / np.timedelta64(
        1, "s"
    )
    return float(seconds[0] / 3600), float(np.median(np.diff(seconds)) / 3600)
