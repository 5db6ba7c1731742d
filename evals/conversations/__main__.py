"""``python -m ape.evals.conversations``: hold the conversations of the documentation and write the page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ape.core.files import write_text
from ape.evals.conversations.conversations import page_of, read_conversations


def main() -> None:
    """Write the page, or print it."""
    conversations = read_conversations()
    parser = argparse.ArgumentParser(prog="python -m ape.evals.conversations", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: print")
    parser.add_argument("--only", choices=[each.name for each in conversations], help="one of them; default: all")
    arguments = parser.parse_args()
    page = page_of([each for each in conversations if arguments.only in (None, each.name)])
    if arguments.out is None:
        sys.stdout.write(page)
    else:
        write_text(arguments.out, page)


if __name__ == "__main__":
    main()
