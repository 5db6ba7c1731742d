"""One cell: its systems, the part that metrics use, and the score that the acceptance check keeps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ape.detectors.registry import BACKBONES
from ape.detectors.schedule import Budget
from ape.evals import arms, cells, experiment
from ape.evals.experiment import Experiment
from ape.evals.methods import running
from ape.rules import broad_bank, build_context

LENGTH, TRAIN_END, EVENT = 500, 300, slice(400, 420)


@pytest.fixture
def wave(tmp_path, monkeypatch):
    """A set of one series with an event at [400, 420)."""
    folder = tmp_path / "data" / "ucr"
    folder.mkdir(parents=True)
    np.savez(folder / "wave.npz", values=np.sin(np.arange(LENGTH) / 4), train_end=TRAIN_END)
    (folder / "index.csv").write_text("series,family,length,text\nwave,synthetic,500,A sine.\n")
    (folder / "labels.csv").write_text("series,begin,end\nwave,400,420\n")
    monkeypatch.setenv("APE_DEV_DATA", str(folder.parent))
    return "wave"


@pytest.fixture
def few_steps(monkeypatch):
    """Shorten the training of all backbones."""
    for name, spec in BACKBONES.items():
        monkeypatch.setitem(BACKBONES, name, replace(spec, budget=Budget(steps=20)))


def peaks(*positions):
    """Score with descending peaks."""
    score = np.zeros(LENGTH)
    score[list(positions)] = np.arange(len(positions), 0, -1)
    return score


def rows_of(result):
    return {row["system"]: row for row in result["rows"]}


def test_metrics_use_the_part_after_training_only(wave, tmp_path, monkeypatch):
    # In the whole series the first score would peak at 100, too early for UCR accuracy.
    monkeypatch.setitem(cells.SIMPLE, "in training", lambda *_: peaks(100, 410))
    monkeypatch.setitem(cells.SIMPLE, "in the event", lambda *_: peaks(410, 310))
    compared = Experiment(title="", sets=["ucr"], simple=["in training", "in the event"])
    rows = rows_of(cells.measure_cell(compared, tmp_path, None, f"ucr--simple--all--{wave}--0"))
    assert rows["in training"]["ucr"] == 1.0
    # One of 20 points has the highest score. The other 19 tie at zero with all that is left of the 200.
    assert rows["in the event"]["ap"] == pytest.approx(1 / 20 + 19 / 20 * 20 / 200)


VOICES = {"rules": peaks(310, 410), "free": peaks(410, 412, 330), "both": peaks(410, 310)}


def stand_in(monkeypatch, enhanced):
    """Replace mining, the backbone and post-training; the error of the backbone peaks at 320, 310 and 410."""
    monkeypatch.setattr(arms.graphs, "mine", lambda series, *_args, **_options: broad_bank(build_context(series)))
    monkeypatch.setattr(arms.posttrain, "enhance", lambda *_args, **options: enhanced(options))
    module = SimpleNamespace(has_own_score=lambda: False)
    detector = SimpleNamespace(module=module, score=lambda *_, own=False: peaks(320, 310, 410))
    detector.fit = lambda *_, **__: detector
    monkeypatch.setattr(experiment.detectors, "create", lambda *_, **__: detector)


@pytest.mark.parametrize(
    ("kept", "system"),
    [
        ("both", "vae + mined bank"),
        ("rules", "vae + mined bank, rules alone"),
        ("free", "vae: free voice"),
        ("original", "vae: point error"),
    ],
)
def test_ape_row_has_the_score_that_the_acceptance_keeps(wave, tmp_path, monkeypatch, kept, system):
    result = SimpleNamespace(candidate=SimpleNamespace(voices=lambda _: VOICES), report={"kept": kept})
    stand_in(monkeypatch, lambda options: result)
    compared = Experiment(title="", sets=["ucr"], backbones=["vae"])
    result = cells.measure_cell(compared, tmp_path, None, f"ucr--backbone--vae--{wave}--0")
    rows = rows_of(result)
    scores = ["vae + mined bank", "vae + mined bank, rules alone", "vae: free voice", "vae: point error"]
    assert len({rows[name]["ap"] for name in scores}) == 4
    assert (rows["vae + APE"]["ap"], rows["vae + APE"]["kept"]) == (rows[system]["ap"], kept)
    assert set(result["seconds"]) == set(rows) == {*scores, "vae + APE"}


def test_alarms_of_our_scores_need_no_calibration_but_those_of_others_do(wave, tmp_path, monkeypatch):
    score = peaks(410)
    score[410] = 2.4  # one alarm is promised in 300 points, from 2.48 on
    candidate = SimpleNamespace(voices=lambda _: {"both": score, "rules": 2 * score})
    stand_in(monkeypatch, lambda options: SimpleNamespace(candidate=candidate, report={"kept": "original"}))
    monkeypatch.setitem(cells.SIMPLE, "the same", lambda *_: score)
    compared = Experiment(title="", sets=["ucr"], backbones=["vae"], simple=["the same"])
    rows = rows_of(cells.measure_cell(compared, tmp_path, None, f"ucr--backbone--vae--{wave}--0"))
    rows |= rows_of(cells.measure_cell(compared, tmp_path, None, f"ucr--simple--all--{wave}--0"))
    caught = {system: row["caught"] for system, row in rows.items()}
    # The error of the backbone, which acceptance keeps, and the simple score are far above all training points.
    assert caught == {
        "vae: point error": 1, "vae + mined bank": 0, "vae + mined bank, rules alone": 1, "vae + APE": 1, "the same": 1,
    }  # fmt: skip
    assert all(row["false 20"] is None for row in rows.values())  # 300 training points are too few
    assert rows["vae: point error"]["false 1"] == 300 / (200 - 40)  # 310 and 320 are close: one alarm


def test_a_detector_that_cannot_be_post_trained_keeps_its_error(wave, tmp_path, monkeypatch):
    stand_in(monkeypatch, lambda options: SimpleNamespace(candidate=None, report={"kept": "original"}))
    compared = Experiment(title="", sets=["ucr"], backbones=["vae"])
    rows = rows_of(cells.measure_cell(compared, tmp_path, None, f"ucr--backbone--vae--{wave}--0"))
    assert set(rows) == {"vae: point error", "vae + APE"}
    assert rows["vae + APE"]["ap"] == rows["vae: point error"]["ap"]


def test_generators_and_recipes_change_one_option_of_post_training(wave, tmp_path, monkeypatch):
    given = []

    def enhanced(options):
        given.append(options)
        return SimpleNamespace(candidate=SimpleNamespace(voices=lambda _: VOICES), report={"kept": "both"})

    stand_in(monkeypatch, enhanced)
    compared = Experiment(
        title="", sets=["ucr"], backbones=["vae"], arms=[], generators=["NCAD"], recipes={"short": {"steps": 3}}
    )
    rows = rows_of(cells.measure_cell(compared, tmp_path, None, f"ucr--backbone--vae--{wave}--0"))
    assert {"vae + NCAD's negatives", "vae + short"} < set(rows)
    assert given[1] == {"recipe": replace(cells.DEFAULT, steps=3)}
    hosts = torch.randn(4, 1, 32)
    made = given[0]["negatives"](hosts, torch.Generator().manual_seed(0), torch.arange(4))
    assert made.shape == hosts.shape and not torch.equal(made, hosts)


def test_rows_have_in_time_figures(wave, tmp_path, monkeypatch):
    monkeypatch.setitem(cells.SIMPLE, "one", lambda *_: peaks(*range(405, 425)))
    compared = Experiment(title="", sets=["ucr"], simple=["one"])
    row = rows_of(cells.measure_cell(compared, tmp_path, None, f"ucr--simple--all--{wave}--0"))["one"]
    assert (row["outside"], row["found"], row["delay"], row["early"]) == (0, 1, 5, 0)


def test_faults_with_the_same_training_part_share_post_training(wave, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "ucr"
    later = np.sin(np.arange(LENGTH) / 4) + (np.arange(LENGTH) >= 450)
    np.savez(folder / "again.npz", values=later, train_end=TRAIN_END)
    (folder / "index.csv").write_text("series,family,length,text\nwave,s,500,A sine.\nagain,s,500,A sine.\n")
    (folder / "labels.csv").write_text("series,begin,end\nwave,400,420\nagain,450,500\n")
    given = []

    def enhanced(options):
        given.append(options)
        return SimpleNamespace(candidate=SimpleNamespace(voices=lambda _: VOICES), report={"kept": "both"})

    stand_in(monkeypatch, enhanced)
    compared = Experiment(title="", sets=["ucr"], backbones=["vae"], arms=["mined bank", "cut-paste"])
    for name, seed in ((wave, 0), ("again", 0), ("again", 1)):
        cells.measure_cell(compared, tmp_path, None, f"ucr--backbone--vae--{name}--{seed}")
        assert len(given) == 2 * (seed + 1)


@pytest.mark.extended
def test_backbone_cell_has_errors_voices_and_arms(ucr_names, tmp_path, few_steps):
    compared = Experiment(title="", sets=["ucr"], backbones=["donut"], arms=["generic", "oracle bank"])
    result = cells.measure_cell(compared, tmp_path, None, f"ucr--backbone--donut--{ucr_names[0]}--0")
    rows = rows_of(result)
    assert set(rows) == {
        "donut: point error", "donut: own score", "donut: free voice", "donut + generic",
        "donut + generic, rules alone",
    }  # fmt: skip
    assert all(0 < row["ap"] <= 1 and 0 < row["vus"] <= 1 and row["ucr"] in (0, 1) for row in rows.values())
    assert rows["donut + generic"]["ap"] > 0.5  # a random score has about one in twenty
    assert rows["donut: own score"]["ap"] != rows["donut: point error"]["ap"]
    assert result["about"]["recording"] == "ECG" and set(result["seconds"]) == set(rows)


def test_method_cell_has_one_row_with_its_claim(ucr_names, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "STEPS", 3)
    compared = Experiment(title="", sets=["ucr"], methods=["CutAddPaste"])
    job = f"ucr--method--CutAddPaste--{ucr_names[0]}--0"
    first, again = (cells.measure_cell(compared, tmp_path, None, job) for _ in range(2))
    assert set(rows_of(first)) == {"CutAddPaste (reproduction)"}
    assert again["rows"] == first["rows"] and first["versions"]["numpy"] == np.__version__
