"""Draw what a rule generates: pseudo-anomalies over their host windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from matplotlib.collections import LineCollection, PolyCollection

from ape.rules import Context, Rule, RuleBank, Sample
from ape.rules.hosts import Hosts
from ape.series.numerics import NEGLIGIBLE
from ape.series.plots import short
from ape.tools.render import TimeOf, blank, png, without_times

COLUMNS, ROWS = 3, 2
GAP = 0.08  # between panels, in panel widths
ROOM = 0.1  # for the label above a panel, in panel heights
LABEL_SIZE = 6  # points
HOST_COLOUR, PSEUDO_COLOUR = "#9aa5b8", "#c8102e"


class Examples(NamedTuple):
    """Pseudo-anomalies of a rule, with their host windows [n, C, L], which begin at the positions ``starts`` [n]."""

    hosts: np.ndarray
    made: Sample
    starts: list[int]
    channels: list[str]


def sample_examples(rule: Rule, context: Context, hosts: Hosts, seed: int = 0, count: int = COLUMNS * ROWS) -> Examples:
    """Choose ``count`` evenly spaced host windows, and return them with the rule's pseudo-anomalies."""
    picks = torch.linspace(0, len(hosts.windows) - 1, count).long()
    bank = RuleBank(context=context, rules=[rule])
    made = bank.sample(hosts.windows[picks], torch.Generator().manual_seed(seed), hosts.starts[picks])
    starts, channels = hosts.starts[picks].tolist(), [channel.name for channel in context.channels]
    return Examples(hosts.windows[picks].numpy(), made, starts, channels)


def draw_examples(examples: Examples, time_of: TimeOf = without_times) -> bytes:
    """Draw examples over their hosts, each scaled to its own range, and return a PNG.

    Of several channels, the one that changes most is drawn. Above each panel are the channel, and length and begin of
    the host. All panels share one axes, because matplotlib spends most of its time on axes, not on lines.
    """
    hosts, made = examples.hosts, examples.made
    lines: dict[str, list[np.ndarray]] = {HOST_COLOUR: [], PSEUDO_COLOUR: []}
    spans, labels = [], []
    for panel, (host, pseudo, mask) in enumerate(zip(hosts, made.pseudo.numpy(), made.mask.numpy(), strict=True)):
        left, bottom = panel % COLUMNS * (1 + GAP), -(panel // COLUMNS) * (1 + ROOM)
        change, span = np.abs(pseudo - host).max(axis=1), np.ptp(host, axis=1)
        channel = int((change / np.where(span > 0, span, NEGLIGIBLE * change.max())).argmax())
        pair = np.stack([host[channel], pseudo[channel]])
        low, high = pair.min(), pair.max()
        x = left + np.linspace(0, 1, pair.shape[1])
        y = bottom + 0.04 + 0.92 * (pair - low) / (high - low)
        lines[PSEUDO_COLOUR].append(np.column_stack([x, y[1]]))
        lines[HOST_COLOUR].append(np.column_stack([x, y[0]]))
        start = examples.starts[panel]
        begins = time_of(start) or f"position {start}"
        labels.append(
            (left, bottom + 1.01, f"{short(examples.channels[channel])}, {pair.shape[1]} samples from {begins}")
        )
        changed = x[np.flatnonzero(mask[channel])[[0, -1]]]
        spans.append([(edge, bottom + up) for edge, up in zip(changed[[0, 0, 1, 1]], (0, 1, 1, 0), strict=True)])
    figure = blank()
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_axis_off()
    axes.add_collection(PolyCollection(spans, facecolor=PSEUDO_COLOUR, edgecolor=PSEUDO_COLOUR, alpha=0.1))
    axes.add_collection(LineCollection(lines[PSEUDO_COLOUR], colors=PSEUDO_COLOUR, lw=1.3))
    axes.add_collection(LineCollection(lines[HOST_COLOUR], colors=HOST_COLOUR, lw=1.0))
    for label in labels:
        axes.text(*label, fontsize=LABEL_SIZE, color="#555555")
    rows = -(-len(hosts) // COLUMNS)
    axes.set_xlim(0, COLUMNS + (COLUMNS - 1) * GAP)
    axes.set_ylim(-(rows - 1) * (1 + ROOM), 1 + ROOM)
    return png(figure)
