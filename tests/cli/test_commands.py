"""Commands on valid input: single steps on files, printed banks, and the files and output of a run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from ape.detectors.registry import BACKBONES
from ape.rules import RuleBank


def test_a_run_writes_its_files(finished):
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {
        "run.json", "bank.json", "report.html", "scores.csv", "posttrain.json", "detector", "enhanced",
        "ledger.jsonl", "spans.jsonl", "checkpoints.sqlite", "artefacts", "events.csv", "events.json",
        "checksums.json", ".lock",
    }  # fmt: skip
    record = json.loads((finished.folder / "run.json").read_text())
    assert record["finished"] and record["seed"] == 0 and record["arguments"]["backbone"] == "vae"
    assert {"mine", "train", "post_train", "detect"} <= set(record["timings"]) and "torch" in record["versions"]
    saved = {path.suffix for name in ("detector", "enhanced") for path in (finished.folder / name).rglob("*.*")}
    assert saved == {".json", ".safetensors"}


def test_a_run_prints_its_progress(finished):
    for word in ("planner", "visual inspector", "iteration 0", "rule critic", "training", "scores.csv", "report.html"):
        assert word in finished.out
    assert "the first 1000 are taken as normal" in finished.out


def test_scores_cover_every_point_before_and_after(finished):
    scores = pd.read_csv(finished.folder / "scores.csv")
    assert list(scores.columns) == ["position", "before", "after"] and len(scores) == 1500
    assert np.isfinite(scores.to_numpy()).all() and (scores["position"] == np.arange(1500)).all()


@pytest.mark.extended
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


def test_channel_shares_add_up_to_the_score(ape, wave, tmp_path, quick_training):
    np.savez(tmp_path / "two.npz", values=np.column_stack([wave, wave[::-1]]), channels=["in", "out"], train_end=1000)
    assert ape("train", tmp_path / "two.npz", "--out", tmp_path / "a").code == 0
    outcome = ape("score", tmp_path / "two.npz", "--detector", tmp_path / "a", "--out", tmp_path / "b")
    assert (outcome.code, outcome.err) == (0, "")
    scores = pd.read_csv(tmp_path / "b/scores.csv")
    assert list(scores.columns) == ["position", "score", "channel in", "channel out"]
    assert np.allclose(scores["channel in"] + scores["channel out"], scores["score"], rtol=1e-4)


def test_existing_files_are_not_overwritten(ape, data, finished, tmp_path):
    (tmp_path / "scores.csv").write_text("mine")
    assert ape("score", data, "--detector", finished.folder, "--out", tmp_path).code == 2
    assert (tmp_path / "scores.csv").read_text() == "mine"


def gapped(wave: np.ndarray) -> list[str]:
    return ["" if 50 <= i < 54 or i == 700 else f"{value:.6f}" for i, value in enumerate(wave)]


def test_short_gaps_are_filled_and_reported(ape, csv, wave, finished, tmp_path):
    outcome = ape("score", csv(gapped(wave)), "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "5 missing values in 2 short gaps were filled" in outcome.out
    assert len(pd.read_csv(tmp_path / "out/scores.csv")) == 1500


def test_empty_lines_of_a_single_column_are_gaps(ape, wave, finished, tmp_path):
    (tmp_path / "series.csv").write_text("\n".join(["value", *gapped(wave)]) + "\n")
    outcome = ape("score", tmp_path / "series.csv", "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "5 missing values in 2 short gaps were filled" in outcome.out
    assert len(pd.read_csv(tmp_path / "out/scores.csv")) == 1500


def test_scores_have_timestamps(ape, wave, finished, tmp_path):
    times = pd.date_range("2024-01-01", periods=1500, freq="min")
    pd.DataFrame({"time": times, "value": wave}).to_csv(tmp_path / "series.csv", index=False)
    assert ape("score", tmp_path / "series.csv", "--detector", finished.folder, "--out", tmp_path / "out").code == 0
    scores = pd.read_csv(tmp_path / "out/scores.csv", parse_dates=["timestamp"])
    assert (scores["timestamp"].to_numpy() == times.to_numpy()).all()


def test_without_a_train_end_the_output_says_so_unless_it_only_scores(ape, csv, wave, finished, tmp_path):
    outcome = ape("check", csv(wave))
    assert outcome.code == 0 and "the whole series, because no --train-end is given" in outcome.out
    outcome = ape("score", csv(wave), "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "training part:" not in outcome.out and "--train-end" not in outcome.out


def test_columns_that_look_like_labels_are_left_out_and_reported(ape, wave, finished, tmp_path):
    pd.DataFrame({"value": wave, "is_anomaly": 0}).to_csv(tmp_path / "series.csv", index=False)
    outcome = ape("score", tmp_path / "series.csv", "--detector", finished.folder, "--out", tmp_path / "out")
    assert outcome.code == 0 and "'is_anomaly': left out" in outcome.out
    outcome = ape("check", tmp_path / "series.csv")
    assert outcome.code == 0 and "'is_anomaly' looks like labels" in outcome.out


# Banks


def test_a_good_bank_is_valid(ape, finished):
    rules = len(RuleBank.load(finished.folder / "bank.json").rules)
    for given in (finished.folder, finished.folder / "bank.json"):
        outcome = ape("bank", "validate", given)
        assert (outcome.code, outcome.err) == (0, "") and f"valid, {rules} rules" in outcome.out


def test_show_prints_every_rule_with_its_figures(ape, finished):
    outcome = ape("bank", "show", finished.folder)
    assert outcome.code == 0
    for rule in RuleBank.load(finished.folder / "bank.json").rules:
        assert rule.id in outcome.out and f"visible {rule.history[-1].figures['visible']:.3g}" in outcome.out


def test_benign_rules_are_shown_and_counted_apart(ape, finished, tmp_path):
    bank = RuleBank.load(finished.folder / "bank.json")
    bank.benign.append(bank.rules[0].model_copy(update={"id": "nightly-backup"}))
    bank.save(tmp_path / "bank.json")
    assert "nightly-backup: " in ape("bank", "show", tmp_path / "bank.json").out
    assert "must not alarm" in ape("bank", "show", tmp_path / "bank.json").out
    assert f"valid, {len(bank.rules)} rules and 1 benign" in ape("bank", "validate", tmp_path / "bank.json").out


@pytest.fixture(scope="module")
def schema(ape) -> dict[str, Any]:
    outcome = ape("bank", "schema")
    assert (outcome.code, outcome.err) == (0, "")
    published = json.loads(outcome.out)
    Draft202012Validator.check_schema(published)
    return published


def test_a_mined_bank_conforms_to_the_published_schema(schema, finished):
    bank = json.loads((finished.folder / "bank.json").read_text())
    assert bank["rules"] and Draft202012Validator(schema).is_valid(bank)


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
        assert not Draft202012Validator(schema).is_valid(bank)


def test_detectors_list_prints_the_assumptions_of_each_backbone(ape):
    from ape import detectors

    blocks = re.split(r"\n(?=\S)", ape("detectors", "list").out)
    assert [block.split()[0] for block in blocks] == list(BACKBONES)
    assert set(BACKBONES) == set(detectors.names())
    for block in blocks:
        assert "arXiv" in block or "doi" in block or "KDD" in block
        assert all(f"    {name}" in block for name in ("own score", "channels", "window", "scaling", "cannot see"))
    assert "level or amplitude" in blocks[list(BACKBONES).index("timesnet")]
    assert "channel_lag" in blocks[list(BACKBONES).index("crossad")]


@pytest.mark.extended
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
