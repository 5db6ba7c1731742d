"""The tables of benign rules: each scenario without them, with those of the truth, and with those of the manual."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

COUNTS = {"raised": "normal events", "quiet": "normal events", "found": "faults", "false alarms": None}
HEADS = ("normal events that alarm", "of them quiet", "faults found", "false alarms", "mean AP")


def tables(rows: pd.DataFrame) -> str:
    """Return the sums of both parts of the bench, and the figures of each scenario, as Markdown."""
    parts = []
    for confirmation, half in rows.groupby("confirmation"):
        both = half.groupby("scenario")["benign rules"].transform("nunique")
        sums = [(arm, half[half["benign rules"] == arm]) for arm in half["benign rules"].unique()]
        mined = half[both == both.max()] if both.max() > 2 else half.iloc[:0]
        if len(mined):
            plain = mined["benign rules"] == mined["benign rules"].iloc[0]
            sums.insert(-1, ("without, the same scenarios", mined[plain]))
        title = "Confirmation" if confirmation else "Tuning"
        lines = [[arm, f"{table['scenario'].nunique()}", *_cells(table)] for arm, table in sums]
        parts.append(f"**{title} scenarios, sums**\n\n" + _markdown(["benign rules", "scenarios", *HEADS], lines))
    lines = [
        [
            row["scenario"],
            row["benign rules"] + (f" ({row['rules']}{', timed' if row['timed'] else ''})" if row["rules"] else ""),
            row["kept"],
            str(row["trained on"]),
            *_cells(row.to_frame().T),
        ]
        for _, row in rows.iterrows()
    ]
    parts.append(
        "**Each scenario**\n\n" + _markdown(["scenario", "benign rules", "kept", "in training", *HEADS], lines)
    )
    return "\n".join(parts)


def _cells(table: pd.DataFrame) -> list[str]:
    total = table.sum(numeric_only=False)
    counts = [f"{total[name]:.0f}" + (f" of {total[of]:.0f}" if of else "") for name, of in COUNTS.items()]
    return [*counts, f"{table['ap'].mean():.3f}"]


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
