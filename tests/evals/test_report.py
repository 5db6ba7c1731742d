"""Reports: leads with tests, and parts of UCR."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.evals import report


def test_lead_of_the_reference_with_wilcoxon_and_holm():
    rng = np.random.default_rng(0)
    base = rng.random(12)
    noise = 0.01 * rng.random(12)
    ap = pd.DataFrame({"ours": base + 0.3, "worse": base + noise, "same": base + 0.3 + noise - noise.mean()})
    ap.index = [f"s{k}" for k in range(12)]
    table = report.lead(ap, pd.Series({name: name for name in ap.index}), "ours")
    assert table.loc["worse", "mean"] == pytest.approx(0.3 - noise.mean())
    assert (table.loc["worse", "better"], table.loc["worse", "worse"]) == (12, 0)
    assert table.loc["worse", "p"] == pytest.approx(2 / 2**12)
    assert table.loc["worse", "p, Holm"] == pytest.approx(4 / 2**12)
    assert table.loc["same", "p"] > 0.3 and table.loc["same", "low"] < 0 < table.loc["same", "high"]
