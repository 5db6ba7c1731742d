"""Commands on good input: the single steps chained on files, looking at banks, and what a run leaves and tells."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ape.cli import commands
from ape.detectors.registry import BACKBONES
from ape.rules import RuleBank


def test_a_run_leaves_what_it_says(finished):
    left = {path.name for path in finished.folder.iterdir()}
    assert left == {
        "run.json", "bank.json", "report.html", "scores.csv", "posttrain.json", "detector", "enhanced",
        "ledger.jsonl", "spans.jsonl", "checkpoints.sqlite", "artefacts",
    }  # fmt: skip
    record = json.loads((finished.folder / "run.json").read_text())
    assert record["finished"] and record["seed"] == 0 and record["arguments"]["backbone"] == "vae"
    assert {"mine", "train", "post_train", "detect"} <= set(record["timings"]) and "torch" in record["versions"]
    saved = {path.suffix for name in ("detector", "enhanced") for path in (finished.folder / name).rglob("*.*")}
    assert saved == {".json", ".safetensors"}


def test_a_run_tells_what_it_is_doing(finished):
    for word in ("planner", "visual inspector", "iteration 0", "rule critic", "training", "scores.csv", "report.html"):
        assert word in finished.out
    assert "the first 1000 are taken as normal" in finished.out


def test_scores_stand_for_every_point_before_and_after(finished):
    scores = pd.read_csv(finished.folder / "scores.csv")
    assert list(scores.columns) == ["position", "before", "after"] and len(scores) == 1500
    assert np.isfinite(scores.to_numpy()).all() and (scores["position"] == np.arange(1500)).all()


def test_train_enhance_and_score_chain_on_files(ape, data, finished, tmp_path, quick_training):
    trained = ape("train", data, "--out", tmp_path / "a")
    assert (trained.code, trained.err) == (0, "") and (tmp_path / "a/detector/weights.safetensors").is_file()
    enhanced = ape("enhance", data, "--detector", tmp_path / "a", "--bank", finished.folder, "--out", tmp_path / "b")
    assert (enhanced.code, enhanced.err) == (0, "") and (tmp_path / "b/posttrain.json").is_file()
    for detector, out in (("a", "before"), ("b", "after")):
        scored = ape("score", data, "--detector", tmp_path / detector, "--out", tmp_path / out)
        assert (scored.code, scored.err) == (0, "")
    run = pd.read_csv(finished.folder / "scores.csv")
    for name in ("before", "after"):
        scores = pd.read_csv(tmp_path / name / "scores.csv")["score"]
        assert len(scores) == 1500 and np.allclose(scores, run[name], rtol=1e-4, atol=1e-6)


def test_a_score_of_several_channels_is_shared_out_among_them(ape, wave, tmp_path, quick_training):
    np.savez(tmp_path / "two.npz", values=np.column_stack([wave, wave[::-1]]), channels=["in", "out"], train_end=1000)
    assert ape("train", tmp_path / "two.npz", "--out", tmp_path / "a").code == 0
    outcome = ape("score", tmp_path / "two.npz", "--detector", tmp_path / "a", "--out", tmp_path / "b")
    assert (outcome.code, outcome.err) == (0, "")
    scores = pd.read_csv(tmp_path / "b/scores.csv")
    assert list(scores.columns) == ["position", "score", "channel in", "channel out"]
    assert np.allclose(scores["channel in"] + scores["channel out"], scores["score"], rtol=1e-4)


def test_nothing_is_written_over(ape, data, finished, tmp_path):
    (tmp_path / "scores.csv").write_text("mine")
    assert ape("score", data, "--detector", finished.folder, "--out", tmp_path).code == 2
    assert (tmp_path / "scores.csv").read_text() == "mine"


def gapped(wave: np.ndarray) -> list[str]:
    return ["" if 50 <= i < 54 or i == 700 else f"{value:.6f}" for i, value in enumerate(wave)]


def test_short_gaps_are_filled_and_told(ape, csv, wave, finished, tmp_path):
    outcome = ape("score", csv(gapped(wave)), "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "5 missing values in 2 short gaps were filled" in outcome.out
    assert len(pd.read_csv(tmp_path / "out/scores.csv")) == 1500


def test_empty_lines_of_a_single_column_are_gaps_too(ape, wave, finished, tmp_path):
    (tmp_path / "series.csv").write_text("\n".join(["value", *gapped(wave)]) + "\n")
    outcome = ape("score", tmp_path / "series.csv", "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "5 missing values in 2 short gaps were filled" in outcome.out
    assert len(pd.read_csv(tmp_path / "out/scores.csv")) == 1500


def test_times_stand_beside_the_scores(ape, wave, finished, tmp_path):
    times = pd.date_range("2024-01-01", periods=1500, freq="min")
    pd.DataFrame({"time": times, "value": wave}).to_csv(tmp_path / "series.csv", index=False)
    assert ape("score", tmp_path / "series.csv", "--detector", finished.folder, "--out", tmp_path / "out").code == 0
    scores = pd.read_csv(tmp_path / "out/scores.csv", parse_dates=["timestamp"])
    assert (scores["timestamp"].to_numpy() == times.to_numpy()).all()


def test_without_a_train_end_the_output_says_so(ape, csv, wave, finished, tmp_path):
    outcome = ape("score", csv(wave), "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "the whole series is training data" in outcome.out


def test_columns_that_look_like_labels_are_left_out_and_told(ape, wave, finished, tmp_path):
    pd.DataFrame({"value": wave, "is_anomaly": 0}).to_csv(tmp_path / "series.csv", index=False)
    outcome = ape("score", tmp_path / "series.csv", "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "'is_anomaly' looks like labels" in outcome.out


# Banks


def test_a_good_bank_is_valid(ape, finished):
    rules = len(RuleBank.load(finished.folder / "bank.json").rules)
    for given in (finished.folder, finished.folder / "bank.json"):
        outcome = ape("bank", "validate", given)
        assert (outcome.code, outcome.err) == (0, "") and f"valid, {rules} rules" in outcome.out


def test_show_tells_every_rule_with_its_figures(ape, finished, monkeypatch):
    monkeypatch.setattr(commands.console, "width", 300)  # a narrow table folds words
    outcome = ape("bank", "show", finished.folder)
    assert outcome.code == 0
    for rule in RuleBank.load(finished.folder / "bank.json").rules:
        assert rule.id in outcome.out and f"visible {rule.history[-1].figures['visible']:.3g}" in outcome.out


KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def unmet(schema: dict[str, Any], value: Any, whole: dict[str, Any], where: str = "bank") -> list[str]:
    """Where ``value`` does not keep to ``schema``: types, fields, enumerations, bounds, lengths."""
    if "$ref" in schema:
        return unmet(whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, whole, where)
    if "anyOf" in schema:
        return min((unmet(one, value, whole, where) for one in schema["anyOf"]), key=len)
    kind = schema.get("type")
    if kind in ("number", "integer"):
        fits = isinstance(value, int | float if kind == "number" else int) and not isinstance(value, bool)
    else:
        fits = kind is None or isinstance(value, KINDS[kind])
    if not fits:
        return [f"{where} is no {kind}"]
    problems = []
    if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
        problems.append(f"{where} is {value!r}")
    low, high = schema.get("minimum", -np.inf), schema.get("maximum", np.inf)
    if isinstance(value, int | float) and not (
        low <= value <= high and value > schema.get("exclusiveMinimum", -np.inf)
    ):
        problems.append(f"{where} is {value}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        problems.append(f"{where} is {value!r}")
    if isinstance(value, str | list) and len(value) > schema.get("maxLength", schema.get("maxItems", np.inf)):
        problems.append(f"{where} is too long")
    if isinstance(value, list):
        inner = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        problems += [
            p for i, (s, v) in enumerate(zip(inner, value, strict=True)) for p in unmet(s, v, whole, f"{where}.{i}")
        ]
    if isinstance(value, dict):
        fields, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        problems += [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            inner = fields.get(name, rest)
            problems += (
                [f"{where}.{name} is unknown"] if inner is False else unmet(inner, item, whole, f"{where}.{name}")
            )
    return problems


@pytest.fixture(scope="module")
def schema(ape) -> dict[str, Any]:
    outcome = ape("bank", "schema")
    assert (outcome.code, outcome.err) == (0, "")
    return json.loads(outcome.out)


def test_the_published_schema_is_met_by_a_mined_bank(schema, finished):
    bank = json.loads((finished.folder / "bank.json").read_text())
    assert bank["rules"] and unmet(schema, bank, schema) == []


def test_the_published_schema_refuses_what_loading_refuses(schema, finished):
    text = (finished.folder / "bank.json").read_text()
    for change in (
        lambda b: b.update(code="x"),
        lambda b: b["rules"][0].update(mechanism="gremlins"),
        lambda b: b["rules"][0]["program"][0].update(operator="os.system"),
        lambda b: b["rules"][0].update(weight=-1),
        lambda b: b["rules"][0].update(id="NO SUCH"),
        lambda b: b["context"].update(channels="value"),
        lambda b: b.pop("context"),
    ):
        bank = json.loads(text)
        change(bank)
        assert unmet(schema, bank, schema)


def test_detectors_list_tells_what_each_takes_for_granted(ape):
    from ape import detectors

    blocks = re.split(r"\n(?=\S)", ape("detectors", "list").out)
    assert [block.split()[0] for block in blocks] == list(BACKBONES)
    assert set(BACKBONES) == set(detectors.names())
    for block in blocks:
        assert "arXiv" in block or "doi" in block or "KDD" in block
        assert all(f"    {what}" in block for what in ("own score", "channels", "window", "scaling", "cannot see"))
    assert "level or amplitude" in blocks[list(BACKBONES).index("timesnet")]
    assert "channel_lag" in blocks[list(BACKBONES).index("crossad")]


def test_own_score_is_that_of_the_paper(ape, data, tmp_path):
    budget = replace(BACKBONES["donut"].budget, steps=30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "donut", replace(BACKBONES["donut"], budget=budget))
        assert ape("train", data, "--backbone", "donut", "--out", tmp_path).code == 0
    for options, out in (((), "error"), (("--own",), "own")):
        outcome = ape("score", data, "--detector", tmp_path, *options, "--out", tmp_path / out)
        assert (outcome.code, outcome.err) == (0, "")
    error, own = (pd.read_csv(tmp_path / out / "scores.csv")["score"] for out in ("error", "own"))
    assert len(own) == len(error) == 1500 and not np.allclose(own, error)


def test_own_score_of_an_enhanced_detector_is_refused(refused, data, finished, tmp_path):
    line = refused("score", data, "--detector", finished.folder / "enhanced", "--own", "--out", tmp_path)
    assert "has one score" in line and not (tmp_path / "scores.csv").exists()
