"""Measuring the context that placing rules in a series needs, from its training part alone."""

from __future__ import annotations

import numpy as np

from ape.rules.schema import ChannelContext, Context
from ape.series import Series
from ape.series.numerics import dominant_period, local_residual, robust_scale, rolling_std

MIN_SHARE = 0.2  # of the standard deviation: a channel of rare bursts has a median deviation near zero


def build_context(series: Series, period: int | None = None) -> Context:
    """Context of the training part: period (default: the dominant one), robust scales, quantiles, limits, regime cuts.

    A channel that stands still in training takes the median scale of the others, so that rules can still act on it.
    """
    train = series.train.astype(np.float64)
    period = period or dominant_period(train)
    width = max(5, (period or 40) // 4)
    fine = local_residual(train, period)
    scale = _steady(np.maximum(robust_scale(train), MIN_SHARE * train.std(axis=0)), np.ptp(train, axis=0))
    residual = _steady(np.maximum(robust_scale(fine), MIN_SHARE * fine.std(axis=0)), np.ptp(train, axis=0))
    low, high = np.quantile(train, [0.001, 0.999], axis=0)
    minimum, maximum = train.min(axis=0), train.max(axis=0)
    margin = np.maximum(maximum - minimum, scale)
    step = np.quantile(np.abs(np.diff(train, axis=0)), 0.995, axis=0)
    level_cuts = np.quantile(train, [1 / 3, 2 / 3], axis=0)
    activity_cuts = np.quantile(rolling_std(train, width), [1 / 3, 2 / 3], axis=0)
    channels = [
        ChannelContext(
            name=name,
            scale=float(scale[c]),
            residual_scale=float(min(residual[c], scale[c])),
            quantile_low=float(low[c]),
            quantile_high=float(high[c]),
            limit_low=0.0 if minimum[c] >= 0 else float(minimum[c] - margin[c]),
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
    )


def _clock(series: Series) -> tuple[float | None, float | None]:
    """Hour of the day at the first point and hours between points, where times are known."""
    if series.timestamps is None:
        return None, None
    seconds = (series.timestamps - series.timestamps[0].astype("datetime64[D]")) / np.timedelta64(1, "s")
    return float(seconds[0] / 3600), float(np.median(np.diff(seconds)) / 3600)


def _steady(scale: np.ndarray, spread: np.ndarray) -> np.ndarray:
    moving = spread > 0
    return np.where(moving, scale, np.median(scale[moving]) if moving.any() else 1.0)
