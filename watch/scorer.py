"""Score rows as they arrive: bounded memory, and the same bytes however they are cut and after a restart."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ape.core.errors import InputError
from ape.detectors import Detector
from ape.detectors.inputs import required_by
from ape.monitor.threshold import Threshold
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.following import MISSING
from ape.series import Requirements, Series
from ape.series.requirements import LARGEST
from ape.series.series import Gap
from ape.watch.engines import Engine, Followed, Windowed
from ape.watch.history import History
from ape.watch.rows import Rows

EPOCH = 8  # latencies after which references and sums are forgotten, so that memory and time stay bounded
SHORTEST_EPOCH = 4096  # rows
OVERLAP = 2  # latencies of the last epoch that the next one begins with: then its scores do not depend on its begin
LATEST = 2  # times the epoch after which it ends even if an event lasts
SECONDS = 10.0  # provisional scores are no older than this, and not computed more often
FORMAT = 1


@dataclass(frozen=True)
class Judged:
    """What is known after some rows. Rows are counted from 0 over all that were ever added.

    Parameters
    ----------
    known : int
        Rows so far.
    first_final : int
        Row of the first of the ``final`` scores.
    final : ndarray, float32 [m]
        Calibrated scores that became final.
    newest : ndarray, float32 [n]
        Provisional scores of the rows that follow them, up to ``known``. NaN where no window fits.
    missing : ndarray, bool [m + n]
        Which of these rows lack a value.
    cuts : tuple of int
        Rows since the last evaluation before which rows are missing.
    """

    known: int
    first_final: int
    final: np.ndarray
    newest: np.ndarray
    missing: np.ndarray
    cuts: tuple[int, ...]

    @property
    def score(self) -> float:
        """Score of the newest row that has one; NaN without any."""
        scores = np.concatenate([self.final, self.newest])
        scored = np.flatnonzero(np.isfinite(scores))
        return float(scores[scored[-1]]) if len(scored) else float("nan")


def usual_every(step: float | None) -> int:
    """Return after how many rows to evaluate: each row, or as many as arrive within ten seconds."""
    return 1 if step is None else max(1, int(SECONDS / step))


def scored_rows(state: bytes) -> int:
    """Return how many rows a scorer with this `LiveScorer.state` has scored."""
    with np.load(io.BytesIO(state), allow_pickle=False) as stored:
        return int(stored["counts"][1])


class LiveScorer:
    """Scores of rows that arrive.

    An enhanced detector is followed, see `ape.posttrain.following`; what it keeps of earlier rows is forgotten every
    few thousand rows, at a quiet time. So the scores are those of `EnhancedDetector.score` until then; later, they lack
    references among rows that are long past. A plain detector scores the windows of the last rows again.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    threshold : Threshold
        Of this detector.
    every : int
        Provisional scores are computed each time so many rows have arrived, counted from the first row ever.
    state : bytes, optional
        From `state`: go on there.

    Attributes
    ----------
    known : int
        Rows that are scored.
    start : int
        First row that is kept.

    Raises
    ------
    InputError
        The state belongs to a detector with another number of channels.
    """

    def __init__(
        self, detector: Detector | EnhancedDetector, threshold: Threshold, every: int = 1, state: bytes | None = None
    ) -> None:
        self.detector, self.threshold, self.every = detector, threshold, every
        self.required = required_by(detector) or Requirements()
        shift = detector.shift_and_scale[0].detach().cpu().double().numpy()
        usual = shift + self.required.offset_of(len(shift))
        self._engine: Engine = (
            Followed(detector) if isinstance(detector, EnhancedDetector) else Windowed(detector, threshold)
        )
        self.epoch = max(EPOCH * self._engine.latency, SHORTEST_EPOCH)
        if state is None:
            self._rows = History(usual, self.required)
            self.known = self.start = self._final = 0
            self._loud, self._highest = -1, MISSING
            self._engine.begin(0, MISSING)
        else:
            self._restore(state, usual)

    @property
    def latency(self) -> int:
        """Rows that have to be known after a row before its score is final."""
        return self._engine.latency

    def add(self, rows: Rows, last: bool = False) -> Iterator[Judged]:
        """Append rows, and yield what is known at each evaluation.

        Take all of them: rows are scored on the way. Rows wait until the next evaluation, and, if they lack values, for
        a few rows more until it is known whether these can be interpolated.

        Parameters
        ----------
        rows : Rows
        last : bool
            Whether nothing follows, so that nothing waits.
        """
        ready = self.start + self._rows.append(rows, last)
        for stop in range(self._next(), ready + 1, self.every):
            yield self._judge(stop)
        if last and self.known < ready:
            yield self._judge(ready)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return self.required.channels or tuple(f"channel {k}" for k in range(self._rows.values.shape[1]))

    def values(self, begin: int, end: int) -> np.ndarray:
        """Return the values of rows that are kept, float64 [n, C], data units; missing ones are filled or held."""
        return self._rows.values[begin - self.start : end - self.start]

    def time_text(self, row: int) -> str | None:
        """Return the time of a row; None without times, or if the row is not kept any more."""
        if self._rows.time is None or row < self.start:
            return None
        return str(self._rows.time[row - self.start].astype("datetime64[us]").item())

    def series(self) -> Series:
        """Return the rows that are kept and scored as a series; its first point is row `start`."""
        return self._series(self.start, self.known, alive=False)

    def state(self) -> bytes:
        """Return what is needed to go on after a restart (npz)."""
        out = io.BytesIO()
        counts = np.array([FORMAT, self.known, self.start, self._final, self._loud])
        arrays: dict[str, Any] = {"counts": counts, "highest": np.array(self._highest), **self._rows.arrays()}
        np.savez(out, **arrays)
        return out.getvalue()

    def _restore(self, state: bytes, usual: np.ndarray) -> None:
        with np.load(io.BytesIO(state), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        version, self.known, self.start, self._final, self._loud = arrays.pop("counts").tolist()
        self._highest = float(arrays.pop("highest"))
        if version != FORMAT or arrays["values"].shape[1] != len(usual):
            raise InputError(
                "the stored state belongs to another detector",
                "the watch",
                "watch under another name to start from the beginning",
            )
        self._rows = History(usual, self.required, arrays)
        self._engine.begin(self.start, self._highest)
        self._feed(self.start, self.known)

    def _next(self) -> int:
        return (self.known // self.every + 1) * self.every

    def _judge(self, stop: int) -> Judged:
        """Score the rows before ``stop``."""
        first, before = self._final, self.known
        parts = [self._renew()] if self._is_over() else []
        parts.append(self._feed(self.known, stop))
        self.known = stop
        final = np.concatenate(parts)
        newest = self._engine.newest()[self._final - self._engine.final :]
        loud = np.flatnonzero(np.concatenate([final, newest]) >= self.threshold.level)
        self._loud = first + int(loud[-1]) if len(loud) else self._loud
        missing = (self._rows.missing | self._rows.dead)[first - self.start : stop - self.start].any(axis=1)
        cuts = before + np.flatnonzero(self._rows.gap[before - self.start : stop - self.start])
        return Judged(stop, first, final, newest, missing, tuple(cuts[cuts > 0].tolist()))

    def _is_over(self) -> bool:
        """Whether the epoch is over: it is long, and no event is near."""
        length = self.known - self.start
        quiet = self._loud < self.known - OVERLAP * self.latency
        return length >= self.epoch and (quiet or length >= LATEST * self.epoch)

    def _renew(self) -> np.ndarray:
        """Begin a new epoch with the last rows of this one; return scores that became final."""
        self._highest = self._engine.highest
        start = min(self.known - OVERLAP * self.latency, self._final)
        start -= (start - self.start) % self._engine.step  # windows start at the same rows as before
        self._rows.forget(start - self.start)
        self.start = start
        self._engine.begin(start, self._highest)
        return self._feed(start, self.known)

    def _feed(self, begin: int, end: int) -> np.ndarray:
        """Give some rows to the detector; return the scores that became final and were not before, float32."""
        parts = []
        edges = begin + 1 + np.flatnonzero(self._rows.gap[begin + 1 - self.start : end - self.start])
        for first, stop in zip([begin, *edges.tolist()], [*edges.tolist(), end], strict=True):
            if first < stop:
                at = self._engine.final
                gap = bool(self._rows.gap[first - self.start]) and first > self.start
                found = self._engine.feed(self._series(first, stop, alive=True), gap)
                parts.append(found[max(self._final - at, 0) :])
                self._final += len(parts[-1])
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _series(self, begin: int, end: int, alive: bool) -> Series:
        """Return some rows as a series.

        With ``alive``, values count as missing from where a channel is known to be dead. Otherwise, they are left to
        whoever sees the whole standstill.
        """
        rows, part = self._rows, slice(begin - self.start, end - self.start)
        offset = self.required.offset_of(rows.values.shape[1])
        missing, dead = rows.missing[part], rows.dead[part]
        missing = missing | dead if alive else missing
        time = None if rows.time is None else rows.time[part]
        return Series(
            values=(rows.values[part] - offset).clip(-LARGEST, LARGEST).astype(np.float32),
            channels=self.channels,
            timestamps=time,
            name="the rows",
            step=self.required.step,
            gaps=tuple(self._gap(at, time) for at in np.flatnonzero(rows.gap[part]).tolist() if at > 0),
            missing=missing if missing.any() else None,
            dead=dead if alive and dead.any() else None,
            offset=offset if offset.any() else None,
            named=self.required.named,
            counters=self.required.counters,
        )

    def _gap(self, at: int, time: np.ndarray | None) -> Gap:
        """Describe a gap before a row; its length is known from the times only."""
        if time is None:
            return Gap(at, 1, 0.0)
        seconds = float((time[at] - time[at - 1]) / np.timedelta64(1, "s"))
        step = self.required.step
        return Gap(at, 1 if step is None else max(1, round(seconds / step) - 1), seconds)
