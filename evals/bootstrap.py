"""Bootstrap intervals of means over series."""

from __future__ import annotations

import numpy as np
import pandas as pd

RESAMPLES = 4000


def interval(values: pd.Series, groups: pd.Series) -> tuple[float, float, float]:
    """Return the mean, and the ends of its 95 % bootstrap interval, which are NaN with fewer than two groups.

    Parameters
    ----------
    values : Series
        One value per series, by name. NaN is left out.
    groups : Series
        Group of each name, such as its recording. The bootstrap draws whole groups, because series of one recording
        are not independent.
    """
    values = values.dropna()
    sums = values.groupby(groups.reindex(values.index)).agg(["sum", "count"]).to_numpy()
    if len(sums) < 2:
        return float(values.mean()), np.nan, np.nan
    draw = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[draw, 0].sum(1) / sums[draw, 1].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def interval_text(values: pd.Series, groups: pd.Series, form: str = "+.3f") -> str:
    """Return the `interval` as text, such as ``+0.043 [+0.015, +0.071]``."""
    mean, low, high = (format(number, form) for number in interval(values, groups))
    return f"{mean} [{low}, {high}]"
