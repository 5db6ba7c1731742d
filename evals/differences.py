"""Paired differences of systems: intervals over recordings, Wilcoxon's signed-rank test, Holm's correction, losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon
from statsmodels.stats.multitest import multipletests

from ape.evals.bootstrap import interval, interval_text

COMPARED = ("ap", "vus", "outside", "located")  # metrics
NOTABLE = 0.05  # difference of average precision that counts as better or worse
FEWEST_RECORDINGS = 5  # with a difference, for Wilcoxon's test


def lead(ap: pd.DataFrame, recordings: pd.Series, reference: str) -> pd.DataFrame:
    """Return the lead of the reference over each other system.

    Parameters
    ----------
    ap : DataFrame [series, systems]
        Average precision.
    recordings : Series
        Recording of each series.
    reference : str

    Returns
    -------
    DataFrame
        Mean difference with its interval, counts of better and worse series, and the p value of Wilcoxon's signed-rank
        test over recordings, with Holm's correction.
    """
    others = [system for system in ap if system != reference]
    rows = []
    for other in others:
        difference = (ap[reference] - ap[other]).dropna()
        rows.append((*interval(difference, recordings), *_notable(difference), _p_value(difference, recordings)))
    table = pd.DataFrame(rows, index=others, columns=["mean", "low", "high", "better", "worse", "p"])
    table["p, Holm"] = _holm(table["p"])
    return table.sort_values("mean")


def differences_of_pairs(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return the differences of pairs of systems, the first less the second.

    Parameters
    ----------
    rows : DataFrame
        With columns system, series, recording and metrics.
    pairs : sequence of (str, str)

    Returns
    -------
    DataFrame
        A row for each pair whose systems have a series in common: the number of these, the mean difference of each
        metric as text with its interval over recordings, the counts of series with better and worse average
        precision, and the p value of Wilcoxon's signed-rank test over recordings with Holm's correction over all pairs.
    """
    recordings, table = recordings_of(rows), {}
    for title, apart in _apart(rows, pairs).items():
        texts = {
            metric: interval_text(difference, recordings)
            for metric, difference in apart.items()
            if difference.notna().any()
        }
        ap = apart["ap"].dropna()
        better, worse = _notable(ap)
        counts = {"series": len(ap)} | texts | {"better": better, "worse": worse}
        table[title] = counts | {"p, Holm": _p_value(ap, recordings)}
    if not table:
        return pd.DataFrame()
    differences = pd.DataFrame(table).T
    differences["p, Holm"] = _holm(differences["p, Holm"])
    return differences


def intervals_of_pairs(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return mean, low and high of the differences of average precision, a row for each pair that was measured."""
    recordings = recordings_of(rows)
    table = {title: interval(apart["ap"], recordings) for title, apart in _apart(rows, pairs).items()}
    return pd.DataFrame(table, index=["mean", "low", "high"]).T


def losses_of_pairs(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return the series on which the first of two systems has clearly less average precision, with the difference."""
    table = {}
    for title, apart in _apart(rows, pairs).items():
        ap = apart["ap"].sort_values()
        lost = [f"{series} {change:.3f}" for series, change in ap[ap < -NOTABLE].items()]
        table[title] = {"series": ", ".join(lost) or "none"}
    return pd.DataFrame(table).T


def _apart(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> dict[str, pd.DataFrame]:
    """Return the differences [series, metrics] of each pair whose systems have a series in common."""
    metrics = [metric for metric in COMPARED if metric in rows]
    means = rows.groupby(["system", "series"])[metrics].mean()
    systems = set(means.index.get_level_values("system"))
    apart = {
        f"{first} less {second}": means.loc[[first]].droplevel("system") - means.loc[[second]].droplevel("system")
        for first, second in pairs
        if {first, second} <= systems
    }
    return {title: differences for title, differences in apart.items() if differences["ap"].notna().any()}


def _notable(difference: pd.Series) -> tuple[int, int]:
    """Return how many series are better, and how many are worse."""
    return int((difference > NOTABLE).sum()), int((difference < -NOTABLE).sum())


def _p_value(difference: pd.Series, recordings: pd.Series) -> float:
    """Return the p value of Wilcoxon's signed-rank test over recordings; NaN if too few of them differ."""
    by_recording = difference.groupby(recordings).mean()
    enough = (by_recording != 0).sum() >= FEWEST_RECORDINGS
    return float(wilcoxon(by_recording).pvalue) if enough else np.nan


def _holm(p_values: pd.Series) -> pd.Series:
    """Return the p values with Holm's correction; NaN counts for nothing."""
    corrected, tested = p_values.astype(float), p_values.notna()
    if tested.any():
        corrected[tested] = multipletests(corrected[tested], method="holm")[1]
    return corrected


def recordings_of(rows: pd.DataFrame, by: str | list[str] = "series") -> pd.Series:
    """Return the recording of each series."""
    return rows.drop_duplicates(by).set_index(by)["recording"]
