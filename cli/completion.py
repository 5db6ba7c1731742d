"""``ape completion``: print a script that completes commands, options and files in a shell."""

from __future__ import annotations

import argparse
import sys

import shtab

from ape.cli.arguments import build_parser

FILE_NAMES = ("DATA", "FILE", "BANK", "MANIFEST", "EXPERIMENT")  # metavars of arguments that are files
FOLDER_NAMES = ("DIR", "RUN", "A", "B")


def completion(arguments: argparse.Namespace) -> None:
    """``ape completion bash|zsh|tcsh``."""
    parser = build_parser()
    for leaf in parser.leaves():
        for action in leaf._actions:
            if action.metavar in FILE_NAMES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar in FOLDER_NAMES:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(parser, arguments.shell) + "\n")
