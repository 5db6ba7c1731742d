"""Gallery of all faults, each plotted beside its twin, as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.core.files import write_text
from ape.evals.timeanomalybench.injection import Instance, make
from ape.evals.timeanomalybench.scenario import Fault, Scenario
from ape.evals.timeanomalybench.scenarios import SCENARIOS

SEVERITY = 0.8
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1000px;color:#222}
img{max-width:100%}h2{margin-top:2.5em;border-bottom:1px solid #ccc}
pre{white-space:pre-wrap;background:#f6f6f6;padding:1em}
small{color:#666}"""


def write_gallery(path: Path, seed: int = 0) -> None:
    """Write the gallery page to ``path``."""
    body = "".join(_scenario(scenario, seed) for scenario in SCENARIOS.values())
    write_text(
        path,
        f"<!doctype html><html lang=en><meta charset=utf-8><title>TimeAnomaly-Bench</title><style>{STYLE}</style>"
        f"<h1>TimeAnomaly-Bench</h1><p>Blue: the series with the fault, at severity {SEVERITY}. Grey: its twin "
        f"without the fault. Shaded: from onset to end.</p>{body}</html>",
    )


def _scenario(scenario: Scenario, seed: int) -> str:
    texts = scenario.texts
    faults = "".join(_fault(scenario, fault, seed) for fault in scenario.faults)
    confirmation = " <small>confirmation</small>" if scenario.confirmation else ""
    return (
        f"<h2>{scenario.name}{confirmation}</h2><p>{html.escape(scenario.domain)}</p>"
        f"<pre>{html.escape(texts.measured)}\n{html.escape(texts.manual)}</pre>{faults}"
    )


def _fault(scenario: Scenario, fault: Fault, seed: int) -> str:
    instance = make(scenario, fault.name, seed, severity=SEVERITY)
    return (
        f"<h3>{fault.name}</h3><p>{html.escape(fault.note)}. <small>{fault.mechanism}, {fault.morphology}; "
        f"{html.escape(fault.precondition)}</small></p>"
        f'<img alt="{fault.name}" src="data:image/png;base64,{base64.b64encode(_plot(instance)).decode()}">'
    )


def _plot(instance: Instance) -> bytes:
    """Return a PNG of the channels that show the first event, with a stretch of the same length on either side."""
    event, scenario = instance.events[0], instance.scenario
    around = max(2 * scenario.cycle, event.recovery - event.onset, 60)
    begin, end = max(0, event.onset - around), min(len(instance.values), event.recovery + around)
    shown = np.flatnonzero(instance.mask[event.onset : event.recovery].any(axis=0))
    figure = Figure(figsize=(10, 0.6 + 1.3 * len(shown)), dpi=80)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(max(1, len(shown)), 1, sharex=True, squeeze=False)[:, 0]
    for axes, channel in zip(panels, shown, strict=False):
        axes.plot(range(begin, end), instance.twin[begin:end, channel], color="#aaaaaa", lw=1.2)
        axes.plot(range(begin, end), instance.values[begin:end, channel], color="#1f3b73", lw=0.9)
        axes.axvspan(event.onset, event.end, color="#c8102e", alpha=0.1, lw=0)
        axes.set_ylabel(list(scenario.units)[channel], fontsize=7)
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
    figure.tight_layout(pad=0.4)
    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()
