"""Pictures of what a rule generates: pseudo-anomalies drawn over their hosts."""

from __future__ import annotations

import io

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.rules import Context, Rule, RuleBank, Sample
from ape.tools.discriminability import Hosts

COLUMNS, ROWS = 3, 2
HOST_COLOUR, PSEUDO_COLOUR = "#9aa5b8", "#c8102e"


def sample_examples(rule: Rule, context: Context, hosts: Hosts, seed: int = 0) -> tuple[np.ndarray, Sample]:
    """A few host windows [n, C, L], spread over the hosts, and what the rule makes of them."""
    picks = torch.linspace(0, len(hosts.windows) - 1, COLUMNS * ROWS).long()
    bank = RuleBank(context=context, rules=[rule])
    made = bank.sample(hosts.windows[picks], torch.Generator().manual_seed(seed), hosts.starts[picks])
    return hosts.windows[picks].numpy(), made


def draw_examples(hosts: np.ndarray, made: Sample) -> bytes:
    """PNG of examples over their hosts; of several channels, the one that changes most."""
    figure = Figure(figsize=(10.24, 5.12), dpi=100)
    canvas = FigureCanvasAgg(figure)
    pseudo, mask = made.pseudo.numpy(), made.mask.numpy()
    for row, axes in enumerate(figure.subplots(ROWS, COLUMNS).flat):
        spread = np.ptp(hosts[row], axis=1) + 1e-12
        channel = int((np.abs(pseudo[row] - hosts[row]).max(axis=1) / spread).argmax())
        changed = np.flatnonzero(mask[row, channel])
        axes.axvspan(changed[0] - 0.5, changed[-1] + 0.5, color=PSEUDO_COLOUR, alpha=0.08, lw=0)
        axes.plot(pseudo[row, channel], color=PSEUDO_COLOUR, lw=1.2)
        axes.plot(hosts[row, channel], color=HOST_COLOUR, lw=1.0)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.2)
    figure.tight_layout(pad=0.6)
    out = io.BytesIO()
    canvas.print_png(out, metadata={"Software": None})
    return out.getvalue()
