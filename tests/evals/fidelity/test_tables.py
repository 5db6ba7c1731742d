"""Tables of fidelity: means with intervals, and the difference that each step makes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ape.evals.fidelity.tables import tables


def test_tables_have_means_and_intervals():
    rows = pd.DataFrame(
        {
            "scenario": np.repeat(["a", "b"], 4), "confirmation": False, "fault": ["f", "g"] * 4, "bank": "profile",
            "seed": 0, "rules": 3, "true_windows": 9, "mechanism@1": [0, 1, 0, 1, 1, 1, 1, 1],
        }
    )  # fmt: skip
    text = tables(rows)
    assert "0.75 [0.25, 1.00]" in text and "2 scenarios, 2 faults, 1 seeds" in text


def test_each_step_of_mining_has_a_difference():
    rows = pd.DataFrame(
        {
            "scenario": "a", "confirmation": True, "fault": ["f", "g"] * 2, "bank": ["profile"] * 2 + ["+ text"] * 2,
            "seed": 0, "rules": 3, "true_windows": 9, "mechanism@1": [0.0, 0.5, 1.0, 0.5],
        }
    )  # fmt: skip
    assert "+ text less profile  0.50 [0.00, 1.00]" in tables(rows)


def test_what_was_not_measured_is_a_dash():
    rows = pd.DataFrame(
        {
            "scenario": "a", "confirmation": False, "fault": ["f", "g"], "bank": "profile", "seed": 0, "rules": 3,
            "true_windows": 9, "mechanism@1": [0.0, 1.0], "own_mechanism": [np.nan, np.nan],
        }
    )  # fmt: skip
    assert tables(rows).splitlines()[-1].endswith(" -")
