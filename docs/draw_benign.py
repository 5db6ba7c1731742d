"""Draw what a benign rule keeps quiet, as ``docs/pictures/benign.png``.

Run ``python docs/draw_benign.py``, which takes a few minutes on one core: a made-up load of a server is mined with its
text, a detector is trained and enhanced with the Rule Bank, and both scores of the last two days are drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape import detectors, posttrain
from ape.graphs import mine
from ape.monitor import answer, threshold_for
from ape.monitor.answer import Answer
from ape.series import Series, from_array

TEXT = """\
Load of a web server in percent, a value every two minutes.
Sometimes an import job runs away, and the load jumps by 20 percentage points for 30 to 60 minutes.
A backup at 02:00, which takes half an hour, is normal: do not alert on it.
"""
STEP = 2  # minutes
DAY = 24 * 60 // STEP  # points
DAYS, TRAINING_DAYS = 8, 6
ADDED = {  # name: first point, length in points, percentage points
    "backup": (6 * DAY + 62, 15, 20),
    "runaway job": (6 * DAY + 330, 22, 20),
    "backup, 3 hours": (7 * DAY + 62, 90, 20),
    "same load at 20:00": (7 * DAY + 600, 15, 20),
}
COLOURS = {"measured": "#1c2733", "without": "#888888", "with": "#2f5d8a", "alarm": "#c8102e", "quiet": "#3d8b5f"}


def server_load() -> Series:
    """Return eight days of load, of which the first six are the training part, without any backup."""
    rng = np.random.default_rng(7)
    of_day = 2 * np.pi * np.arange(DAYS * DAY) / DAY
    load = 35 - 16 * np.cos(of_day - 0.4) - 3 * np.cos(2 * of_day) + 1.2 * rng.normal(size=DAYS * DAY)
    for first, length, size in ADDED.values():
        load[first : first + length] += size
    clock = np.datetime64("2026-03-02T00:00") + np.arange(len(load)) * np.timedelta64(STEP, "m")
    return from_array(load, ["load_pct"], TRAINING_DAYS * DAY, timestamps=clock, text=TEXT)


def answered() -> Answer:
    """Mine, train, enhance and score."""
    series = server_load()
    detector = detectors.create("vae", device="cpu").fit(series, seed=0)
    result = posttrain.enhance(detector, mine(series, seed=0), series, seed=0)
    return answer(result.detector, series, threshold_for(result.detector, series), text="notes.txt")


def draw(found: Answer, path: Path) -> None:
    """Draw the series above, and below both scores with the threshold and what becomes of each loud span."""
    part = slice(TRAINING_DAYS * DAY, None)
    hours = np.arange(len(found.score))[part] * STEP / 60 - TRAINING_DAYS * 24
    figure = Figure(figsize=(10, 5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    above.plot(hours, found.series.values[part, 0], color=COLOURS["measured"], lw=0.8)
    for name, (first, _, _) in ADDED.items():
        at = first * STEP / 60 - TRAINING_DAYS * 24
        above.annotate(name, (at, found.series.values[first, 0]), (at, 84), fontsize=9, color=COLOURS["measured"])
    above.set(ylabel="load, %", ylim=(0, 92))
    loud = found.score if found.assessment.quiet is None else found.assessment.quiet.score
    below.plot(hours, loud[part], color=COLOURS["without"], lw=1.2, label="score without the benign rule")
    below.plot(hours, found.score[part], color=COLOURS["with"], lw=1.2, label="score with it")
    below.axhline(found.threshold.level, color=COLOURS["alarm"], lw=1, ls=":", label="threshold")
    spans = {
        "alarm": [(event.begin, event.end) for event in found.events],
        "quiet": [(each.begin, each.end) for each in found.quiet],
    }
    for kind, pairs in spans.items():
        for begin, end in pairs:
            ends = [at * STEP / 60 - TRAINING_DAYS * 24 for at in (begin, end)]
            for axes in (above, below):
                axes.axvspan(*ends, color=COLOURS[kind], alpha=0.25, lw=0)
            below.text(ends[0], below.get_ylim()[1] * 0.97, kind, fontsize=9, color=COLOURS[kind], va="top")
    below.set(ylabel="score", xlabel=f"hours after {TRAINING_DAYS} days of training data", xlim=(0, hours[-1]))
    below.legend(loc="upper left", bbox_to_anchor=(0.64, 1.0), fontsize=9, frameon=False)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    FigureCanvasAgg(figure).print_png(path)


if __name__ == "__main__":
    told = answered()
    draw(told, Path(__file__).parent / "pictures" / "benign.png")
    reasons = [each.reason for each in told.quiet] + [event.reason for event in told.events]
    sys.stdout.write("".join(f"{reason}\n" for reason in reasons))
