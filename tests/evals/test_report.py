"""Reports: leads with tests, differences of pairs, tuning and confirmation apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ape.evals import differences, report


def test_lead_of_the_reference_with_wilcoxon_and_holm():
    rng = np.random.default_rng(0)
    base = rng.random(12)
    noise = 0.01 * rng.random(12)
    ap = pd.DataFrame({"ours": base + 0.3, "worse": base + noise, "same": base + 0.3 + noise - noise.mean()})
    ap.index = [f"s{k}" for k in range(12)]
    table = differences.lead(ap, pd.Series({name: name for name in ap.index}), "ours")
    assert table.loc["worse", "mean"] == pytest.approx(0.3 - noise.mean())
    assert (table.loc["worse", "better"], table.loc["worse", "worse"]) == (12, 0)
    assert table.loc["worse", "p"] == pytest.approx(2 / 2**12)
    assert table.loc["worse", "p, Holm"] == pytest.approx(4 / 2**12)
    assert table.loc["same", "p"] > 0.3 and table.loc["same", "low"] < 0 < table.loc["same", "high"]


def rows_of(part, names, **ap):
    return [
        {
            "system": system, "series": name, "recording": name, "set": "bench", "part": part, "family": name,
            "seed": 0,
            "ap": value, "vus": value, "outside": 1 - value, "found": 1.0, "delay": 2.0, "early": 0.0,
            "named": None, "kept": None, "seconds": 1.0,
        }
        for system, values in ap.items()
        for name, value in zip(names, values, strict=True)
    ]  # fmt: skip


def test_differences_of_pairs_by_hand():
    rows = pd.DataFrame(rows_of("tuning", "abc", right=[0.5, 0.9, 0.7], other=[0.4, 0.4, 0.7]))
    rows["located"] = [1.0, None, 0.6, 0.5, None, 0.5]
    table = differences.differences_of_pairs(rows, [("right", "other"), ("right", "missing")])
    assert list(table.index) == ["right less other"]
    row = table.loc["right less other"]
    assert (row["series"], row["better"], row["worse"]) == (3, 2, 0)
    assert row["ap"].startswith("+0.200 [+0.0") and row["outside"].startswith("-0.200 [-0.5")
    assert row["located"] == "+0.300 [+0.100, +0.500]"


def test_means_as_text_by_hand():
    rows = pd.DataFrame(rows_of("tuning", "ab", right=[0.5, 0.9], other=[0.4, 0.4]))
    names = {"false 1": "1 promised", "false 5": "5 promised", "false 20": "20 promised"}
    assert report.means_as_text(rows, names).empty  # cells of older versions have no alarms
    rows["false 1"], rows["false 5"], rows["false 20"] = [2.0, 1.0, 0.0, 0.0], [0.5, None, None, None], None
    table = report.means_as_text(rows, names)
    assert list(table.columns) == ["1 promised", "5 promised"] and list(table.index) == ["right", "other"]
    assert table.loc["right", "1 promised"] == "1.50 [1.00, 2.00]"
    assert table.loc["right", "5 promised"] == "0.50 [nan, nan]" and pd.isna(table.loc["other", "5 promised"])


def test_tuning_and_confirmation_are_reported_apart(tmp_path):
    rows = rows_of("tuning", "ab", right=[0.5, 0.9], other=[0.4, 0.4])
    rows += rows_of("confirmation", "cd", right=[0.1, 0.2], other=[0.4, 0.4])
    setting = ("series", "recording", "set", "part", "family", "seed")
    cells = [
        {
            "rows": [{name: value for name, value in row.items() if name not in (*setting, "seconds")}],
            "seconds": {row["system"]: 1.0},
            "about": {name: row[name] for name in setting},
            "hardware": {"machine": "m", "gpu": "none"},
            "versions": {"ape-tsad": "0"},
        }
        for row in rows
    ]
    report.write_report(tmp_path, "T", "right", cells, [("right", "other")])
    text = (tmp_path / "report.md").read_text()
    for heading, difference in (("bench", "+0.025"), ("bench, tuning", "+0.300"), ("bench, confirmation", "-0.250")):
        table = text.split(f"## {heading}: differences")[1].split("##")[0]
        assert difference in table
    assert "bench, tuning: average precision by family" not in text
    assert Image.open(tmp_path / "differences.png").size[0] == 900
    lost = text.split("## bench, confirmation: losses")[1].split("##")[0]
    assert "-0.300" in lost and "-0.200" in lost
    assert "caught" not in text and "share of events" not in text  # cells of older versions have neither
    for cell in cells:
        cell["rows"][0] |= {"caught": 0.5, "fitting": None, "pieces": None, "false 1": 3.0, "false 5": None}
        cell["rows"][0] |= {"located": 0.75, "chance": 0.5}
    (tmp_path / "differences.png").unlink()
    report.write_report(tmp_path, "T", "right", cells)
    assert (tmp_path / "differences.png").exists()  # the reference less each other system
    text = (tmp_path / "report.md").read_text()
    table = text.split("## bench, tuning: false alarms for each promised one")[1].split("##")[0]
    assert "3.00 [3.00, 3.00]" in table and "5 promised" not in table
    table = text.split("## bench, tuning: share of events")[1].split("##")[0]
    row = [figure.strip() for figure in table.splitlines()[4].split("|")]
    assert row[2:5] == ["0.75 [0.75, 0.75]", "0.50 [0.50, 0.50]", "0.25 [0.25, 0.25]"]
    header, _, row = text.split("## bench: all systems\n\n")[1].splitlines()[:3]
    figures = dict(zip(map(str.strip, header.split("|")), map(str.strip, row.split("|")), strict=True))
    assert figures["caught"] == "0.500" and "pieces" not in figures
    cells[0]["about"]["set"] = cells[2]["about"]["set"] = "another"
    report.write_report(tmp_path, "T", "right", cells)
    assert Image.open(tmp_path / "means.png").size[0] == 900
