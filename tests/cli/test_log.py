"""``--log``: terminal, ``run.json`` and report say what was left out, and quotes name their file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


@pytest.mark.extended
def test_what_is_left_out_of_a_log_is_said_everywhere(ape, tmp_path):
    times = pd.date_range("2024-03-01", periods=900, freq="h")
    waves = np.sin(2 * np.pi * np.arange(900) / 24) + 0.05 * np.random.default_rng(0).standard_normal(900)
    stamps = times.strftime("%Y-%m-%dT%H:%M:%SZ")
    pd.DataFrame({"time": stamps, "pressure": waves}).to_csv(tmp_path / "boiler.csv", index=False)
    lines = [f"{stamps[k]} INFO burner start, normal" for k in (30, 60, 90)]
    lines += [f"{stamps[k]} ERROR pressure sensor timeout, value stuck" for k in (100, 800, 810)]
    (tmp_path / "boiler.log").write_text("\n".join(lines))
    out = tmp_path / "run"
    outcome = ape("mine", tmp_path / "boiler.csv", "--train-end", "700", "--log", tmp_path / "boiler.log", "--out", out)
    assert outcome.code == 0
    note = "2 lines after the training part are left out"
    report = (out / "report.html").read_text()
    assert f"reads the log: {note}" in outcome.out and f"log: {note}" in report
    assert json.loads((out / "run.json").read_text())["log"] == note
    quoted = [item for rule in json.loads((out / "bank.json").read_text())["rules"] for item in rule["evidence"]]
    assert any(item["id"] == "log" and item["line"] == 4 for item in quoted)
    assert ">log, line 4" in report
    stored = [path.read_text() for path in (out / "artefacts").glob("*.json")]
    (templates,) = [json.loads(text)["result"]["templates"] for text in stored if '"log_templates"' in text]
    assert {each["template"] for each in templates} == {
        "INFO burner start, normal", "ERROR pressure sensor timeout, value stuck"
    }  # fmt: skip
