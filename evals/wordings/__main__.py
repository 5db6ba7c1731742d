"""``python -m ape.evals.wordings``: the share of the wordings that the embedded guide understands, as a table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from ape.evals.wordings.wordings import FILES, OUTCOMES, react, read_wordings


def main() -> None:
    """Print a row for each file and, with ``--list``, what was not understood."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.wordings", description=__doc__)
    parser.add_argument("--list", action="store_true", help="also list the wordings that were not understood")
    arguments = parser.parse_args()
    write(f"| wordings | {' | '.join(OUTCOMES)} | of |")
    write("| --- |" + " ---: |" * (len(OUTCOMES) + 1))
    for name, what in FILES.items():
        reactions = react(read_wordings(name))
        if not reactions:
            continue
        counts = Counter(reaction.outcome for reaction in reactions)
        shares = " | ".join(f"{100 * counts[outcome] / len(reactions):.0f} %" for outcome in OUTCOMES)
        write(f"| {name}, {what} | {shares} | {len(reactions)} |")
        for reaction in reactions if arguments.list else ():
            if reaction.outcome != "right":
                write(f"  - [{reaction.outcome}] {reaction.wording.says!r} -> {reaction.did[:300]}")


def write(line: str) -> None:
    """Write a line to the standard output."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
