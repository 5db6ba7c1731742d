"""When a benign rule can hold: at its hours and days, its phase, or after a change, and as long as it may last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ape.rules.naming import channel_indices
from ape.rules.schema import Context, Range, Rule
from ape.series import Series

WEEK, DAY = 7 * 24 * 60, 24 * 60  # minutes
MONDAY = np.datetime64("1970-01-05T00:00")
BINS = 1000  # of a period
CHANGES = 0.005  # share of the points at which a channel moves by more than is usual, see `build_context`
OFTEN = 0.5  # share of all times from which on a rule has no times of its own
SLACK = 8  # samples by which evidence spreads to either side of where it belongs, and by which clocks may be off


@dataclass(frozen=True)
class _Opening:
    """When one rule can hold. A field is None where the rule sets no such condition."""

    week: np.ndarray | None  # bool [minutes of a week]
    cycle: np.ndarray | None  # bool [1000 bins of a period]
    since: tuple[float, float] | None  # samples since a change
    channels: list[int]

    @property
    def concentration(self) -> float:
        """Logarithm of one by the share of all times at which the rule can hold; 0 if it can at half of them."""
        shares = [max(part.mean(), 1e-9) for part in (self.week, self.cycle) if part is not None]
        if self.since is not None:
            shares.append(min(1.0, CHANGES * len(self.channels) * (self.since[1] - max(self.since[0], 0.0) + 1)))
        share = float(np.prod(shares))
        return -float(np.log(share)) if share < OFTEN else 0.0


class Gates:
    """Where benign rules can hold in a series that may arrive in pieces. The result does not depend on how it is cut.

    A rule can hold from where its contextual prior lets it start until its longest duration is over. Conditions on the
    level or the activity at the start are left out, because the behaviour itself changes both. Rules with
    dates, and rules of days that look like others, hold nowhere: planned work may look like anything, and a day is
    compared as a whole, see `ape.monitor.quiet`. Without times, a rule with hours or weekdays holds nowhere, and so
    does one with a phase where the phase is not known.

    Parameters
    ----------
    rules : sequence of Rule
        Benign rules Q.
    context : Context
    position : int or None
        Sampling steps from the begin of the training part to the first point; None if they are not known.
    """

    def __init__(self, rules: Sequence[Rule], context: Context, position: int | None) -> None:
        self.openings = [_opening(rule, context) for rule in rules]
        self.period, self.origin, self.position = context.period, context.phase_origin, position
        self.steps = np.array([channel.change for channel in context.channels])
        self.since = np.full(len(rules), np.inf)
        self.last: np.ndarray | None = None

    def priors(self, series: Series, gap: bool = False) -> np.ndarray:
        """Return how much more likely each rule is at the next points than at any time, natural logarithm [n, Q].

        It is minus infinity where the rule cannot hold. Elsewhere it is the logarithm of one by the share of times at
        which it can; 0 if it can at half of them or more, as without any condition.

        Parameters
        ----------
        series : Series
            The next points, with the channels and offsets of training.
        gap : bool
            Whether rows are missing before them, no matter how many: then the phase is not known any more.
        """
        found = np.ones((series.length, len(self.openings)), dtype=bool)
        if series.length == 0:
            return np.zeros(found.shape)
        cut, missing = np.zeros(series.length, dtype=bool), np.zeros(series.length, dtype=np.int64)
        cut[0] = gap
        for each in series.gaps:
            cut[each.position], missing[each.position] = True, each.missing
        self.position = None if gap else self.position
        clock = None if series.clock is None else _minute_of_week(series.clock)
        steps = None if self.position is None else self.position + np.arange(series.length) + missing.cumsum()
        for q, opening in enumerate(self.openings):
            if opening.week is not None:
                found[:, q] &= False if clock is None else opening.week[clock]
            if opening.cycle is not None and self.period is not None:
                bins = None if steps is None else (steps - self.origin) % self.period * BINS // self.period
                found[:, q] &= False if bins is None else opening.cycle[bins]
            if opening.since is not None:
                since = self._since(q, series.values, cut)
                found[:, q] &= (since >= opening.since[0]) & (since <= opening.since[1])
        if steps is not None:
            self.position = int(steps[-1]) + 1
        self.last = series.values[-1:]
        return np.where(found, [opening.concentration for opening in self.openings], -np.inf)

    def _since(self, q: int, values: np.ndarray, cut: np.ndarray) -> np.ndarray:
        """Return the samples since a channel of a rule last moved by more than usual, float [n]; none across gaps."""
        before = values[:1] if self.last is None else self.last
        moved = np.abs(np.diff(np.concatenate([before, values]), axis=0)) > self.steps
        jumped = moved[:, self.openings[q].channels].any(axis=1) & ~cut
        at = np.arange(len(values))
        newest = np.maximum.accumulate(np.where(jumped | cut, at, -1))  # a gap forgets what was before it
        since = np.where(newest < 0, self.since[q] + 1 + at, np.where(cut[newest], np.inf, at - newest))
        self.since[q] = since[-1]
        return np.asarray(since)


def _opening(rule: Rule, context: Context) -> _Opening:
    prior, longest = rule.context, rule.duration.high * (context.cycle if rule.duration.unit == "periods" else 1)
    week = cycle = since = None
    if prior.hours is not None or prior.weekdays:
        minutes = np.arange(WEEK)
        starts = np.ones(WEEK, dtype=bool)
        if prior.hours is not None:
            starts &= _within(minutes % DAY / 60, prior.hours, 24.0, 1 / 60)
        if prior.weekdays:
            starts &= np.isin(minutes // DAY, prior.weekdays)
        step = 60 * (context.hours_per_step or 0.0)
        week = _prolonged(starts, SLACK * step, longest * step)
    if prior.times or prior.like_weekdays:
        week = np.zeros(WEEK, dtype=bool)
    if prior.phase is not None and context.period is not None:
        starts = _within(np.arange(BINS) / BINS, prior.phase, 1.0, 1 / BINS)
        cycle = _prolonged(starts, SLACK * BINS / context.period, longest * BINS / context.period)
    if prior.after_change is not None:
        since = prior.after_change.low - SLACK, prior.after_change.high + longest + SLACK
    return _Opening(week, cycle, since, channel_indices(prior, context))


def _within(values: np.ndarray, prior: Range, cycle: float, width: float) -> np.ndarray:
    """Return which bins, from ``values`` to ``values + width``, a range on a cycle overlaps, bool."""
    begins_inside = (values - prior.low) % cycle <= prior.high - prior.low
    return np.asarray(begins_inside | ((prior.low - values) % cycle < width))


def _prolonged(starts: np.ndarray, before: float, after: float) -> np.ndarray:
    """Prolong each run of true values on a cycle by some bins before it and, in addition, some after it."""
    total = len(starts)
    before, after = int(np.ceil(before)), int(np.ceil(before + after))
    if not starts.any() or before + after + 1 >= total:
        return np.full(total, starts.any())
    edges = np.concatenate([starts[-after:], starts, starts[:before]]) if after or before else starts
    counts = np.concatenate([[0], edges.cumsum()])
    return np.asarray(counts[before + after + 1 :] > counts[:total])


def _minute_of_week(clock: np.ndarray) -> np.ndarray:
    """Return the minute of the week of times, int64."""
    return (clock.astype("datetime64[m]") - MONDAY).astype(np.int64) % WEEK
