"""The embedded visual inspector: reads the line's pixels in the pictures that it was sent, and nothing else.

It finds the line by its colour, takes its vertical extent in every pixel column, and works on that trace.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ape.agents.expert.reading import Result, Transcript
from ape.agents.records import Inspection, Look, Oddity, Sighting, Spotting

LINE_BLUENESS = 0x73 - 0x1F  # blue less red of the line; grid, frame and letters are grey and have none
COVERED = 0.4  # of a pixel: a thin flat line may lie across two rows
MOST_CHANNELS = 2
ZOOM_SHARE = 12  # a close look covers a twelfth of the training part
BAR = 0.3  # strength below which a sighting is not worth telling
GRID = 2, 4  # rows and columns of panels in a picture of windows
LINE = ("level", "spread", "the largest step", "roughness", "the tallest stroke", "the top", "the bottom", "stillness")
STILL = 0.5  # pixels from one column to the next
ODD, MOST_ODD = 4.0, 3  # times as far off as panels commonly are; panels that are named
LEAST_PIXELS = 2.0  # that a difference has to reach


@dataclass(frozen=True)
class Trace:
    """The line in a picture: middle and height in pixels for each column that it crosses, and the picture's width."""

    left: int
    middle: np.ndarray
    height: np.ndarray
    width: int

    def x(self, column: int) -> int:
        """Picture coordinate 0 to 1000 of one of the trace's columns."""
        return int(np.clip(round(1000 * (self.left + column) / self.width), 0, 1000))


