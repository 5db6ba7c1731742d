"""``ape score`` and ``ape enhance`` on other files than that of training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ape.detectors.registry import BACKBONES

LENGTH = 800
FAULT = slice(400, 460)


def frame(seed=1, step="5min"):
    steps = np.arange(LENGTH)
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "time": pd.date_range("2026-03-01", periods=LENGTH, freq=step),
        "temp_C": 50 + np.sin(2 * np.pi * steps / 40) + 0.1 * rng.normal(size=LENGTH),
        "pressure": 2e7 + np.cos(2 * np.pi * steps / 40) + 0.1 * rng.normal(size=LENGTH),
        "packets": 2**54 + np.cumsum(rng.integers(3, 9, LENGTH)),
        "label": rng.integers(0, 2, LENGTH),
    })  # fmt: skip


@pytest.fixture(scope="module")
def trained(ape, tmp_path_factory):
    """A folder with a detector of three channels, and its training file."""
    folder = tmp_path_factory.mktemp("trained")
    frame(0).to_csv(folder / "train.csv", index=False)
    vae = BACKBONES["vae"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "vae", replace(vae, budget=replace(vae.budget, steps=100)))
        outcome = ape("train", folder / "train.csv", "--difference", "--out", folder / "out")
    assert outcome.code == 0
    return folder / "out"


@pytest.fixture
def scored(ape, trained, tmp_path):
    """Return a function that scores a frame, and returns the scores and the output."""

    def score(data):
        path = tmp_path / f"new{len(list(tmp_path.iterdir()))}"
        path.mkdir()
        data.to_csv(path / "new.csv", index=False)
        outcome = ape("score", path / "new.csv", "--detector", trained, "--out", path)
        assert (outcome.code, outcome.err) == (0, "")
        assert "train_end" not in outcome.out and "--train-end" not in outcome.out
        return pd.read_csv(path / "scores.csv"), outcome.out

    return score


def test_columns_are_matched_by_name_and_counters_read_as_in_training(scored):
    expected, plain = scored(frame())
    assert "channel 'packets' is a counter: its increments are read" in plain
    assert list(expected.columns[2:]) == ["score", "channel temp_C", "channel pressure", "channel packets"]
    turned = frame()[["packets", "time", "pressure", "temp_C"]].assign(host="web", more=1.5)
    scores, out = scored(turned)
    pd.testing.assert_frame_equal(scores, expected)
    assert "another order" in out and "not trained on 'host', 'more'" in out


def test_another_unit_and_step_draw_warnings(scored):
    _scores, out = scored(frame(step="10min").rename(columns={"temp_C": "temp_F"}))
    assert "warning: channel 'temp_F' is taken for 'temp_C', but the unit differs" in out
    assert "warning: the step is 10 min, but the detector was trained on 5 min" in out


def test_renamed_columns_are_refused(refused, trained, tmp_path):
    frame().rename(columns={"pressure": "druck"}).to_csv(tmp_path / "new.csv", index=False)
    line = refused("score", tmp_path / "new.csv", "--detector", trained, "--out", tmp_path)
    assert "no channel 'pressure'; the detector does not know 'druck'" in line


@pytest.mark.parametrize("fault", ["dead", "missing", 1e9, 1e30, np.inf])
@pytest.mark.parametrize("channels", [["pressure"], ["temp_C", "pressure"]])
def test_faults_score_high(scored, fault, channels):
    data = frame()
    data.loc[FAULT, channels] = {"dead": data.loc[FAULT.start, channels], "missing": np.nan}.get(fault, fault)
    score = scored(data)[0]["score"]
    assert np.isfinite(score).all()
    assert score[FAULT].min() > score[: FAULT.start - 70].quantile(0.99)


def test_a_dead_counter_scores_high(scored):
    data = frame()
    data.loc[FAULT.start :, "packets"] = data.loc[FAULT.start, "packets"]
    scores, out = scored(data)
    assert "channel 'packets' stands still for 399 points from 2026-03-02 09:25:00" in out
    assert scores["score"][FAULT.start + 1 :].min() > scores["score"][: FAULT.start - 70].quantile(0.99)


@pytest.mark.parametrize(
    "data", [frame().assign(temp_C=50.0, pressure=2e7), frame().assign(temp_C=np.nan), frame()[:70]]
)
def test_training_rules_do_not_apply(scored, data):
    assert len(scored(data)[0]) == len(data)


def test_a_series_shorter_than_a_window_is_refused(refused, trained, tmp_path):
    frame()[:30].to_csv(tmp_path / "new.csv", index=False)
    line = refused("score", tmp_path / "new.csv", "--detector", trained, "--out", tmp_path)
    assert f"30 points are fewer than a window of 39 ({tmp_path / 'new.csv'}): give a longer series" in line


@pytest.mark.extended
def test_a_run_scores_faults_after_the_training_part(ape, tmp_path, quick_training):
    data = frame(0).drop(columns=["packets", "label"])
    data.loc[100:130, "temp_C"] = np.nan
    data.loc[650:690, "temp_C"] = np.nan
    data.loc[720:760, "pressure"] = data.loc[720, "pressure"]
    data.loc[780, "pressure"] = np.inf
    data["spare"] = np.where(np.arange(LENGTH) < 600, 3.0, np.arange(LENGTH))
    data["constant"] = 1.0
    data.to_csv(tmp_path / "data.csv", index=False)
    outcome = ape("run", tmp_path / "data.csv", "--train-end", 600, "--out", tmp_path / "run")
    assert (outcome.code, outcome.err) == (0, "")
    assert "channel 'constant' is constant and was left out" in outcome.out
    assert "columns: temp_C, pressure, spare" in outcome.out
    score = pd.read_csv(tmp_path / "run/scores.csv")["before"]
    assert score[[*range(100, 131), *range(650, 691), *range(720, 761), 780]].min() > score[140:560].quantile(0.99)


@pytest.fixture
def many(tmp_path):
    """A folder with three series."""
    folder = tmp_path / "many"
    folder.mkdir()
    for seed in (1, 2, 3):
        frame(seed).to_csv(folder / f"s{seed}.csv", index=False)
    return folder


def test_many_series_are_scored_each_as_on_its_own(ape, trained, scored, many, tmp_path):
    outcome = ape("score", many, "--detector", trained, "--out", tmp_path / "out")
    assert (outcome.code, outcome.err) == (0, "")
    for seed in (1, 2, 3):
        alone, _ = scored(frame(seed))
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"out/items/s{seed}/scores.csv"), alone)
    events = pd.read_csv(tmp_path / "out/events.csv")
    assert set(events["series"]) <= {"s1", "s2", "s3"}
    shown = ape("events", tmp_path / "out/items/s2", "--json")
    document = json.loads(shown.out)
    assert shown.code == 0 and len(document["events"]) == (events["series"] == "s2").sum()


def test_the_same_call_scores_only_what_failed(ape, trained, many, tmp_path):
    (many / "s2.csv").write_text("time,temp_C\n2026-03-01,warm\n")
    call = ("score", many, "--detector", trained, "--out", tmp_path / "out", "--workers", 1)
    outcome = ape(*call)
    assert outcome.code == 2 and "1 of 3 items failed" in outcome.err
    failures = pd.read_csv(tmp_path / "out/failures.csv")
    assert list(failures["name"]) == ["s2"] and Path(failures["path"][0]) == many / "s2.csv"
    before = (tmp_path / "out/items/s1/scores.csv").stat().st_mtime_ns
    frame(2).to_csv(many / "s2.csv", index=False)
    assert ape(*call).code == 0 and not (tmp_path / "out/failures.csv").exists()
    assert (tmp_path / "out/items/s1/scores.csv").stat().st_mtime_ns == before
    refused = ape(*call, "--own")
    assert refused.code == 2 and "another detector, or other options" in refused.err


def test_options_for_many_series_are_refused_with_one(ape, trained, many, tmp_path):
    outcome = ape("score", many / "s1.csv", "--detector", trained, "--out", tmp_path / "out", "--ray", "auto")
    assert outcome.code == 2 and "one series is scored here (--ray)" in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.extended
def test_a_ray_cluster_gives_the_same_scores(ape, trained, many, tmp_path):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        call = ("score", many, "--detector", trained, "--out")
        assert ape(*call, tmp_path / "ray", "--ray", cluster.address).code == 0
    finally:
        cluster.shutdown()
    assert ape(*call, tmp_path / "local").code == 0
    for path in (tmp_path / "local/items").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "ray/items" / path.relative_to(tmp_path / "local/items")).read_bytes()
