"""Measure the context of a series, which places and scales its rules, from the training part alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ape.rules.responses import find_responses
from ape.rules.schema import ChannelContext, ChannelGroup, ClockChange, Context, ContextGap
from ape.series import Series
from ape.series.groups import groups_of
from ape.series.numerics import MAD_TO_SD, NEGLIGIBLE, dominant_period, local_residual, robust_scale, rolling_std
from ape.series.windows import longest, usable

FIRST_WEEKDAY = 3  # 1970-01-01 is a Thursday; 0 is Monday
JUMP = 6.0  # standard deviations of usual steps, beyond which a step is a jump
MIN_SHARE = 0.2  # of the standard deviation; the median deviation of a channel with rare bursts is near zero


def build_context(series: Series, period: int | None = None) -> Context:
    """Measure period, clock, robust scales, quantiles, limits and regime cuts of the training part.

    Each stretch between gaps is measured on its own. The period is that of the longest.

    A channel that is constant in the training part gets the median scale of the other channels, so that rules can
    still act on it. The channels of a wide series are grouped, see `ape.series.groups`.

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
    steps = np.abs(np.concatenate([np.diff(part, axis=0) for part in parts]))
    step, jump = np.quantile(steps, 0.995, axis=0), JUMP * MAD_TO_SD * np.median(steps, axis=0)
    level_cuts = np.quantile(train, [1 / 3, 2 / 3], axis=0)
    activity_cuts = np.quantile(np.concatenate([rolling_std(part, width) for part in parts]), [1 / 3, 2 / 3], axis=0)
    responses = find_responses(series.values[begin:end], series.channels, period, width)
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
            jump=float(jump[c]) if jump[c] < step[c] else 0.0,
            level_cuts=(float(level_cuts[0, c]), float(level_cuts[1, c])),
            activity_cuts=(float(activity_cuts[0, c]), float(activity_cuts[1, c])),
            responses=responses[c],
        )
        for c, name in enumerate(series.channels)
    ]
    return Context(
        period=period,
        activity_width=width,
        **_clock(series),
        channels=channels,
        groups=[
            ChannelGroup(
                name=group.name,
                channels=[series.channels[column] for column in group.columns],
                representative=series.channels[group.columns[0]],
            )
            for group in groups_of(series)
            if len(group.columns) > 1
        ],
        gaps=[
            ContextGap(position=gap.position, missing=gap.missing)
            for gap in series.gaps
            if gap.position < len(series.train)
        ],
    )


def _median_if_constant(scale: np.ndarray, varies: np.ndarray) -> np.ndarray:
    return np.where(varies, scale, np.median(scale[varies]) if varies.any() else 1.0)


def _clock(series: Series) -> dict[str, Any]:
    """Return the fields of the context that come from timestamps; none without them."""
    if series.timestamps is None or series.clock is None:
        return {}
    first = series.clock[0]  # the steps are those of the timestamps, which no change of the clock interrupts
    day = first.astype("datetime64[D]")
    seconds = (series.timestamps - series.timestamps[0] + first - day) / np.timedelta64(1, "s")
    changes: list[ClockChange] = []
    if series.clock_offset is not None:
        ahead = np.diff(series.clock_offset[: len(series.train)]) / 3600
        changes = [ClockChange(position=int(at) + 1, hours=float(ahead[at])) for at in np.flatnonzero(ahead)]
    return {
        "first_hour": float(seconds[0] / 3600),
        "hours_per_step": float(np.median(np.diff(seconds)) / 3600),
        "first_weekday": int((day.astype(np.int64) + FIRST_WEEKDAY) % 7),
        "clock_changes": changes,
    }
