"""``ape doctor``: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import argparse

from rich.text import Text

from ape.cli.commands import console
from ape.graphs.doctor import examine


def doctor(arguments: argparse.Namespace) -> None:
    """A line for each thing that was looked at."""
    for sign in examine():
        line = Text("ok  " if sign.well else "--  ", style="green" if sign.well else "yellow")
        line.append(f"{sign.what:<16}", style="bold").append(sign.told, style="none")
        console.print(line.append(f"; {sign.mend}" if sign.mend and not sign.well else ""))
