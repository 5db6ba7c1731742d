"""Report once that normal data have moved away from the training data, with a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.core.files import write_bytes
from ape.watch.records import Record
from ape.watch.scorer import Judged, LiveScorer

SHORTEST = 128  # rows of a block; otherwise the latency
TYPICAL = 1.0  # median score of a block from which on it has moved: in training, one row in ten scores as high
RARE = 6.0  # score of one normal point in a million
OUTSIDE = 0.2  # or share of its rows outside of the training range of a channel
RECENT, MANY, FEW = 10, 8, 2  # of the last 10 blocks: so many have moved; so few, and it may be reported again
MEASURED = 0.5  # share of the rows of a block that need values
SHOWN = 60  # blocks in the picture, which are kept
MOST = 3  # channels in the picture and in the text
COLOUR, USUAL = "#c8102e", "#5b8fd0"


class DriftWatch:
    """Whether normal data are still like the training data.

    Blocks of rows with final scores are looked at. A block has moved if its median score is one that a tenth of the
    normal points reach, or if a fifth of its rows is outside of the training range of a channel. Short events change
    neither. A change that stays is a fault or a new normal state: which one, a person has to say.

    Parameters
    ----------
    scorer : LiveScorer
    name : str
        Of the watch, for the id of the record.
    picture : Path
        PNG file that is written before the record.
    state : mapping, optional
        From `state`: go on there.
    """

    def __init__(self, scorer: LiveScorer, name: str, picture: Path, state: Mapping[str, Any] | None = None) -> None:
        self.scorer, self.name, self.picture = scorer, name, picture.resolve()
        self.block = max(scorer.latency, SHORTEST)
        required, channels = scorer.required, len(scorer.channels)
        offset = required.offset_of(channels)
        self._low = np.array(required.lowest or [-np.inf] * channels) + offset
        self._high = np.array(required.highest or [np.inf] * channels) + offset
        stored = state or {}
        self._reported = bool(stored.get("reported", False))
        # Rows of the block that is not complete: score, and values [n, 1 + C]; NaN where a value is missing.
        self._rows = _read(stored.get("rows"), 1 + channels)
        # Of each block: number of the first row, median score, and for each channel 3 quantiles and the share outside.
        self._blocks = _read(stored.get("blocks"), 2 + 4 * channels)
        # Times of the first rows of the blocks; the last one is that of the block that is not complete.
        self._times: list[str | None] = list(stored.get("times", []))

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on after a restart, as JSON."""
        rows, blocks = (base64.b64encode(part.tobytes()).decode() for part in (self._rows, self._blocks))
        return {"reported": self._reported, "rows": rows, "blocks": blocks, "times": self._times}

    def add(self, judged: Judged) -> list[Record]:
        """Return the records of an evaluation: one for each drift that begins to be reported."""
        count = len(judged.final)
        values = self.scorer.values(judged.first_final, judged.first_final + count)
        values = np.where(judged.missing[:count, None], np.nan, values)
        self._rows = np.concatenate([self._rows, np.column_stack([judged.final.astype(np.float64), values])])
        first = judged.first_final + count - len(self._rows)
        records: list[Record] = []
        while len(self._rows) > 0:
            if len(self._times) == len(self._blocks):
                self._times.append(self.scorer.time_text(first))
            if len(self._rows) < self.block:
                break
            records += self._complete(first)
            self._rows, first = self._rows[self.block :], first + self.block
        return records

    def _complete(self, first: int) -> list[Record]:
        """Look at the block that begins at row ``first``."""
        rows = self._rows[: self.block]
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < MEASURED * self.block:
            self._times.pop()
            return []
        values = rows[:, 1:]
        outside = ((values < self._low) | (values > self._high)).mean(axis=0)
        quantiles = np.quantile(values, [0.1, 0.5, 0.9], axis=0)
        block = np.concatenate([[first, np.median(rows[:, 0])], np.vstack([quantiles, outside[None]]).ravel()])
        self._blocks = np.concatenate([self._blocks, block[None]])[-SHOWN:]
        self._times = self._times[-SHOWN:]
        moved = int(self._moved()[-RECENT:].sum())
        if self._reported:
            self._reported = moved > FEW
        elif moved >= MANY:
            self._reported = True
            write_bytes(self.picture, self._drawn())
            return [self._record(first + self.block)]
        return []

    def _outside(self) -> np.ndarray:
        """Share of the rows of each block outside of the training range, [n, C]."""
        return self._blocks[:, 2:].reshape(len(self._blocks), 4, -1)[:, 3]

    def _moved(self) -> np.ndarray:
        """Whether each block has moved."""
        return np.asarray((self._blocks[:, 1] >= TYPICAL) | (self._outside() >= OUTSIDE).any(axis=1))

    def _record(self, end: int) -> Record:
        """Describe the drift at row ``end``."""
        moved = np.flatnonzero(self._moved())
        recent = moved[moved >= len(self._blocks) - RECENT]
        begin, peak = (int(self._blocks[k, 0]) for k in (recent[0], recent[np.argmax(self._blocks[recent, 1])]))
        outside = self._outside()[recent].mean(axis=0)
        off = [channel for channel in self._worst() if outside[channel] >= OUTSIDE]
        score, since = float(np.median(self._blocks[recent, 1])), self._times[recent[0]]
        total = float(outside[off].sum())
        return Record(
            id=f"{self.name}-drift-{end}",
            sequence=0,
            state="drift",
            start=begin,
            end=end,
            peak=peak,
            start_time=since,
            end_time=self.scorer.time_text(end - 1),
            peak_time=self.scorer.time_text(peak),
            ongoing=True,
            score=round(score, 3),
            threshold=TYPICAL,
            expected_every=None,
            channels=[
                {"channel": self.scorer.channels[k], "share": round(outside[k] / total, 3), "finding": None}
                for k in off
            ],
            rule=None,
            rule_probability=None,
            reason=self._reason(score, since or f"row {begin}", [(k, float(outside[k])) for k in off]),
            picture=str(self.picture),
        )

    def _reason(self, score: float, since: str, outside: Sequence[tuple[int, float]]) -> str:
        usual = f"1 in {10**score:.0f}" if score < RARE else "less than 1 in a million"
        parts = [f"half of the rows score {score:.1f} or more, which {usual} did in training"]
        for channel, share in outside:
            low, high = self._low[channel], self._high[channel]
            parts.append(f"{share:.0%} of '{self.scorer.channels[channel]}' are outside of {low:.6g} to {high:.6g}")
        return (
            f"the data have moved away from the training data since {since}: {', '.join(parts)}; if that is a fault,"
            f" repair it; if it is normal from now on, train again with newer rows ('ape run'). Picture: {self.picture}"
        )

    def _worst(self) -> list[int]:
        """Channels that have moved most: by rows outside of the range, then by how far the median is off the middle."""
        recent = self._blocks[-RECENT:, 2:].reshape(len(self._blocks[-RECENT:]), 4, -1)
        width = np.where(np.isfinite(self._high - self._low), self._high - self._low, np.inf).clip(1e-12)
        middle = np.where(np.isfinite(width), (self._low + self._high) / 2, 0.0)
        far = np.abs(recent[:, 1].mean(axis=0) - middle) / width
        return np.lexsort([-far, -recent[:, 3].mean(axis=0)])[:MOST].tolist()

    def _drawn(self) -> bytes:
        """Draw the blocks: scores, and the channels that have moved most. Returns a PNG."""
        worst = self._worst()
        figure = Figure(figsize=(7.4, 1.6 * (1 + len(worst)) + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1 + len(worst), 1, sharex=True, squeeze=False)[:, 0]
        at, moved = self._blocks[:, 0], self._moved()
        parts = self._blocks[:, 2:].reshape(len(at), 4, -1)
        for axes, channel in zip(panels, worst, strict=False):
            low, middle, high = parts[:, :3, channel].T
            if np.isfinite(self._low[channel]):
                axes.axhspan(self._low[channel], self._high[channel], color=USUAL, alpha=0.2, lw=0)
            axes.fill_between(at, low, high, color="#888888", alpha=0.4, lw=0)
            axes.plot(at, middle, color="black", lw=1.2)
            axes.plot(at[moved], middle[moved], "o", color=COLOUR, ms=3)
            axes.set_title(
                f"{self.scorer.channels[channel]}: median and 80 % of the values; the training range is blue",
                loc="left",
                fontsize=8,
            )
        panels[-1].plot(at, self._blocks[:, 1], color="black", lw=1.2)
        panels[-1].plot(at[moved], self._blocks[moved, 1], "o", color=COLOUR, ms=3)
        panels[-1].axhline(TYPICAL, color=COLOUR, lw=1, ls=":")
        panels[-1].set_title("median score; red: has moved", loc="left", fontsize=8)
        panels[-1].set_ylim(bottom=0)
        ticks = np.unique(np.linspace(0, len(at) - 1, min(4, len(at))).astype(int))
        labels = [self._times[k] or f"row {int(at[k])}" for k in ticks]
        panels[-1].set_xticks(at[ticks], labels, fontsize=8)
        for axes in panels:
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110)
        return out.getvalue()


def _read(text: str | None, columns: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text or ""), dtype=np.float64).reshape(-1, columns)
