"""The run's report: one self-contained HTML page made from what lies in the run folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.core.files import read_json, write_text
from ape.rules import MECHANISMS, MORPHOLOGIES, RuleBank
from ape.rules.check import THRESHOLDS
from ape.runs.ledger import Ledger
from ape.runs.pages import data_uri, render
from ape.series import Series
from ape.tools.artefacts import Artefacts

PIXELS = 1100  # columns of a plot; longer lines are drawn through their extremes in each


def write_report(folder: Path, series: Series) -> None:
    """Write ``report.html`` into the folder of a run, or of a mining, which has no scores."""
    bank = RuleBank.load(folder / "bank.json")
    entries = list(Ledger(folder / "ledger.jsonl"))
    scores = pd.read_csv(folder / "scores.csv") if (folder / "scores.csv").exists() else None
    posttrain = {} if scores is None else read_json(folder / "posttrain.json", "post-training report")
    page = render(
        "report.html",
        series=series,
        bank=bank,
        record=read_json(folder / "run.json", "run record"),
        posttrain={name: value for name, value in posttrain.items() if name != "picture"},
        latent=_latent_view(posttrain),
        overview=data_uri(draw_scores(series, scores)),
        rules=[_rule_view(rule_id, entries, Artefacts(folder / "artefacts")) for rule_id in _rule_ids(entries)],
        records={rule.id: rule for rule in bank.rules},
        entries=entries,
        thresholds=THRESHOLDS,
        mechanisms=MECHANISMS,
        morphologies=MORPHOLOGIES,
        figure=_figure,
    )
    write_text(folder / "report.html", page)


def _rule_ids(entries: list[dict[str, Any]]) -> list[str]:
    """Rules in the ledger, accepted ones first."""
    seen = dict.fromkeys(entry["rule"] for entry in entries if entry["rule"])
    accepted = {entry["rule"] for entry in entries if entry["decision"] == "accept"}
    return sorted(seen, key=lambda rule: rule not in accepted)


def _rule_view(rule_id: str, entries: list[dict[str, Any]], artefacts: Artefacts) -> dict[str, Any]:
    """What the page tells of one rule: its last measurement and picture, and its verdicts."""
    own = [entry for entry in entries if entry["rule"] == rule_id]
    measured = [entry for entry in own if entry["decision"] == "measured"]
    picture = artefacts.get_bytes(measured[-1]["evidence"][0]) if measured else b""
    verdicts = [entry for entry in own if entry["decision"] in ("accept", "reject", "revise", "revised", "proposed")]
    return {
        "id": rule_id,
        "verdict": next(
            (e["decision"] for e in reversed(verdicts) if e["decision"] in ("accept", "reject")), "undecided"
        ),
        "figures": measured[-1]["figures"] if measured else {},
        "picture": data_uri(picture) if picture else "",
        "verdicts": verdicts,
    }


def _latent_view(posttrain: dict[str, Any]) -> dict[str, Any]:
    """Picture of the contrastive space and how well it tells the branches apart; empty where nothing was trained."""
    if "picture" not in posttrain:
        return {}
    return {
        "picture": data_uri(_draw_latent(posttrain["picture"])),
        "auc": {when: drawn["separability"] for when, drawn in posttrain["picture"].items()},
    }


def _draw_latent(picture: dict[str, Any]) -> bytes:
    figure = Figure(figsize=(11, 4.6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(picture))
    for axes, (when, drawn) in zip(panels, picture.items(), strict=True):
        for (branch, at), colour in zip(drawn["branches"].items(), ("#1f3b73", "#3a7d44", "#c8102e"), strict=True):
            axes.scatter(at["x"], at["y"], s=14, color=colour, alpha=0.6, lw=0, label=branch)
        axes.set_title(f"{when} post-training", fontsize=10)
        axes.set_xlabel(f"two main axes, {drawn['variance']:.0%} of the variance", fontsize=9)
        axes.set_aspect("equal", adjustable="datalim")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    panels[0].legend(fontsize=8)
    figure.tight_layout(pad=0.8)
    return _png(canvas)


def _png(canvas: FigureCanvasAgg) -> bytes:
    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()


def draw_scores(series: Series, scores: pd.DataFrame | None) -> bytes:
    """PNG of the series, above its scores before and after where there are any."""
    rows = 1 if scores is None else 3
    figure = Figure(figsize=(11, 1.5 + 1.5 * rows), dpi=100)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[2, 1, 1][:rows])[:, 0]
    top = panels[0]
    for channel in range(min(series.n_channels, 8)):
        column = series.values[:, channel].astype(float)
        offset = 0.0 if series.n_channels == 1 else -channel
        shown = column if series.n_channels == 1 else (column - column.mean()) / (np.ptp(column) + 1e-12) + offset
        _line(top, shown, "#1f3b73" if series.n_channels == 1 else f"C{channel}")
    if scores is not None:
        _line(panels[1], scores["before"].to_numpy(), "#888888")
        _line(panels[2], scores["after"].to_numpy(), "#c8102e")
    for axes, title in zip(panels, ("series", "score before", "score after"), strict=False):
        axes.set_ylabel(title, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.margins(x=0)
        if series.train_end is not None:
            axes.axvspan(0, series.train_end, color="#3a7d44", alpha=0.08, lw=0)
    panels[-1].set_xlabel(
        "position (shaded: taken as normal)" if series.train_end is not None else "position", fontsize=9
    )
    figure.align_ylabels()
    figure.tight_layout(pad=0.8)
    return _png(canvas)


def _line(axes: Axes, values: np.ndarray, colour: str) -> None:
    """Draw a line; a long one through the lowest and highest value of each pixel column, so that no peak is lost."""
    block = len(values) // PIXELS
    if block < 2:
        axes.plot(values, color=colour, lw=0.8)
        return
    edges = np.arange(0, len(values), block)
    low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
    axes.plot(np.repeat(edges, 2), np.column_stack([low, high]).ravel(), color=colour, lw=0.8)


def _figure(value: Any) -> str:
    """A number, or whatever it is, for a table cell."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_figure(item) for item in value[:12])
    if isinstance(value, dict):
        return "; ".join(f"{key} {_figure(item)}" for key, item in value.items())
    return str(value)
