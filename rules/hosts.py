"""Windows of the training part that rules are checked on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from ape.core.errors import InputError
from ape.rules.placement import MAX_SHARE, allowed_starts
from ape.rules.schema import Context, Rule
from ape.series import Series
from ape.series.windows import count_points, longest_window, sliding, split_starts, usable

HELD_OUT_SHARE = 0.35  # of the training part, for the hosts of the check
HOSTS = 192  # windows that get an anomaly, and as many that stay normal
PLACED_SHARE = 0.95  # of the hosts, from which all of them serve a rule; otherwise it gets hosts of its own
MOST_TRIED, LEAST_OWN = 3072, 16  # windows that are searched for hosts of a rule, and hosts that must be found
REFERENCES = 800  # at most; earlier windows that are searched for the nearest one


class Compared(NamedTuple):
    """Positions [N] and features [N, F] of anomalies that other rules are compared with."""

    starts: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class Hosts:
    """Windows that rules are checked on.

    Parameters
    ----------
    windows : Tensor, float32 [N, C, L]
        Host windows.
    starts : Tensor, int64 [N]
        Their positions in the series.
    normal : ndarray, float32 [N, C, L]
        Other windows, to compare the anomalies with.
    normal_starts : ndarray, int64 [N]
    earlier : ndarray, int64 [M]
        Positions of earlier windows, for the distance to the nearest normal window.
    values : ndarray, float32 [T, C]
        The series.
    pool : ndarray, int64 [P]
        Positions of the windows that hosts may be drawn from.
    accepted_features : dict
        Cache: hosts' positions and features of the anomalies of accepted rules.
    """

    windows: torch.Tensor
    starts: torch.Tensor
    normal: np.ndarray
    normal_starts: np.ndarray
    earlier: np.ndarray
    values: np.ndarray
    pool: np.ndarray
    accepted_features: dict[str, Compared] = field(default_factory=dict)

    @cached_property
    def views(self) -> np.ndarray:
        """All windows of the series, float32 [T - L + 1, C, L], without a copy."""
        return sliding(self.values, self.windows.shape[2])

    @cached_property
    def reference(self) -> np.ndarray:
        """The earlier windows, float32 [M, C * L]."""
        return self.views[self.earlier].reshape(len(self.earlier), -1)

    def of(self, columns: list[int]) -> Hosts:
        """Return the same windows of some channels."""
        return replace(
            self,
            windows=self.windows[:, columns],
            normal=self.normal[:, columns],
            values=np.ascontiguousarray(self.values[:, columns]),
        )


def draw_hosts(series: Series, context: Context, seed: int, *, held_out: bool = True) -> Hosts:
    """Draw hosts from the training part: from its held-out end, or from the design part before it.

    A window has two cycles; at least 32 samples, and at most 512 samples or a sixth of the training part.

    Raises
    ------
    InputError
        The training part has too few points in stretches without gaps.
    """
    segments = series.train_segments
    window = int(np.clip(2 * context.cycle, 32, max(32, min(512, longest_window(segments, 6)))))
    count = count_points(usable(segments, window))
    if count < 2 * window:
        raise InputError(
            f"{count} training points in stretches of {window} or more are too few",
            series.name,
            f"give at least {2 * window} in a row",
        )
    split = max(window, min(int((1 - HELD_OUT_SHARE) * count), count - 2 * window))
    early, late = split_starts(segments, window, count - split)
    rng, views = np.random.default_rng(seed), sliding(series.values, window)
    pool = late if held_out else early
    picks = pool[np.sort(rng.integers(len(pool), size=(2, HOSTS)), axis=1)]
    compared = early[np.unique(np.linspace(0, len(early) - 1, min(len(early), REFERENCES)).astype(int))]
    return Hosts(
        windows=torch.from_numpy(views[picks[0]].copy()),
        starts=torch.from_numpy(picks[0]),
        normal=views[picks[1]],
        normal_starts=picks[1],
        earlier=compared,
        values=series.values,
        pool=pool,
    )


def hosts_for(rule: Rule, context: Context, hosts: Hosts, seed: int) -> Hosts:
    """Return the hosts, or others in which a rule that is bound to hours or regimes has a place.

    Anomalies in the others are compared with the same windows as they are, so that the hour alone tells nothing.
    """
    if _has_place(rule, context, hosts.windows, hosts.starts).mean() >= PLACED_SHARE:
        return hosts
    rng = np.random.default_rng([seed, HOSTS])
    tried, found = rng.permutation(hosts.pool)[:MOST_TRIED], np.zeros(0, dtype=np.int64)
    for part in np.array_split(tried, -(-len(tried) // HOSTS)):
        if len(found) < HOSTS:
            windows = torch.from_numpy(hosts.views[part].copy())
            found = np.concatenate([found, part[_has_place(rule, context, windows, torch.from_numpy(part))]])
    if len(found) < LEAST_OWN:
        return hosts
    starts = np.sort(found[:HOSTS] if len(found) >= HOSTS else rng.choice(found, HOSTS))
    own = hosts.views[starts].copy()
    return replace(
        hosts, windows=torch.from_numpy(own), starts=torch.from_numpy(starts), normal=own, normal_starts=starts
    )


def _has_place(rule: Rule, context: Context, windows: torch.Tensor, starts: torch.Tensor) -> np.ndarray:
    """Return whether each window has an allowed start at which an anomaly of the usual length fits, bool [N]."""
    length = np.sqrt(rule.duration.low * rule.duration.high)
    length *= context.cycle if rule.duration.unit == "periods" else 1
    last = max(1, windows.shape[2] - int(min(length, MAX_SHARE * windows.shape[2])))
    return allowed_starts(rule.context, context, windows, starts)[:, :last].any(dim=1).numpy()