def next_calls(seen: Transcript) -> list[tuple[str, dict[str, Any]]]:
    """An overview of each channel, then a close look at an early stretch; of each rule the picture of windows."""
    if seen.task.get("task") == "spot":
        return [] if seen.results else [("show_windows", {"rule_id": rule}) for rule in seen.task["rules"]]
    channels = seen.task.get("channels", [])[:MOST_CHANNELS]
    if not seen.results:
        return [("render_overview", {"channel": channel}) for channel in channels]
    if not seen.called("render_zoom"):
        looks = []
        for result in seen.all("render_overview"):
            begin, end = int(result.value["begin"]), int(result.value["end"])
            width = max(200, (end - begin) // ZOOM_SHARE)
            first = begin + (end - begin) // 4
            looks.append(
                (
                    "render_zoom",
                    {"channel": result.arguments["channel"], "begin": first, "end": min(first + width, end)},
                )
            )
        return looks
    return []


def inspect(seen: Transcript) -> Inspection:
    """Sightings in the pictures that were sent."""
    if not seen.pictures:
        return Inspection(rationale="no picture was sent, so nothing was seen", sees_pictures=False)
    sightings: list[Sighting] = []
    for result in seen.results:
        pixels = _pixels(seen, result)
        trace = None if pixels is None else _trace(pixels)
        if trace is None:
            continue
        find = _in_overview if result.tool == "render_overview" else _in_zoom
        sightings += [_sighting(result, trace, *found) for found in find(trace) if found[1] >= BAR]
    told = ", ".join(f"{s.look} {s.strength:.2f}" for s in sightings) or "nothing remarkable"
    if brought := seen.task.get("users_pictures"):
        told += f"; cannot read the {brought} that people brought along, which takes a served model"
    return Inspection(
        rationale=f"read the line's pixels in {len(seen.pictures)} pictures: {told}"[:600],
        sees_pictures=True,
        sightings=sightings[:24],
    )


def spot(seen: Transcript) -> Spotting:
    """Panels that differ from the others of their picture."""
    if not seen.pictures:
        return Spotting(rationale="no picture was sent, so nothing was seen", sees_pictures=False)
    odd: list[Oddity] = []
    for result in seen.all("show_windows"):
        pixels = _pixels(seen, result)
        if pixels is not None:
            odd += [
                Oddity(rationale=why, rule_id=result.arguments["rule_id"], panel=panel + 1)
                for panel, why in _odd_panels(pixels)
            ]
    told = f"{len(odd)} panels differ from their neighbours in {len(seen.pictures)} pictures"
    return Spotting(rationale=told, sees_pictures=True, odd=odd[:64])


def _odd_panels(pixels: np.ndarray) -> list[tuple[int, str]]:
    """Panels whose line has a property far from that of the others, the farthest first, and which property."""
    panels = [cell for row in np.array_split(pixels, GRID[0]) for cell in np.array_split(row, GRID[1], axis=1)]
    traces = [_trace(panel) for panel in panels]
    measured = np.array([np.full(len(LINE), np.nan) if trace is None else _line(trace) for trace in traces])
    off = np.abs(measured - np.nanmedian(measured, axis=0))
    off /= 1.5 * np.nanmedian(off, axis=0) + LEAST_PIXELS
    order = np.argsort(-np.nan_to_num(off).max(axis=1))
    return [
        (int(k), f"its line differs most in {LINE[int(np.nanargmax(off[k]))]}")
        for k in order[:MOST_ODD]
        if (off[k] > ODD).any()
    ]


def _line(trace: Trace) -> list[float]:
    """Properties of a line, in pixels: see `LINE`."""
    steps = np.abs(np.diff(trace.middle))
    return [
        float(np.median(trace.middle)), float(trace.middle.std()), float(steps.max()), float(steps.mean()),
        float(trace.height.max()), float((trace.middle - trace.height / 2).min()),
        float((trace.middle + trace.height / 2).max()), 100 * float((steps < STILL).mean()),
    ]  # fmt: skip


def _pixels(seen: Transcript, result: Result) -> np.ndarray | None:
    """Pixels [height, width, 3] of the picture of a tool result, where it was sent."""
    sent = seen.pictures.get(str(result.value.get("artefact", "")), b"")
    return np.asarray(Image.open(io.BytesIO(sent)).convert("RGB")).astype(int) if sent else None


def _trace(pixels: np.ndarray) -> Trace | None:
    ink = pixels[..., 2] - pixels[..., 0] >= COVERED * LINE_BLUENESS
    columns = np.flatnonzero(ink.any(axis=0))
    if len(columns) < 50:
        return None
    inked = ink[:, columns]
    top = inked.argmax(axis=0)
    bottom = ink.shape[0] - 1 - inked[::-1].argmax(axis=0)
    return Trace(int(columns[0]), (top + bottom) / 2, (bottom - top + 1).astype(float), ink.shape[1])


Found = tuple[Look, float, int, int]  # look, strength, first and last column of the trace


def _in_overview(trace: Trace) -> list[Found]:
    middle, height, last = trace.middle, trace.height, len(trace.middle) - 1
    swing = float(np.ptp(middle)) + 1e-9
    blocks = np.array_split(np.arange(len(middle)), 16)
    levels = np.array([np.median(middle[block]) for block in blocks])
    swings = np.array([np.median(height[block]) for block in blocks])
    steps = np.abs(np.diff(levels))
    at = blocks[int(steps.argmax()) + 1][0]
    typical = float(np.median(height))
    tall = height > 4 * typical + 8
    spikes = float(tall.sum()) if tall.mean() < 0.03 else 0.0
    spread = float(swings.max() / max(swings.min(), 1.0))
    scatter = float(np.median(np.abs(levels - np.median(levels)))) + 2.0
    return [
        ("level_steps", min(1.0, steps.max() / (6 * scatter)) if steps.max() > 0.25 * swing else 0.0, int(at), last),
        ("isolated_spikes", min(1.0, spikes / 5), int(tall.argmax()), int(len(tall) - 1 - tall[::-1].argmax())),
        ("changing_swing", min(1.0, max(0.0, (spread - 1.5) / 3)), 0, last),
    ]


def _in_zoom(trace: Trace) -> list[Found]:
    middle, height, last = trace.middle, trace.height, len(trace.middle) - 1
    centred = middle - middle.mean()
    power = float((centred**2).sum()) + 1e-9
    lags = np.correlate(centred, centred, "full")[len(centred) - 1 :] / power
    rising = np.flatnonzero((lags[1:-1] > lags[:-2]) & (lags[1:-1] >= lags[2:])) + 1
    rising = rising[(rising > 6) & (rising < 0.5 * len(lags))]
    regular = float((lags[rising] * len(lags) / (len(lags) - rising)).max()) if len(rising) else 0.0
    swing = float(np.ptp(middle)) + 1e-9
    skew = abs(float(np.mean(centred**3)) / (power / len(centred)) ** 1.5)
    near_edge = max(
        float(np.mean(middle < middle.min() + 0.04 * swing)), float(np.mean(middle > middle.max() - 0.04 * swing))
    )
    still = np.abs(np.diff(middle)) < 0.5
    change = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    runs = change[1::2] - change[::2]
    longest = int(runs.max()) if len(runs) else 0
    first = int(change[::2][runs.argmax()]) if len(runs) else 0
    return [
        ("regular_cycles", min(1.0, max(0.0, regular)), 0, last),
        ("sharp_peaks", min(1.0, skew / 1.5), 0, last),
        ("flat_tops", min(1.0, max(0.0, (near_edge - 0.1) / 0.3)), 0, last),
        ("plateaus", min(1.0, max(0.0, (longest / len(middle) - 0.06) / 0.2)), first, min(first + longest, last)),
        ("rough_line", min(1.0, float(np.median(height)) / (0.25 * swing + 8)) if regular < 0.5 else 0.0, 0, last),
    ]


def _sighting(result: Result, trace: Trace, look: Look, strength: float, first: int, last: int) -> Sighting:
    return Sighting(
        rationale=f"{look} in {result.tool}, columns {first} to {last}",
        look=look,
        channel=str(result.arguments.get("channel", "")),
        left=trace.x(first),
        right=trace.x(last),
        strength=round(float(strength), 3),
        evidence=str(result.value["artefact"]),
    )
