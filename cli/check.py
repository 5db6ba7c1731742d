"""``ape check``: show how a file is read, without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.options import load_series
from ape.cli.terminal import console, print_document, print_reading
from ape.core.errors import InputError
from ape.series.reading.report import reading_block


def check(arguments: argparse.Namespace) -> None:
    """Print how a file is read; draw it if ``--plot`` names a file."""
    plot = None if arguments.plot is None else Path(arguments.plot)
    if plot is not None and plot.suffix.lower() != ".png":
        raise InputError("the plot is a PNG file", str(plot), "give a name that ends with .png")
    series = load_series(arguments)
    print_reading(series)
    if plot is not None:
        from ape.core.files import write_bytes
        from ape.series.plots import draw_series

        write_bytes(plot, draw_series(series))
        console.print(f"plot: {plot}")
    print_document({
        "series": series.name,
        "points": series.length,
        "channels": series.channels,
        "train_end": series.train_end,
        "step": series.step,
        "reading": reading_block(series),
        "notes": series.notes,
    })  # fmt: skip
