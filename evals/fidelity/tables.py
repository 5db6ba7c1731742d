"""Tables of the fidelity of banks: means with intervals over faults, and what each part of mining adds."""

from __future__ import annotations

import pandas as pd

from ape.evals.bootstrap import interval

STEPS = (("profile", "+ text"), ("+ text", "+ pictures"), ("+ pictures", "+ critic, manual"))
NO_FIGURES = {"scenario", "confirmation", "fault", "bank", "seed", "rules", "true_windows"}


def tables(rows: pd.DataFrame) -> str:
    """Return the tables as text, for the tuning scenarios and the confirmation scenarios."""
    figures = [name for name in rows.columns if name not in NO_FIGURES]
    parts = []
    for confirmation, half in rows.groupby("confirmation"):
        by_fault = half.groupby(["bank", "scenario", "fault"], sort=False)[figures].mean()
        banks = {bank: by_fault.loc[bank] for bank in half["bank"].unique()}
        count = (
            f"{half['scenario'].nunique()} scenarios, {half['fault'].nunique()} faults, {half['seed'].nunique()} seeds"
        )
        means = pd.DataFrame({bank: _intervals(table) for bank, table in banks.items()}).T
        steps = {
            f"{after} less {before}": _intervals(banks[after] - banks[before])
            for before, after in STEPS
            if before in banks and after in banks
        }
        title = "Confirmation" if confirmation else "Tuning"
        parts.append(f"{title}: {count}; mean [95 % bootstrap interval over faults]\n\n{means.to_string()}\n")
        if steps:
            parts.append(f"{title}: what each step adds\n\n{pd.DataFrame(steps).T.to_string()}\n")
    return "\n".join(parts)


def _intervals(table: pd.DataFrame) -> dict[str, str]:
    return {name: _interval(table[name].dropna()) for name in table.columns}


def _interval(values: pd.Series) -> str:
    """Mean and interval over faults; a figure that was not measured is a dash."""
    if values.empty:
        return "-"
    return "{:.2f} [{:.2f}, {:.2f}]".format(*interval(values, pd.Series(range(len(values)), index=values.index)))
