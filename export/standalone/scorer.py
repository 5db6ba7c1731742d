"""Score rows with a detector that ``ape export`` wrote: ``python scorer.py DATA.csv > scores.csv``.

The file starts with a header that has the names of the channels. Scores stay high around a fault, so that the column
``event`` says which rows belong to an event: its rank, 1 is the worst, 0 is no event.

It needs NumPy and ONNX Runtime, and lies in the folder with the graphs and their manifest.
"""

from __future__ import annotations

import csv
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

BATCH, POINTS = 32, 2048  # windows and points in one call of a graph
MULTIPLE = 256  # cells are padded to a multiple of it; the graphs ask for one of 32


# How high scores become events: as in `ape.monitor.spans` and `ape.monitor.alarms`, which explain the constants.
BELOW, STRONG, JOINED, JOINED_SHARE, YOUNG = 1.0, 2.0, 16, 0.5, 32


class Stretch(NamedTuple):
    """Rows without a gap.

    ``begin`` is the cell at which they start at each time scale; the evidence of the first ``skip`` rows is not
    wanted, and ``row`` is the place of the row after them in the series.
    """

    values: np.ndarray  # float32 [m, C]
    suspect: np.ndarray  # bool [m]; no reference covers these
    skip: int
    row: int


class Scale:
    """One time scale: a cell is the mean of ``factor`` rows."""

    def __init__(self, folder: Path, manifest: dict[str, Any], described: dict[str, Any], options: Any) -> None:
        self.factor, self.window = described["factor"], manifest["window"]
        self.stride, self.rest = manifest["stride"], manifest["rest"]
        self.centre, self.scale = (np.array(manifest[name], np.float32) for name in ("centre", "scale"))
        self.limit = np.float32(manifest["limit"])
        self.graph = onnxruntime.InferenceSession(folder / described["graph"], options)

    def complete(self, rows: int) -> int:
        """Return how many windows on the grid are complete after some rows."""
        return max(0, (rows // self.factor - self.window) // self.stride + 1)

    def final(self, rows: int) -> int:
        """Return up to which row all windows are complete."""
        return self.complete(rows) * self.stride * self.factor

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Return standardised means of ``factor`` rows, float32 [C, m // factor]."""
        samples = ((values - self.centre) / self.scale).clip(-self.limit, self.limit).T
        parts = samples[:, : samples.shape[1] // self.factor * self.factor].reshape(len(samples), -1, self.factor)
        total = parts[:, :, 0]
        for k in range(1, self.factor):
            total = total + parts[:, :, k]
        return total / np.float32(self.factor)

    def free(self, suspect: np.ndarray) -> np.ndarray:
        """Return at which cells of a stretch a reference may start, bool [m // factor]."""
        parts = suspect[: len(suspect) // self.factor * self.factor].reshape(-1, self.factor)
        cells: np.ndarray = np.asarray(parts.any(axis=1))
        free: np.ndarray = np.zeros(len(cells), dtype=bool)
        if len(cells) >= self.window:
            counts = np.concatenate([[0], cells.cumsum()])
            free[: len(cells) - self.window + 1] = counts[self.window :] == counts[: -self.window]
        return free

    def read(self, values: np.ndarray, at: np.ndarray, begin: int, known: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the evidence of windows that start at cells ``at`` of a stretch, [B, window, C, V]."""
        span, cells, free, trained = self.window * self.factor, *known[:2], int(known[2])
        windows = np.stack([values[a * self.factor : a * self.factor + span].T for a in at])
        used = min(cells.shape[1], max(trained, begin + int(at[-1]) - self.rest + self.window))
        more = -used % MULTIPLE
        given = {
            "windows": np.ascontiguousarray(windows),
            "start": begin + at,
            "cells": np.pad(cells[:, :used], ((0, 0), (0, more))),
            "free": np.pad(free[:used], (0, more)),
        }
        return self.graph.run(None, given)[0]

    def means(self, stretch: Stretch, begin: int, final: int, known: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the mean evidence of all windows that cover the wanted rows, [m, C, V].

        From row ``final`` on, the window that ends with the last cell counts as well.
        """
        rows = len(stretch.values)
        total = rows // self.factor
        at = np.arange(self.complete(stretch.skip), self.complete(rows)) * self.stride
        edge = self.read(stretch.values, np.array([total - self.window]), begin, known)[0]
        sums, count = np.zeros((total, *edge.shape[1:]), np.float32), np.zeros(total, np.float32)
        for first in range(0, len(at), BATCH):
            some = at[first : first + BATCH]
            for start, voices in zip(some, self.read(stretch.values, some, begin, known), strict=True):
                sums[start : start + self.window] += voices
                count[start : start + self.window] += 1
        row = np.arange(stretch.skip, rows)
        cell = np.minimum(row // self.factor, total - 1)
        found, number = sums[cell], count[cell][:, None, None]
        late = (row >= final) & (cell >= total - self.window)
        found[late] += edge[cell[late] - total + self.window]
        number[late] += 1
        return found / number


class Scorer:
    """An exported detector.

    Parameters
    ----------
    folder : path
        That ``ape export`` wrote.
    threads : int
        Of ONNX Runtime.
    """

    def __init__(self, folder: str | Path, threads: int = 1) -> None:
        folder = Path(folder)
        self.manifest = manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.channels: list[str] = manifest["channels"]
        self.threshold: float | None = manifest["threshold"]
        self.training = np.load(folder / manifest["training"]["file"], allow_pickle=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.scales = [Scale(folder, manifest, each, options) for each in manifest["scales"]]
        self.calibrate = onnxruntime.InferenceSession(folder / manifest["score"], options)

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the score of each row of [n, C], data units, without gaps; NaN is a missing value."""
        values = np.asarray(rows, np.float64) - np.array(self.manifest["offset"])
        missing = np.isnan(values)
        known = np.maximum.accumulate(np.where(missing, 0, np.arange(len(values))[:, None]), axis=0)
        held = np.take_along_axis(values, known, axis=0)  # the last value before; those at the begin are 0
        return self.score(np.nan_to_num(held), missing.any(axis=1))

    def score(self, values: np.ndarray, missing: np.ndarray | None = None, begins: tuple[int, ...] = ()) -> np.ndarray:
        """Return the score of each row, float32 [n]; NaN in stretches that are shorter than a window.

        Parameters
        ----------
        values : ndarray [n, C]
            Data units less the offsets, channels in the order of the manifest; missing values are filled in.
        missing : ndarray, bool [n], optional
            Rows with a value that was filled in.
        begins : tuple of int
            Rows before which rows are missing: no window crosses them.
        """
        low, high = (np.array(self.manifest[name], np.float32) for name in ("low", "high"))
        values = np.asarray(values, np.float32).clip(low, high)
        missing = np.zeros(len(values), bool) if missing is None else missing
        same = min(len(values), len(self.training))
        joined = np.array_equal(values[:same], self.training[:same])  # the series begins with the training part
        trained = len(self.training) if joined else 0
        score = np.full(max(len(values), trained), np.nan, np.float32)
        stretches = self._stretches(values, missing, sorted(begins), joined)
        segments = self.manifest["training"]["segments"]
        first = len(segments) if joined else 0  # stretches of the training part itself
        for number, stretch in enumerate(stretches):
            if len(stretch.values) < self.scales[0].window:
                continue
            found = self._scored(stretch, number, stretches, first)
            score[stretch.row : stretch.row + len(found)] = found
        score = score[: len(values)]
        return np.concatenate([self._raised(score[part], missing[part]) for part in (np.s_[:trained], np.s_[trained:])])

    def event_rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the scores of rows as `score_rows` does, and the `events` that the rows belong to."""
        missing: np.ndarray = np.asarray(np.isnan(np.asarray(rows, np.float64)).any(axis=1))
        score = self.score_rows(rows)
        return score, self.events(score, missing)

    def events(
        self, score: np.ndarray, missing: np.ndarray | None = None, begins: tuple[int, ...] = ()
    ) -> np.ndarray | None:
        """Return the rank of the event that each row belongs to, int64 [n]: 1 is the worst, 0 is no event.

        A score that reaches the threshold is no alarm by itself: scores stay high around a fault, and those of the
        last 32 rows are provisional. Without a threshold, the result is None. See `score` for the parameters.
        """
        if self.threshold is None:
            return None
        missing = np.zeros(len(score), bool) if missing is None else missing
        young = np.zeros(len(score), bool)
        for end in (*begins, len(score)):
            young[max(0, end - YOUNG) : end] = True
        found = spans(score, self.threshold, begins, young & ~missing)
        rank = np.zeros(len(score), np.int64)
        for number, (begin, end, _) in enumerate(sorted(found, key=lambda span: (-span[2], span[0])), 1):
            rank[begin:end] = number
        return rank

    def _stretches(self, values: np.ndarray, missing: np.ndarray, begins: list[int], joined: bool) -> list[Stretch]:
        """Cut the rows at gaps. If they begin with the training part, its stretches come first."""
        segments, trained = self.manifest["training"]["segments"], len(self.training) if joined else 0
        suspect = self._suspect()
        found = [Stretch(self.training[a:b], suspect[a:b], 0, a) for a, b in segments] if joined else []
        edges = [trained, *(row for row in begins if row > trained), len(values)]
        for begin, end in pairwise(edges):
            if end <= begin:
                continue
            before = self._before(begin, begins) if joined and begin == trained else 0
            rows = np.concatenate([self.training[len(self.training) - before :], values[begin:end]])
            marks = np.concatenate([suspect[len(suspect) - before :], missing[begin:end]])
            found.append(Stretch(rows, marks, before, begin))
        return found

    def _before(self, row: int, begins: list[int]) -> int:
        """Return how many rows of the training part precede new rows without a gap."""
        begin, end = self.manifest["training"]["segments"][-1]
        return end - begin if end == len(self.training) and row not in begins else 0

    def _suspect(self) -> np.ndarray:
        suspect = np.ones(len(self.training), bool)
        for begin, end in self.manifest["training"]["clean"]:
            suspect[begin:end] = False
        return suspect

    def _known(self, scale: Scale, number: int, stretches: list[Stretch], first: int) -> tuple[Any, int]:
        """Return the cells, where references may start, the cells of the training part; and where a stretch starts."""
        suspect = self._suspect()
        parts = [(self.training[a:b], suspect[a:b]) for a, b in self.manifest["training"]["segments"]]
        cells, free = [scale.cells(x) for x, _ in parts], [scale.free(mark) for _, mark in parts]
        trained = sum(map(len, free))
        if number < first:
            begin = sum(map(len, free[:number]))
        else:
            for stretch in stretches[first : number + 1]:
                if stretch.skip:  # goes on after the training part
                    del cells[-1], free[-1]
                begin = sum(map(len, free))
                cells.append(scale.cells(stretch.values))
                free.append(scale.free(stretch.suspect))
        return (np.concatenate(cells, axis=1), np.concatenate(free), trained), begin

    def _scored(self, stretch: Stretch, number: int, stretches: list[Stretch], first: int) -> np.ndarray:
        """Return the scores of the wanted rows of a stretch."""
        rows = len(stretch.values)
        final = max(min(scale.final(rows) for scale in self.scales), stretch.skip)
        means = {
            scale.factor: scale.means(stretch, begin, final, known)
            for scale in self.scales
            if scale.window * scale.factor <= rows
            for known, begin in [self._known(scale, number, stretches, first)]
        }
        odds = np.asarray(sum(mean[..., :-2] for mean in means.values())) / np.float32(len(means))
        absent = np.full(odds.shape[:2], -np.inf, np.float32)
        free = np.stack([means[k][..., -2] if k in means else absent for k in self.manifest["free_factors"]], 1)
        row, latency = np.arange(stretch.skip, rows), self.manifest["latency"]
        age = np.where(row < final, latency, rows - 1 - row)
        parts = [slice(at, at + POINTS) for at in range(0, len(row), POINTS)]
        given = {"odds": odds, "free": free, "subspace": means[1][..., -1], "age": age}
        return np.concatenate(
            [self.calibrate.run(None, {name: value[k] for name, value in given.items()})[0] for k in parts]
        )

    def _raised(self, score: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Raise the scores of rows with missing values to the highest so far, and at least to that of a rare point."""
        least = np.float32(self.manifest["missing_score"])
        known = np.where(missing | np.isnan(score), least, score)
        return np.where(missing, np.fmax(score, np.maximum.accumulate(np.maximum(known, least))), score)


def runs(mask: np.ndarray, cuts: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    """Return begins and ends (exclusive) of the runs of True; no run spans a cut."""
    edges, at = np.flatnonzero(np.diff(mask, prepend=False, append=False)), np.array(cuts, np.int64)
    begins, ends = np.union1d(edges[::2], at[mask[at]]), np.union1d(edges[1::2], at[mask[at - 1]])
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def spans(score: np.ndarray, level: float, cuts: tuple[int, ...], young: np.ndarray) -> list[tuple[int, int, float]]:
    """Return begin, end (exclusive) and highest score of the events, in order of time.

    An event reaches the level outside of the ``young`` rows and goes on to 1 below it; of a very high one, only the
    part counts that reaches half of its peak. Events that are close for their lengths are joined.
    """
    known = np.nan_to_num(score, nan=-np.inf)
    found: list[tuple[int, int, float]] = []
    for begin, end in runs(known >= level - BELOW, cuts):
        peak = float(known[begin:end].max())
        if np.where(young, -np.inf, known)[begin:end].max() < level:
            continue
        if peak < STRONG * level:
            found.append((begin, end, peak))
            continue
        for first, last in runs(known[begin:end] >= level):
            high = begin + first + np.flatnonzero(known[begin + first : begin + last] >= peak / 2)
            if len(high):
                found.append((int(high[0]), int(high[-1]) + 1, float(known[high].max())))
    return joined(found, cuts)


def joined(found: list[tuple[int, int, float]], cuts: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Join events that are close for their lengths, until none is left; none crosses a cut."""
    while True:
        merged: list[tuple[int, int, float]] = []
        for begin, end, peak in found:
            if merged:
                first, last, highest = merged[-1]
                reach = max(JOINED, JOINED_SHARE * max(last - first, end - begin))
                if begin - last <= reach and not any(last <= cut <= begin for cut in cuts):
                    merged[-1] = first, end, max(highest, peak)
                    continue
            merged.append((begin, end, peak))
        if len(merged) == len(found):
            return merged
        found = merged


def read_rows(path: Path, channels: list[str]) -> np.ndarray:
    """Read the channels of a CSV file with a header, float [n, C]; an empty value is missing.

    Raises
    ------
    ValueError
        There is no such file, a column is missing, or a value is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [name for name in channels if name not in (reader.fieldnames or ())]
            if absent:
                raise ValueError(f"columns are missing in the header: {', '.join(absent)}")
            rows = [numbers(row, channels, f"row {count} (line {reader.line_num})") for count, row in enumerate(reader)]
    except (OSError, UnicodeError, csv.Error, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not rows:
        raise ValueError(f"{path}: no rows below the header")
    return np.array(rows)


def numbers(row: dict[str | None, Any], channels: list[str], where: str) -> list[float]:
    """Return the channels of a row; an empty or absent cell is missing."""
    if any(row.get(None, ())):
        raise ValueError(f"{where}: more cells than names in the header")
    found = []
    for name in channels:
        cell = row[name] or "nan"
        try:
            if "_" in cell:  # 1_000 is a number in Python only
                raise ValueError
            found.append(float(cell))
        except ValueError:
            raise ValueError(f"{where}, column {name!r}: {cell[:30]!r} is no number") from None
    return found


def main() -> int:
    """Score a CSV file with a header: its rows are taken as evenly spaced, and an empty value as missing."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python scorer.py DATA.csv > scores.csv\n")
        return 2
    scorer = Scorer(Path(__file__).parent)
    try:
        values = read_rows(Path(sys.argv[1]), scorer.channels)
    except ValueError as error:
        message = f"{error}; give a CSV file in UTF-8 with the columns {', '.join(scorer.channels)}"
        # Names may have characters that a terminal interprets.
        sys.stderr.write("".join(c if c.isprintable() else repr(c)[1:-1] for c in message) + "\n")
        return 2
    scores, events = scorer.event_rows(values)
    ranks = [""] * len(scores) if events is None else events.tolist()
    sys.stdout.write("row,score,event\n")
    sys.stdout.writelines(
        f"{row},{score:.6g},{rank}\n" for row, (score, rank) in enumerate(zip(scores, ranks, strict=True))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
