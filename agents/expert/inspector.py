"""The embedded visual inspector: reads the line's pixels in the pictures that it receives.

It finds the line by its colour, takes its vertical extent in each pixel column, and derives sightings from that trace.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ape.agents.expert.profiler import represented
from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript
from ape.agents.records import Inspection, Sighting, SightingTerm

LINE_BLUENESS = 0x73 - 0x1F  # blue minus red of the line; grid, frame and letters are grey, with 0
COVERED = 0.4  # share of a pixel; a thin flat line may be spread over two rows
LEAST_COLUMNS = 50  # of a trace
MOST_CHANNELS = 2
ZOOM_SHARE = 12  # a zoom shows a twelfth of the training part
LEAST_ZOOM = 200  # samples
LEAST_STRENGTH = 0.3  # of a sighting that is reported

Feature = tuple[SightingTerm, float, int, int]  # term, strength, first and last column of the trace


@dataclass(frozen=True)
class Trace:
    """The line in a picture.

    Parameters
    ----------
    left : int
        First pixel column of the line.
    middle, height : ndarray
        Vertical centre and extent in pixels for each column of the line.
    width : int
        Width of the picture in pixels.
    """

    left: int
    middle: np.ndarray
    height: np.ndarray
    width: int

    def x(self, column: int) -> int:
        """Return the picture coordinate, 0 to 1000, of a column of the line."""
        return int(np.clip(round(1000 * (self.left + column) / self.width), 0, 1000))


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return an overview of each channel first, then a zoom into an early stretch."""
    channels = transcript.task.get("channels", [])[:MOST_CHANNELS]
    if not transcript.results:
        return [("render_overview", {"channel": channel}) for channel in channels]
    if not transcript.called("render_zoom"):
        return [_zoom(overview) for overview in transcript.results_of("render_overview")]
    return []


def inspect(transcript: Transcript) -> Inspection:
    """Return the sightings in all pictures."""
    if not transcript.pictures:
        return Inspection(rationale="there are no pictures, so nothing can be seen", sees_pictures=False)
    sightings: list[Sighting] = []
    for result in transcript.results:
        pixels = _pixels(transcript, result)
        trace = None if pixels is None else _trace(pixels)
        if trace is None:
            continue
        features = _overview_features(trace) if result.tool == "render_overview" else _zoom_features(trace)
        sightings += [_sighting(result, trace, *feature) for feature in features if feature[1] >= LEAST_STRENGTH]
    listed = ", ".join(f"{s.look} {s.strength:.2f}" for s in sightings) or "no notable properties"
    if pictures := transcript.task.get("users_pictures"):
        listed += f"; cannot read the {pictures} pictures that people supplied, which needs a served model"
    return Inspection(
        rationale=f"read the line's pixels in {len(transcript.pictures)} pictures: {listed}{_seen(transcript)}"[:600],
        sees_pictures=True,
        sightings=sightings[:24],
    )


def _seen(transcript: Transcript) -> str:
    """What the channels in the pictures stand for."""
    drawn = {str(result.arguments.get("channel")) for result in transcript.results}
    return "".join(f"; {text}" for channel, text in represented(transcript).items() if channel in drawn)


def _zoom(overview: ToolResult) -> tuple[str, dict[str, str | int]]:
    """Call that zooms into a stretch after the first quarter of an overview."""
    begin, end = int(overview.value["begin"]), int(overview.value["end"])
    width = max(LEAST_ZOOM, (end - begin) // ZOOM_SHARE)
    first = begin + (end - begin) // 4
    return "render_zoom", {"channel": overview.arguments["channel"], "begin": first, "end": min(first + width, end)}


def _pixels(transcript: Transcript, result: ToolResult) -> np.ndarray | None:
    """Pixels [height, width, 3] of a tool's picture, ``None`` if it was not received."""
    png = transcript.pictures.get(str(result.value.get("artefact", "")), b"")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) if png else None


def _trace(pixels: np.ndarray) -> Trace | None:
    ink = pixels[..., 2] - pixels[..., 0] >= COVERED * LINE_BLUENESS
    columns = np.flatnonzero(ink.any(axis=0))
    if len(columns) < LEAST_COLUMNS:
        return None
    inked = ink[:, columns]
    top = inked.argmax(axis=0)
    bottom = ink.shape[0] - 1 - inked[::-1].argmax(axis=0)
    return Trace(int(columns[0]), (top + bottom) / 2, (bottom - top + 1).astype(float), ink.shape[1])


def _overview_features(trace: Trace) -> list[Feature]:
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


def _zoom_features(trace: Trace) -> list[Feature]:
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


def _sighting(result: ToolResult, trace: Trace, term: SightingTerm, strength: float, first: int, last: int) -> Sighting:
    return Sighting(
        rationale=f"{term} in {result.tool}, columns {first} to {last}",
        look=term,
        channel=str(result.arguments.get("channel", "")),
        left=trace.x(first),
        right=trace.x(last),
        strength=round(float(strength), 3),
        evidence=str(result.value["artefact"]),
    )
