"""Experiments: what their files may say, cells that go on after a kill, reports with figures worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ape.cli.main import main
from ape.core.errors import InputError
from ape.evals import cases, report
from ape.evals.experiment import FOLDER, cells, read_experiment
from ape.evals.methods import running

EXPERIMENT = """
title = "Waves"
sets = ["ucr"]
methods = ["CutAddPaste"]
simple = ["1-NN", "Sub-PCA", "|difference|"]
reference = "1-NN"
"""


@pytest.fixture
def archive(tmp_path):
    """Three files as the archive publishes them; their names hold the labels."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for k, name in enumerate(["wave1", "DISTORTEDwave1", "saw2"]):
        values = np.sin(np.arange(900) / (4 + k)) + 0.05 * np.random.default_rng(k).normal(size=900)
        values[700:720] += 2
        path = folder / f"{k + 1:03d}_UCR_Anomaly_{name}_500_700_719.txt"
        path.write_text("\n".join(f"{v:.5f}" for v in values))
    return folder


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "waves.toml"
    path.write_text(EXPERIMENT)
    return path


def test_labels_of_published_files_are_read_from_their_names_and_by_the_evaluator_alone(archive):
    names = cases.names("ucr", archive)
    assert names == ["001_wave1", "002_DISTORTEDwave1", "003_saw2"]
    found = cases.case("ucr", names[0], archive).labelled
    assert np.flatnonzero(found.labels).tolist() == list(range(700, 720)) and found.series.train_end == 500
    assert cases.recording(names[0]) == cases.recording(names[1]) == "wave"
    assert cases.names("ucr", archive, longest=800) == []


def test_an_experiment_runs_goes_on_and_reports(archive, experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(running, "STEPS", 3)
    out = tmp_path / "out"
    argv = ["eval", "run", str(experiment), "--data", str(archive), "--out", str(out), "--workers", "1"]
    assert main(argv) == 0
    kept = sorted((out / "cells").glob("*--*.json"))
    assert len(kept) == 6
    before = {path: path.read_bytes() for path in kept}
    kept[0].unlink()
    assert main(argv) == 0
    after = json.loads(kept[0].read_text())
    assert after["rows"] == json.loads(before[kept[0]])["rows"] and after["versions"]["numpy"] == np.__version__
    assert all(path.read_bytes() == before[path] for path in kept[1:])
    rows = pd.read_parquet(out / "cells.parquet")
    assert set(rows["system"]) == {"CutAddPaste (reproduction)", "1-NN", "Sub-PCA", "|difference|"}
    assert rows["fingerprint"].nunique() == 3 and "001_UCR" not in rows.to_csv()
    assert "| 1-NN" in (out / "report.md").read_text() and "<table" in (out / "report.html").read_text()
    capsys.readouterr()
    assert main(["eval", "compare", str(out), str(out)]) == 0
    assert "1-NN" in capsys.readouterr().out


def test_every_experiment_that_comes_along_can_be_read():
    found = [read_experiment(path.stem) for path in FOLDER.glob("*.toml")]
    assert len(found) >= 5 and all(each.title for each in found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('colour = "red"', "colour"),
        ('backbones = ["gpt"]', "no 'gpt'"),
        ('generators = ["PaAno"]', "generators"),
        ("seeds = 0", "seeds"),
        ("recipes = { hot = { heat = 1.0 } }", "no 'heat'"),
        ("title = ", "not TOML"),
    ],
)
def test_a_file_that_says_what_it_cannot_is_refused(experiment, change, said):
    experiment.write_text(EXPERIMENT.replace('title = "Waves"', f'title = "Waves"\n{change}'))
    with pytest.raises(InputError, match=said):
        read_experiment(str(experiment))


def test_an_experiment_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such experiment"):
        read_experiment("nothing")


def test_cells_of_a_series_stand_together(archive, experiment):
    jobs = cells(read_experiment(str(experiment)), archive)
    assert jobs[:2] == ["ucr--method--CutAddPaste--001_wave1--0", "ucr--simple--all--001_wave1--0"] and len(jobs) == 6


def test_an_interval_is_over_recordings_not_over_series():
    values = pd.Series({"a1": 1.0, "a2": 1.0, "a3": 1.0, "b1": 0.0})
    recordings = pd.Series({"a1": "a", "a2": "a", "a3": "a", "b1": "b"})
    mean, low, high = report.interval(values, recordings)
    assert (mean, low, high) == (0.75, 0.0, 1.0)


def test_what_the_reference_is_ahead_by_with_holm():
    rng = np.random.default_rng(0)
    base = rng.random(12)
    noise = 0.01 * rng.random(12)
    wide = pd.DataFrame({"ours": base + 0.3, "worse": base + noise, "same": base + 0.3 + noise - noise.mean()})
    wide.index = [f"s{k}" for k in range(12)]
    table = report.against(wide, pd.Series({name: name for name in wide.index}), "ours")
    assert table.loc["worse", "mean"] == pytest.approx(0.3 - noise.mean())
    assert (table.loc["worse", "better"], table.loc["worse", "worse"]) == (12, 0)
    assert table.loc["worse", "p"] == pytest.approx(2 / 2**12) and table.loc["worse", "p, Holm"] == pytest.approx(
        4 / 2**12
    )
    assert table.loc["same", "p"] > 0.3 and table.loc["same", "low"] < 0 < table.loc["same", "high"]
