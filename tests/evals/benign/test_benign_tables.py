"""Tables of benign rules."""

from __future__ import annotations

import pandas as pd

from ape.evals.benign.tables import tables


def row(scenario, arm, confirmation=False, **figures):
    known = {"rules": 0 if arm == "without" else 2, "timed": arm != "without", "kept": "both", "trained on": 0}
    counts = {"normal events": 4, "raised": 3, "quiet": 0, "faults": 6, "found": 5, "false alarms": 1, "ap": 0.5}
    return {"scenario": scenario, "benign rules": arm, "confirmation": confirmation, **known, **counts, **figures}


def test_sums_are_of_each_half_and_of_the_same_scenarios():
    text = tables(
        pd.DataFrame(
            [
                row("a", "without"),
                row("a", "from the truth", raised=1, quiet=2, ap=0.6),
                row("a", "from the manual", raised=2, quiet=1),
                row("b", "without", found=6, ap=0.7),
                row("b", "from the truth", raised=0, quiet=3),
                row("c", "without", confirmation=True),
                row("c", "from the truth", confirmation=True, found=4),
            ]
        )
    )
    tuning, confirmation = text.split("**Confirmation scenarios, sums**")
    assert "| without | 2 | 6 of 8 | 0 of 8 | 11 of 12 | 2 | 0.600 |" in tuning
    assert "| from the truth | 2 | 1 of 8 | 5 of 8 | 10 of 12 | 2 | 0.550 |" in tuning
    assert "| without, the same scenarios | 1 | 3 of 4 | 0 of 4 | 5 of 6 | 1 | 0.500 |" in tuning
    assert "| from the manual | 1 | 2 of 4 | 1 of 4 | 5 of 6 | 1 | 0.500 |" in tuning
    assert "| from the truth | 1 | 3 of 4 | 0 of 4 | 4 of 6 | 1 | 0.500 |" in confirmation
    assert "| c | from the truth (2, timed) | both | 0 |" in confirmation
