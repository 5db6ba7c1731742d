"""Follow events while scores arrive: each opens, grows and closes, or is withdrawn."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ape.monitor.alarms import YOUNG
from ape.monitor.event_files import NONE
from ape.monitor.spans import BELOW, JOINED, Span, reach
from ape.monitor.spans import spans as spans_of
from ape.monitor.threshold import Threshold
from ape.watch.describing import Described
from ape.watch.records import Record, State
from ape.watch.scorer import Judged

KEPT = 4096  # rows whose scores are kept
LONGER, HIGHER = 2.0, 1.5  # times the length and height in the last report, from which on an event is reported again
OVER = YOUNG + JOINED  # rows after an event, from which on it is reported as over
# How far above the level a provisional score has to be to open an event. It is judged again with each row that follows,
# so that the highest of many scores counts, and the level is made for one.
PROVISIONAL = 1.5


@dataclass(frozen=True)
class _Tracked:
    """Rows with high scores that are not settled.

    Parameters
    ----------
    alarm : int
        Row at which the first alarm was raised.
    begin, end : int
        Where scores are high by now.
    length : int
        When they were described last, and at least 32; so is ``score``.
    reported : Record or None
        What was reported last. None: it is no event, because a benign rule keeps it quiet, or because it is part of
        another one.
    """

    alarm: int
    begin: int
    end: int
    length: int
    score: float
    reported: Record | None


class EventTracker:
    """Events of scores that arrive.

    An event opens at the first evaluation at which a final score reaches the level, or a provisional one with enough
    rows after it is ``PROVISIONAL`` above it, or at once where values are missing (see `ape.monitor.alarms`). It is
    reported again when it is twice as long or half as high again, and once it seems to be over. It closes when enough
    rows after it have final scores that are low, and is as in ``events.json`` then. It is withdrawn if its final scores
    are low, or if a benign rule keeps it quiet. A closed event stays as it is: a later one that would have been joined
    with it is an event of its own.

    Parameters
    ----------
    name : str
        Of the watch.
    threshold : Threshold
    describe : callable
        ``describe(begin, end)`` returns what the rows up to now say about some rows, see
        `ape.watch.describing.Describer`.
    state : mapping, optional
        From `state`: go on there.
    """

    def __init__(
        self,
        name: str,
        threshold: Threshold,
        describe: Callable[[int, int], Described],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.threshold, self._describe = name, threshold, describe
        stored = state or {}
        self._base = int(stored.get("base", 0))  # row of the first score that is kept
        self._scores = np.frombuffer(base64.b64decode(stored.get("scores", "")), dtype=np.float32)
        packed = np.frombuffer(base64.b64decode(stored.get("missing", "")), dtype=np.uint8)
        self._missing = np.unpackbits(packed, count=len(self._scores)).astype(bool)
        self._cuts: list[int] = list(stored.get("cuts", []))
        self._tracked = [_tracked(each) for each in stored.get("tracked", [])]
        self._closed: list[list[int]] = [list(each) for each in stored.get("closed", [])]  # [begin, settled until]

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on after a restart, as JSON."""
        return {
            "base": self._base,
            "scores": base64.b64encode(self._scores.tobytes()).decode(),
            "missing": base64.b64encode(np.packbits(self._missing).tobytes()).decode(),
            "cuts": self._cuts,
            "tracked": [asdict(each) for each in self._tracked],
            "closed": self._closed,
        }

    @property
    def open(self) -> tuple[Record, ...]:
        """What was reported last about the events that are open."""
        return tuple(each.reported for each in self._tracked if each.reported is not None)

    def add(self, judged: Judged) -> list[Record]:
        """Return the records of an evaluation."""
        count = len(judged.final)
        self._scores = np.concatenate([self._scores, judged.final])
        self._missing = np.concatenate([self._missing, judged.missing[:count]])
        self._cuts += judged.cuts
        final = judged.first_final + count
        score = np.concatenate([self._scores, judged.newest]).astype(np.float64)
        missing = np.concatenate([self._missing, judged.missing[count:]])
        spans = self._spans(score, missing)
        records: list[Record] = []
        taken: dict[Span, _Tracked] = {}
        kept: list[_Tracked] = []
        for each in self._tracked:
            span = max(spans, key=lambda span: _common(span, each), default=None)
            if span is None or _common(span, each) <= 0:
                self._without_span(each, final, kept, records)
            elif span in taken:
                _joined(each, taken[span], kept, records)
            else:
                taken[span] = each
                self._with_span(each, span, judged.known, final, kept, records)
        self._tracked = kept
        for span in spans:
            if span not in taken:
                each = _Tracked(span.begin, span.begin, span.end, max(span.end - span.begin, YOUNG), span.peak, None)
                self._tracked.append(self._reported(each, records))
        self._forget(final)
        return records

    def _spans(self, score: np.ndarray, missing: np.ndarray) -> list[Span]:
        """Return where scores are high and no closed event is; rows.

        Only an event that is tracked already goes on with provisional scores that just reach the level.
        """
        level, base = self.threshold.level, self._base
        cuts = [cut - base for cut in self._cuts]
        young = np.zeros(len(score), dtype=bool)
        for end in (*cuts, len(score)):
            young[max(0, end - YOUNG) : end] = True
        at = np.arange(len(score))
        known = at < len(self._scores)
        for each in self._tracked:
            known |= (each.begin - base <= at) & (at < each.end - base)
        young |= ~known & (score < level + PROVISIONAL)
        young &= ~missing
        found = []
        for span in spans_of(score, level, cuts, young):
            begin = span.begin
            for first, until in self._closed:
                if first - base < span.end and begin < until - base:
                    begin = until - base
            if begin > span.begin:
                high = begin + np.flatnonzero(score[begin : span.end] >= level - BELOW)
                begin = int(high[0]) if len(high) else span.end
                raised = begin < span.end and (score[begin : span.end][~young[begin : span.end]] >= level).any()
                if not raised:
                    continue
            found.append(Span(begin + base, span.end + base, float(np.nanmax(score[begin : span.end]))))
        return found

    def _with_span(
        self, each: _Tracked, span: Span, known: int, final: int, kept: list[_Tracked], records: list[Record]
    ) -> None:
        """Go on with an event whose scores are high."""
        now = replace(each, begin=min(each.begin, span.begin), end=span.end)
        last = now.end if each.reported is None else max(now.end, each.reported.end)
        length = now.end - now.begin
        settled = last + int(np.ceil(reach(length)))  # a high score before it would be joined
        if final >= settled:
            self._end(now, records)
            self._closed.append([now.begin, settled])
        elif (
            length >= LONGER * each.length
            or span.peak >= HIGHER * each.score
            or (each.reported is not None and each.reported.ongoing and now.end + OVER <= known)
        ):
            now = replace(now, length=max(length, each.length), score=max(span.peak, each.score))
            kept.append(self._reported(now, records))
        else:
            kept.append(now)

    def _without_span(self, each: _Tracked, final: int, kept: list[_Tracked], records: list[Record]) -> None:
        """Withdraw an event whose scores are low, once they are final."""
        if final < each.end + JOINED:
            kept.append(each)
        elif each.reported is not None:
            reason = "withdrawn: all scores are known now, and none is high enough"
            records.append(_next(each.reported, "withdraw", ongoing=False, reason=reason))

    def _end(self, each: _Tracked, records: list[Record]) -> None:
        """Close an event, or withdraw it. One that is known to be an event only now opens and closes."""
        reported = self._reported(each, records).reported if each.reported is None else each.reported
        if reported is None:
            return
        described = self._describe(each.begin, each.end)
        if described.event is None:
            records.append(_next(reported, "withdraw", ongoing=False, reason=f"withdrawn: {described.quiet}"))
        else:
            records.append(_next(reported, "close", **{**self._fields(each, described), "ongoing": False}))

    def _reported(self, each: _Tracked, records: list[Record]) -> _Tracked:
        """Report an event for the first time, or again; not if it is none."""
        described = self._describe(each.begin, each.end)
        event = described.event
        if event is None:
            return each
        if each.reported is None:
            others = [*((reported.start, reported.end) for reported in self.open), *self._closed]
            if any(event["start"] < end and begin < event["end"] for begin, end in others):
                return each  # two runs of high scores are one event
            name = f"{self.name}-{each.alarm}"
            record = Record(id=name, sequence=0, state="open", **self._fields(each, described))
        else:
            record = _next(each.reported, "grow", **self._fields(each, described))
        records.append(record)
        return replace(each, reported=record)

    def _fields(self, each: _Tracked, described: Described) -> dict[str, Any]:
        """Return the fields of a record. An event that began before the rows that are kept keeps its begin."""
        event, reported = dict(described.event or {}), each.reported
        if reported is not None and reported.start < described.first:
            event |= {"start": reported.start, "start_time": reported.start_time}
            if reported.score > event["score"]:
                event |= {"peak": reported.peak, "peak_time": reported.peak_time, "score": reported.score}
                event |= {"expected_every": reported.expected_every}
        names = [name for name in Record.__dataclass_fields__ if name in event]
        fields = {name: event[name] for name in names if name not in ("id", "sequence", "state")}
        if fields["rule"] == NONE:
            fields |= {"rule": None, "rule_probability": None}
        fields["score"] = fields["score"] or round(each.score, 3)
        return {**fields, "threshold": round(self.threshold.level, 4)}

    def _forget(self, final: int) -> None:
        """Forget scores of long ago."""
        drop = final - KEPT - self._base
        if drop > 0:
            self._scores, self._missing, self._base = self._scores[drop:], self._missing[drop:], self._base + drop
            self._cuts = [cut for cut in self._cuts if cut > self._base]
            self._closed = [each for each in self._closed if each[1] > self._base]


def _tracked(stored: Mapping[str, Any]) -> _Tracked:
    reported = stored["reported"]
    return _Tracked(**{**stored, "reported": None if reported is None else Record(**reported)})


def _joined(each: _Tracked, other: _Tracked, kept: list[_Tracked], records: list[Record]) -> None:
    """Withdraw an event that turns out to be part of another one."""
    if each.reported is None:
        return
    if other.reported is None:  # which is quiet: nobody knows of it
        kept.append(each)
        return
    records.append(
        _next(each.reported, "withdraw", ongoing=False, reason=f"withdrawn: it is part of {other.reported.id}")
    )


def _common(span: Span, each: _Tracked) -> int:
    return min(span.end, each.end) - max(span.begin, each.begin)


def _next(reported: Record, state: State, **fields: Any) -> Record:
    return replace(reported, sequence=reported.sequence + 1, state=state, **fields)
