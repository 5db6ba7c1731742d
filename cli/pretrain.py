"""``ape pretrain``: pretrain the rule discriminator on generated processes."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.display import Display
from ape.cli.terminal import console, print_document


def pretrain(arguments: argparse.Namespace) -> None:
    """``ape pretrain``: write weights and card into a folder; resume if interrupted."""
    from ape.posttrain.discriminator.pretrained import CARD, WEIGHTS
    from ape.posttrain.pretraining.training import pretrain as run
    from ape.runs.changing import making

    out = Path(arguments.out)
    with making(out), Display(console) as display:
        card = run(out, arguments.seed, arguments.processes, arguments.steps, arguments.device, display.progress)
    console.print(f"held-out processes: recall at 1 % false alarms {card['figures']['mean']['recall']:.3f}")
    console.print(f"weights: {out / WEIGHTS}\ncard: {out / CARD}")
    print_document({"weights": str(out / WEIGHTS), "card": str(out / CARD), "figures": card["figures"]})
