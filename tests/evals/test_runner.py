"""Running an experiment: finished cells are kept, missing cells are measured, the report is written."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ape.cli.main import main

EXPERIMENT = """
title = "Waves"
sets = ["ucr"]
seeds = 2
simple = ["1-NN", "Sub-PCA", "|difference|"]
reference = "1-NN"
"""


@pytest.fixture
def archive(tmp_path):
    """Three files named like the published archive, which puts the labels into file names."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for k, name in enumerate(["wave1", "DISTORTEDwave1", "saw2"]):
        values = np.sin(np.arange(900) / (4 + k)) + 0.05 * np.random.default_rng(k).normal(size=900)
        values[700:720] += 2
        path = folder / f"{k + 1:03d}_UCR_Anomaly_{name}_500_700_719.txt"
        path.write_text("\n".join(f"{v:.5f}" for v in values))
    return folder


def test_experiment_runs_resumes_and_reports(archive, tmp_path, capsys):
    experiment, out = tmp_path / "waves.toml", tmp_path / "out"
    experiment.write_text(EXPERIMENT)
    argv = ["eval", "run", str(experiment), "--data", str(archive), "--out", str(out), "--workers", "1"]
    assert main(argv) == 0
    cells = sorted((out / "cells").glob("*--*.json"))
    assert len(cells) == 6
    before = {path: path.read_bytes() for path in cells}
    cells[0].unlink()
    assert main(argv) == 0
    after = json.loads(cells[0].read_text())
    assert after["rows"] == json.loads(before[cells[0]])["rows"] and after["versions"]["numpy"] == np.__version__
    assert all(path.read_bytes() == before[path] for path in cells[1:])
    rows = pd.read_parquet(out / "cells.parquet")
    assert set(rows["system"]) == {"1-NN", "Sub-PCA", "|difference|"}
    assert rows["fingerprint"].nunique() == 3 and "001_UCR" not in rows.to_csv()
    report = (out / "report.md").read_text()
    assert "| 1-NN" in report and "<table" in (out / "report.html").read_text()
    (out / "report.md").unlink()
    assert main(["eval", "report", str(out)]) == 0 and (out / "report.md").read_text() == report
    assert main(["eval", "compare", str(out), str(out)]) == 0
    assert "1-NN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda cell: [], "file"),
        (lambda cell: cell | {"rows": "x"}, "rows"),
        (lambda cell: cell | {"rows": []}, "rows"),
        (lambda cell: cell | {"rows": [cell["rows"][0] | {"ap": "high"}]}, "rows.0.ap"),
        (lambda cell: cell | {"rows": [cell["rows"][0] | {"false 1": "few"}]}, "rows.0.false 1"),
        (lambda cell: cell | {"seconds": {}}, "no seconds of '1-NN'"),
        (lambda cell: cell | {"about": {"set": "ucr"}}, "about.series"),
        (lambda cell: cell | {"hardware": {}}, "hardware.machine"),
        (lambda cell: cell | {"versions": {}}, "ape-tsad"),
    ],
)
def test_damaged_cell_is_one_line(archive, tmp_path, capsys, damage, named):
    out = tmp_path / "out"
    assert run(EXPERIMENT, archive, out) == 0
    path = min((out / "cells").glob("*--*.json"))
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    capsys.readouterr()
    assert main(["eval", "report", str(out)]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert "not a cell of an experiment" in told and path.name in told and named in told
    if named != "file":  # a file of another kind counts as no result, and is measured again
        assert run(EXPERIMENT, archive, out) == 2


def test_missing_data_is_an_error_of_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("APE_DEV_DATA", raising=False)
    assert main(["eval", "run", "field", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "APE_DEV_DATA" in error


def test_missing_weights_are_refused_before_the_first_cell(archive, tmp_path, capsys):
    experiment, out = tmp_path / "waves.toml", tmp_path / "out"
    experiment.write_text(f'{EXPERIMENT}\n[weights]\n"mine" = "{tmp_path}/nowhere"\n')
    argv = ["eval", "run", str(experiment), "--data", str(archive), "--out", str(out), "--workers", "1"]
    assert main(argv) == 2
    assert "nowhere" in capsys.readouterr().err and not (out / "cells").exists()


def run(text, archive, out):
    experiment = out.with_suffix(".toml")
    experiment.write_text(text)
    return main(["eval", "run", str(experiment), "--data", str(archive), "--out", str(out), "--workers", "1"])


def test_cells_of_other_systems_are_refused_and_more_seeds_are_not(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(EXPERIMENT, archive, out) == 0
    assert run(EXPERIMENT.replace("seeds = 2", "seeds = 3"), archive, out) == 0
    before = (out / "experiment.json").read_bytes()
    assert run(EXPERIMENT.replace('"Sub-PCA", ', ""), archive, out) == 2
    assert "other 'simple'" in capsys.readouterr().err and (out / "experiment.json").read_bytes() == before


def test_nothing_to_measure_writes_nothing(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(EXPERIMENT.replace("seeds", "longest = 10\nseeds"), archive, out) == 2
    assert "nothing to measure" in capsys.readouterr().err and not (out / "experiment.json").exists()


def test_failed_cells_end_with_exit_code_2_and_the_report_of_the_others(archive, tmp_path, capsys):
    bad = next(archive.glob("003*"))
    bad.write_text("\n".join(["1.0"] * 900))
    out = tmp_path / "out"
    assert run(EXPERIMENT, archive, out) == 2
    assert "2 cells failed" in capsys.readouterr().err and (out / "report.md").exists()


def test_bars_in_names_end_no_cell_of_the_report(archive, tmp_path):
    assert run(EXPERIMENT, archive, tmp_path / "out") == 0
    row = next(line for line in (tmp_path / "out" / "report.md").read_text().splitlines() if "difference" in line)
    assert row.startswith("| \\|difference\\| ")


def test_damaged_cells_of_a_comparison_are_named(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(EXPERIMENT, archive, out) == 0
    (out / "cells.parquet").write_bytes(b"PAR1")
    assert main(["eval", "compare", str(out), str(out)]) == 2
    assert "cells.parquet" in capsys.readouterr().err


def test_name_of_no_system_in_differences_is_told(archive, tmp_path, capsys):
    assert run(EXPERIMENT + 'differences = [["1-NN", "Sub-PCA"], ["1-NN", "2-NN"]]\n', archive, tmp_path / "out") == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]
    assert notes == ["note: no cell has the system '2-NN', which 'differences' names"]


def test_record_that_is_no_experiment_is_named(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(EXPERIMENT, archive, out) == 0
    (out / "experiment.json").write_text("[]")
    capsys.readouterr()
    assert run(EXPERIMENT, archive, out) == 2 and "not an experiment" in capsys.readouterr().err
