"""Draw puzzles for vision models: pictures of windows side by side, some of which a rule generated."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from matplotlib.collections import LineCollection

from ape.rules import Context, Rule, RuleBank
from ape.rules.hosts import Hosts
from ape.tools.render import LINE_COLOUR, blank, png

ROWS, COLUMNS = 2, 4
PANELS = ROWS * COLUMNS
MADE = (2, 3)  # fewest and most panels that the rule generates
GAP = 0.06  # between panels, in panel widths
FRAME_COLOUR = "#bbbbbb"
MARGIN = 0.03  # share of a panel, above and below


def draw_puzzle(rule: Rule, context: Context, hosts: Hosts, seed: int) -> tuple[bytes, list[int]]:
    """Draw eight windows, and return a PNG and the numbers, from 1, of those that the rule generated.

    All windows show the channel that the rule changes most, on the same scale.
    """
    digest = int.from_bytes(hashlib.sha256(rule.id.encode()).digest()[:4], "big")
    rng = np.random.default_rng([seed, digest])
    answer = np.sort(rng.choice(PANELS, rng.integers(MADE[0], MADE[1] + 1), replace=False))
    picks = rng.choice(len(hosts.windows), len(answer), replace=False)
    bank = RuleBank(context=context, rules=[rule])
    generator = torch.Generator().manual_seed(seed)
    made = bank.sample(hosts.windows[picks], generator, hosts.starts[picks]).pseudo.numpy()
    scale = np.array([channel.scale for channel in context.channels])[:, None]
    channel = int((np.abs(made - hosts.windows[picks].numpy()) / scale).max(axis=(0, 2)).argmax())
    shown = hosts.normal[rng.choice(len(hosts.normal), PANELS, replace=False), channel].astype(np.float64)
    shown[answer] = made[:, channel]
    return _drawn(shown), [int(panel) + 1 for panel in answer]


def hit_rate(named: set[int], answer: set[int]) -> float:
    """Return Youden's index (1950): the share of generated panels that were named minus that of normal panels.

    1 is perfect, 0 is chance.
    """
    return len(named & answer) / len(answer) - len(named - answer) / (PANELS - len(answer))


def _drawn(windows: np.ndarray) -> bytes:
    """Draw windows [8, L] in panels of one axes, because matplotlib spends most of its time on axes."""
    figure = blank()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    low, high = windows.min(), windows.max()
    across = np.linspace(0, 1, windows.shape[1])
    up = MARGIN + (1 - 2 * MARGIN) * (windows - low) / ((high - low) or 1.0)
    lines, frames = [], []
    for panel in range(PANELS):
        left, bottom = panel % COLUMNS * (1 + GAP), -(panel // COLUMNS) * (1 + GAP)
        lines.append(np.column_stack([left + across, bottom + up[panel]]))
        frames.append([(left + x, bottom + y) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))])
        axes.text(left + 0.015, bottom + 0.93, str(panel + 1), fontsize=9, color="#555555")
    axes.add_collection(LineCollection(frames, colors=FRAME_COLOUR, lw=0.8))
    axes.add_collection(LineCollection(lines, colors=LINE_COLOUR, lw=1.0))
    axes.set_xlim(0, COLUMNS + (COLUMNS - 1) * GAP)
    axes.set_ylim(-(ROWS - 1) * (1 + GAP), 1)
    return png(figure)
