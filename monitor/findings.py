"""What is unusual in an event: measured in each channel at fault, against normal stretches at such a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ape.monitor.context import Context
from ape.monitor.durations import alike_text, length_text, number_text
from ape.monitor.event import Event, Finding, Way
from ape.monitor.expected import Expected, expected, stretches
from ape.series.series import runs
from ape.series.units import unit_text

EXPLAINED = 3  # channels at fault that are described
MOSTLY = 0.5  # share of an event, or of its deviation, from which on a description holds for it
PEAK_LENGTH, PEAK_SHARE = 0.1, 0.7  # a peak: so much of the deviation is in this share of the points
RAMP = 0.6  # share of what a level leaves unexplained, below which a line explains it better
FACTOR = 1.5  # from which on a channel varies more or less than usual
MANY = 100  # times as much variation: the channel hardly varies in normal data
CONSTANT = 1e-3  # standard deviations: less variation is none
STANDSTILL = 3  # points; shorter ones are nothing unusual
REFERENCES = 20  # normal stretches, if none have similar surroundings
MOST_POINTS = 20_000  # normal points from which relations between channels are measured
RELATED = 0.5  # least share of a channel's variance that the other channels explain in normal data
RIDGE = 1e-3  # of the variance
UNLIKE = "unlike"


class Found(NamedTuple):
    """What a test found: as in `ape.monitor.event.Finding`."""

    kind: str
    text: str
    value: float
    way: Way | None = None


def findings(event: Event, context: Context) -> tuple[Finding, ...]:
    """Return what is unusual in the first three channels at fault."""
    usual = expected(event, context)
    references = _references(event, context, usual.starts)
    names = [name for name, _ in event.channels[:EXPLAINED]]
    return tuple(_finding(_Case.of(event, context, usual, references, context.channel(name))) for name in names)


def _references(event: Event, context: Context, starts: np.ndarray) -> np.ndarray:
    """Return normal values to compare with, [k, n, C]: the nearest stretches, or else some at equal distances."""
    length = event.end - event.begin
    if len(starts) == 0:
        longest = max((end - begin for begin, end in context.segments), default=0)
        length = min(length, longest)
        fits = np.concatenate([np.arange(a, b - length + 1) for a, b in context.segments if b - a >= length])
        starts = fits[np.linspace(0, len(fits) - 1, REFERENCES).astype(int)]
    return stretches(context, starts, length)


@dataclass(frozen=True, eq=False)
class _Case:
    """One channel in an event, and what is usual there.

    ``values`` [n], ``low``, ``middle``, ``high`` [n] and ``references`` [k, m] are in data units.
    """

    event: Event
    context: Context
    channel: int
    values: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    references: np.ndarray
    there: str  # " there" if the references are of places like that of the event

    @classmethod
    def of(cls, event: Event, context: Context, usual: Expected, references: np.ndarray, channel: int) -> _Case:
        series = context.series
        offset = 0.0 if series.offset is None else series.offset[channel]
        values = series.exact_between(event.begin, event.end)[:, channel]
        return cls(
            event=event,
            context=context,
            channel=channel,
            values=values,
            low=usual.low[:, channel],
            middle=usual.middle[:, channel],
            high=usual.high[:, channel],
            references=references[..., channel] + offset,
            there=" there" if len(usual.starts) else "",
        )

    @property
    def name(self) -> str:
        return self.context.series.channels[self.channel]

    @property
    def median(self) -> float:
        return float(np.median(self.values))

    @property
    def scale(self) -> float:
        return float(self.context.scale[self.channel])

    def difference(self, size: float) -> str:
        """Return the size of a difference with its unit; differences of shares in percentage points."""
        unit = unit_text(self.name)
        return _with_unit(number_text(abs(size), 2), "percentage points" if unit == "%" else unit)

    def level(self, value: float, resolution: float) -> str:
        """Return a value with its unit, as precise as two digits of a difference."""
        return _with_unit(alike_text([value], resolution)[0], unit_text(self.name))

    def lasting(self, points: int) -> str:
        return length_text(points, self.context.series.step)


def _with_unit(number: str, unit: str | None) -> str:
    return number if unit is None else f"{number} {unit}"


def _finding(case: _Case) -> Finding:
    tests = (_lacking, _stuck, _displaced, _varying, _unrelated, _outside)
    found = next((found for test in tests if (found := test(case)) is not None), _unlike(case))
    return Finding(
        channel=case.name,
        kind=found.kind,
        text=found.text,
        value=found.value,
        usual=(float(np.median(case.low)), float(np.median(case.high))),
        unit=unit_text(case.name),
        way=found.way,
    )


def _lacking(case: _Case) -> Found | None:
    """Values that the file lacks."""
    lacking = case.context.series.absent[case.event.begin : case.event.end, case.channel]
    if lacking.mean() < MOSTLY:
        return None
    return Found("missing", f"no values for {case.lasting(int(lacking.sum()))}", case.median)


def _stuck(case: _Case) -> Found | None:
    """A standstill that lasts longer than any in normal data."""
    longest, at = _standstill(case.values)
    if longest < max(STANDSTILL, MOSTLY * len(case.values)):
        return None
    column, normal = case.context.normal[:, case.channel], case.context.segments
    usual = max((_standstill(column[begin:end])[0] for begin, end in normal), default=0)
    if longest <= usual:
        return None
    usually = f"at most {case.lasting(usual)} in normal data" if usual > 1 else "never in normal data"
    resolution = np.abs(np.diff(case.references)).max() or case.scale
    value = float(case.values[at])
    text = f"stays at {case.level(value, resolution)} for {case.lasting(longest)} ({usually})"
    return Found("stuck", text, value)


def _standstill(values: np.ndarray) -> tuple[int, int]:
    """Return the longest run of equal values, and where it begins."""
    begins, ends = runs(np.diff(values) == 0)
    if len(begins) == 0:
        return min(1, len(values)), 0
    longest = int((ends - begins).argmax())
    return int(ends[longest] - begins[longest]) + 1, int(begins[longest])


def _displaced(case: _Case) -> Found | None:
    """A peak, another level or a rise or fall, if it explains most of what is above the usual deviation."""
    deviation = case.values - case.middle
    others = _leaving_one_out(case.references)
    noise = np.square(others).mean()
    energy = np.square(deviation).sum()
    excess = energy - len(deviation) * noise
    if excess <= 0 or energy <= (CONSTANT * case.scale) ** 2 * len(deviation):
        return None
    size = np.abs(deviation)
    core = _core(size)
    shift = float(np.median(deviation[core]))
    around_level = energy - np.square(deviation[core]).sum() + np.square(deviation[core] - shift).sum()
    line = _line(deviation)
    around_line = np.square(deviation - line).sum()
    few = max(1, round(PEAK_LENGTH * len(deviation)))
    highest = int(size.argmax())
    if np.sort(size)[-few:] @ np.sort(size)[-few:] >= PEAK_SHARE * energy and size[highest] > np.abs(others).max():
        return _compared("peak", case, float(case.values[highest]), float(deviation[highest]))
    change = float(line[-1] - line[0])
    explained = MOSTLY * excess
    if around_line < RAMP * around_level and energy - around_line >= explained and abs(change) > abs(line.mean()):
        text = f"{'rises' if change > 0 else 'falls'} by {case.difference(change)} more than usual"
        return Found("ramp", text, float(case.values[-1]), "up" if change > 0 else "down")
    if energy - around_level >= explained and abs(shift) > np.abs(others.mean(axis=1)).max():
        return _compared("level", case, float(np.median(case.values[core])), shift)
    return None


def _core(size: np.ndarray) -> slice:
    """Return the part of an event from the first to the last large deviation: events may have normal borders."""
    far = np.flatnonzero(size >= 0.5 * np.quantile(size, 0.9))
    return slice(int(far[0]), int(far[-1]) + 1)


def _compared(kind: str, case: _Case, value: float, difference: float) -> Found:
    """Say how far a level or peak is from what is usual, and what both are."""
    side = "above" if difference > 0 else "below"
    now, usual = alike_text([value, value - difference], difference)
    instead = f"{now} instead of {_with_unit(usual, unit_text(case.name))}"
    text = f"{kind} {case.difference(difference)} {side} what is usual{case.there} ({instead})"
    return Found(kind, text, value, "up" if difference > 0 else "down")


def _leaving_one_out(references: np.ndarray) -> np.ndarray:
    """Return the deviations of each reference [k, m] from the median of the others."""
    rest = [np.nanmedian(np.delete(references, k, axis=0), axis=0) for k in range(len(references))]
    return np.nan_to_num(references - np.array(rest))


def _line(values: np.ndarray) -> np.ndarray:
    """Return the straight line through values that fits best, [n]."""
    if len(values) < 2:
        return values.copy()
    x = np.arange(len(values))
    return np.polynomial.Polynomial.fit(x, values, 1)(x)


def _varying(case: _Case) -> Found | None:
    """More or less variation, on the whole or from point to point: the one that is farther from usual."""
    if len(case.values) < STANDSTILL:
        return None
    floor = CONSTANT * case.scale
    factors = []
    for measure, how in ((_spread, ""), (_steps, " from point to point")):
        usual = [measure(one) + floor for one in case.references]
        now = measure(case.values) + floor
        if not min(usual) <= now <= max(usual):
            factors.append((now / float(np.median(usual)), how))
    factor, how = max(factors, key=lambda each: abs(np.log(each[0])), default=(1.0, ""))
    if max(factor, 1 / factor) < FACTOR:
        return None
    if factor > MANY:
        return Found("noisier", f"varies{how}, which it hardly does in normal data", case.median)
    if factor >= 2:
        return Found("noisier", f"varies {number_text(factor, 2)} times as much{how} as usual{case.there}", case.median)
    more = f"{number_text(100 * abs(factor - 1), 2)} % {'more' if factor > 1 else 'less'}"
    return Found("noisier" if factor > 1 else "calmer", f"varies {more}{how} than usual{case.there}", case.median)


def _spread(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float((values - _line(values)).std()) if len(values) else 0.0


def _steps(values: np.ndarray) -> float:
    changes = np.diff(values[np.isfinite(values)])
    return float(np.sqrt(np.square(changes).mean())) if len(changes) else 0.0


def _unrelated(case: _Case) -> Found | None:
    """A channel that the others explain in normal data, and not in the event."""
    context, event = case.context, case.event
    if context.series.n_channels < 2:
        return None
    normal = context.normal[context.points[:: -(-len(context.points) // MOST_POINTS)]]
    scaled = (normal - context.centre) / context.scale
    others, own = np.delete(scaled, case.channel, axis=1), scaled[:, case.channel]
    weights = np.linalg.solve(others.T @ others + RIDGE * len(own) * np.eye(others.shape[1]), others.T @ own)
    usual = np.square(own - others @ weights).mean()
    if usual > (1 - RELATED) * np.square(own).mean():
        return None
    now = (context.series.values[event.begin : event.end] - context.centre) / context.scale
    residual = np.square(now[:, case.channel] - np.delete(now, case.channel, axis=1) @ weights).mean()
    if residual <= FACTOR**2 * usual:
        return None
    return Found("unrelated", "does not follow the other channels", case.median)


def _outside(case: _Case) -> Found | None:
    """Values beyond the usual range for most of the event."""
    for beyond, bound in ((case.values > case.high, case.high), (case.values < case.low, case.low)):
        if beyond.mean() >= MOSTLY:
            return _compared("level", case, case.median, float(np.median(case.values - bound)))
    return None


def _unlike(case: _Case) -> Found:
    return Found(
        UNLIKE,
        "unlike normal data" if len(case.values) < STANDSTILL else "a pattern unlike normal data",
        case.median,
    )
