"""Group the channels of a series that move together, each group with the channel that represents it best."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.ndimage import uniform_filter1d
from scipy.spatial.distance import squareform

from ape.series.numerics import dominant_period
from ape.series.series import Series
from ape.series.windows import longest, usable

WIDE = 16  # channels; a series with more is wide: it is studied by groups
MOST_POINTS = 20_000  # longer series are sampled at evenly spaced rows
CYCLES = 4  # of a series without a period, in its place
TOGETHER, TOGETHER_WIDE = 0.7, 0.5  # mean absolute correlation of channels that go together; of wide series
LEAST_PREFIX = 2  # characters of a common prefix that can name a group
_SEPARATORS = re.compile(r"[\s._\-/:|()\[\]]+$")
_BORDER = re.compile(r"(?<=[\s._\-/:|])|(?<=[a-z0-9])(?=[A-Z])|(?<=\d)(?=[^\d\s._\-/:|])")


@dataclass(frozen=True)
class Group:
    """Channels that move together.

    Parameters
    ----------
    name : str
        The common begin of their names if it is theirs alone, else g1, g2, ...
    columns : tuple of int
        The representative first.
    """

    name: str
    columns: tuple[int, ...]


def correlations(values: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of every pair of columns of ``values`` [n, C], [C, C]; NaN if one is constant."""
    rows = np.asarray(values[:: -(-len(values) // MOST_POINTS)], dtype=np.float64)
    centred = rows - rows.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    product = np.outer(length, length)
    return np.divide(centred.T @ centred, product, out=np.full(product.shape, np.nan), where=product > 0)


def channel_groups(values: np.ndarray) -> list[list[int]]:
    """Group the columns of ``values`` [n, C] that go together, by average linkage of their absolute correlations.

    Of more than `WIDE` columns, the correlations of their `fast_part` count as much: many channels of a plant follow
    the same day, and only those of one machine follow its load.

    Returns
    -------
    list of list of int
        Columns of each group, the one that correlates most with the others first. The largest group is first; groups
        of one size are ordered by the spread of their first column relative to its largest value. Constant columns
        are left out.
    """
    matrix, least = np.abs(np.nan_to_num(correlations(values))), TOGETHER
    if len(matrix) > WIDE:
        least = TOGETHER_WIDE
        matrix = (matrix + np.abs(np.nan_to_num(correlations(fast_part(values))))) / 2
    varies = np.flatnonzero(matrix.diagonal() > 0)
    if not len(varies):
        return []
    close = np.minimum(matrix[np.ix_(varies, varies)], 1.0)
    label = np.ones(1, dtype=int)
    if len(varies) > 1:
        distance = squareform(1 - close, checks=False)
        label = fcluster(linkage(distance, "average"), 1 - least, "distance")
    spread = values.std(axis=0) / np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    groups = []
    for each in np.unique(label):
        members = np.flatnonzero(label == each)
        order = np.argsort(-close[np.ix_(members, members)].sum(axis=1), kind="stable")
        groups.append([int(column) for column in varies[members[order]]])
    return sorted(groups, key=lambda group: (-len(group), -spread[group[0]]))


def groups_of(series: Series) -> list[Group]:
    """Return the groups of a wide series by the longest stretch of its training part; see `named_groups`."""
    if series.n_channels <= WIDE:
        return []
    begin, end = longest(usable(series.train_segments, 2))
    return named_groups(series.values[begin:end], series.channels)


def fast_part(values: np.ndarray) -> np.ndarray:
    """Return the newest values of columns [n, C] without what is slower than a quarter of their period."""
    newest = np.asarray(values[-MOST_POINTS:], dtype=np.float64)
    period = dominant_period(newest) or len(newest) // CYCLES
    return newest - uniform_filter1d(newest, max(3, period // 4), axis=0, mode="nearest")


def named_groups(values: np.ndarray, names: Sequence[str]) -> list[Group]:
    """Return the groups of a wide series with their names; none for a series with up to `WIDE` channels.

    Parameters
    ----------
    values : ndarray [n, C]
        Normal data without gaps.
    names : sequence of str
        Of the channels.
    """
    if len(names) <= WIDE:
        return []
    found, taken = [], set(names)
    shares = Counter(prefix for name in names for prefix in _prefixes(name))
    for number, columns in enumerate(channel_groups(values), start=1):
        common = _common([names[column] for column in columns])
        own = len(columns) > 1 and common not in taken and shares[common] == len(columns)
        name = common if own and len(common) >= LEAST_PREFIX else f"g{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(Group(name, tuple(columns)))
    return found


def _common(names: Sequence[str]) -> str:
    """The longest common begin of names that ends where a word of all of them ends, without separators at its end."""
    return max(set.intersection(*map(_prefixes, names)), key=len, default="")


def _prefixes(name: str) -> set[str]:
    """Begins of a name that end where a word of it ends."""
    cuts = (name[: match.start()] for match in _BORDER.finditer(name) if match.start() > 0)
    return {_SEPARATORS.sub("", cut) for cut in cuts} - {""}
