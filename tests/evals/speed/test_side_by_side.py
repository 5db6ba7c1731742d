"""The comparison with other libraries: what is skipped, tables, costs of processes; and the floors of our steps."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ape.evals.speed import peers, side_by_side_table
from ape.evals.speed.floors import Machine, Meter, Work, metered, profile_multiplications, size, table
from ape.evals.speed.processes import run
from ape.evals.speed.side_by_side import PERIOD, generated
from ape.evals.speed.side_by_side_table import ONE_CHANNEL, RUN, Result, cell, overview, reason_to_skip, write_tables

DONE = Result("short", 1000, RUN, "1.0", "defaults", 45.0, seconds=20.0, processor=30.0, memory=500.0, ap=0.8, vus=0.7)
SLOW = replace(DONE, method="slow", seconds=45.1, ap=None, vus=None, failed="limit")
QUICK = replace(DONE, method="quick", seconds=2.0, ap=0.25, vus=0.5)


def planned(series, size, method):
    return Result(series, size, method, "1.0", "defaults", 45.0)


def test_a_method_over_its_limit_is_not_started_on_larger_series():
    assert reason_to_skip([DONE, SLOW], planned("long", 2000, "slow")) == "over the limit on short"
    assert reason_to_skip([DONE, SLOW], planned("tiny", 999, "slow")) == ""
    assert reason_to_skip([DONE, SLOW], planned("long", 2000, "quick")) == ""


def test_a_method_that_would_exceed_the_limit_in_proportion_to_its_work_is_not_started():
    expected = "60 s expected, if it grows in proportion from short"
    assert reason_to_skip([DONE], planned("long", 4000, RUN)) == expected
    assert reason_to_skip([DONE], planned("middle", 2900, RUN)) == ""
    assert reason_to_skip([replace(DONE, failed="exit code 1")], planned("long", 4000, RUN)) == ""
    assert reason_to_skip([QUICK], planned("long", 10**6, "quick")) == ""  # nothing but its start


def test_a_method_that_calls_a_failed_one_is_not_started_on_the_same_series():
    assert reason_to_skip([SLOW], planned("short", 1000, "wrapper"), "slow") == "calls the same function as 'slow'"
    assert reason_to_skip([SLOW], planned("tiny", 999, "wrapper"), "slow") == ""
    assert reason_to_skip([QUICK], planned("short", 1000, "wrapper"), "quick") == ""
    unable = replace(SLOW, failed=ONE_CHANNEL)
    assert reason_to_skip([unable], planned("short", 1000, "wrapper"), "slow") == ""


def test_cells_have_seconds_ratio_and_precision():
    assert cell(QUICK, 20.0) == "2.0 s, 0.10, **0.25**" and cell(QUICK, None) == "2.0 s, **0.25**"
    assert cell(SLOW, 20.0) == "> 45 s" and cell(replace(QUICK, failed="one channel only"), 20.0) == "–"


def test_tables_have_a_row_for_each_method_and_all_figures(tmp_path):
    other = replace(QUICK, series="long", size=2000, seconds=9.0)
    lines = overview([DONE, SLOW, QUICK, other]).splitlines()
    assert lines[0] == "| method | version | settings | short | long |" and len(lines) == 5
    assert lines[2] == "| ape run | 1.0 | defaults | 20.0 s, 1.00, **0.80** |  |"
    assert lines[4] == "| quick | 1.0 | defaults | 2.0 s, 0.10, **0.25** | 9.0 s, **0.25** |"  # no ratio without a run
    write_tables([DONE, SLOW], {"load": "none"}, tmp_path)
    written = pd.read_csv(tmp_path / "side_by_side.csv")
    assert list(written["method"]) == [RUN, "slow"] and written["failed"][1] == "limit"
    assert "- load: none\n" in (tmp_path / "side_by_side.md").read_text()


def test_the_generated_series_has_five_anomalies_after_its_training_part():
    values, train_end, labels = generated(20_000)
    assert values.shape == (20_000, 1) and train_end == 10_000
    assert np.count_nonzero(np.diff(labels.astype(int)) == 1) == 5 and labels.sum() == 10 * PERIOD
    assert not labels[:train_end].any() and np.isfinite(values).all()


def test_distances_are_spread_over_the_points_of_their_windows():
    np.testing.assert_allclose(peers.over_points([1.0, 3.0, 5.0], 2), [1, 2, 4, 5])


def test_a_peer_leaves_a_score_for_every_row(tmp_path, monkeypatch):
    file, out = tmp_path / "series.csv", tmp_path / "scores.npy"
    pd.DataFrame({"a": np.arange(10.0)}).to_csv(file, index=False)
    seen = {}

    def score(values, train, window):
        seen["shapes"] = values.shape, train.shape, window
        return np.abs(values)

    monkeypatch.setitem(peers.PEERS, "size", peers.Peer("numpy", "defaults", score))
    assert peers.main(["size", str(file), "4", "3", str(out)]) == 0
    assert seen["shapes"] == ((10, 1), (4, 1), 3)
    np.testing.assert_array_equal(np.load(out), np.arange(10.0))
    monkeypatch.setitem(peers.PEERS, "short", peers.Peer("numpy", "defaults", lambda values, *_: values[2:]))
    assert peers.main(["short", str(file), "4", "3", str(tmp_path / "none.npy")]) == 1
    assert [path.name for path in tmp_path.glob("*.npy")] == ["scores.npy"]


def test_processes_are_measured_and_ended_at_the_limit(tmp_path):
    code = "import os, sys; b = bytearray(60 << 20); sum(range(3 * 10**6)); print(os.environ['OMP_NUM_THREADS'])"
    cost = run([[sys.executable, "-c", code]] * 2, 60.0, 3, tmp_path / "log")
    assert cost.failed == "" and (tmp_path / "log").read_text() == "3\n3\n"
    assert cost.processor > 0.02 and cost.seconds > 0.02 and cost.others >= 0
    marker = tmp_path / "never"
    late = f"import time; time.sleep(600); open({str(marker)!r}, 'w')"
    cost = run([[sys.executable, "-c", late], [sys.executable, "-c", late]], 0.3, 1, tmp_path / "log")
    assert cost.failed == "limit" and 0.3 <= cost.seconds < 60 and cost.memory > 1 and not marker.exists()
    wrong = [[sys.executable, "-c", "import sys; sys.exit('no | such thing')"]]
    assert run(wrong, 60.0, 1, tmp_path / "log").failed == "no / such thing"


def test_products_and_bytes_are_counted_from_shapes_and_calls_are_timed():
    meter = Meter()
    layer = torch.nn.Conv1d(3, 4, 5, bias=False)
    call = meter.wrap("layer", layer.forward, None, lambda made, x: size(made, x, layer))
    x = torch.zeros(2, 3, 20)
    call(x)
    work = meter.steps["layer"]
    assert work.multiplications == 2 * 4 * 16 * 3 * 5 and work.moved == 4 * (2 * 4 * 16 + 2 * 3 * 20 + 4 * 3 * 5)
    assert work.calls == 0
    meter.counting = False
    call(x), call(x)
    assert work.calls == 2 and work.seconds > 0 and work.multiplications == 2 * 4 * 16 * 3 * 5


def test_functions_are_metered_where_they_were_imported_by_name_and_restored(tmp_path):
    target = ("write", "ape.core.files", "write_text", lambda *_: 0.0, lambda made, path, text: size(text))
    meter, original = Meter(), side_by_side_table.write_text
    with metered(meter, (target,)):
        write_tables([DONE], {}, tmp_path)
    assert meter.steps["write"].moved == sum(len(path.read_text()) for path in tmp_path.iterdir()) > 0
    assert side_by_side_table.write_text is original


def test_sizes(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert (
        size(np.zeros(3), [torch.zeros(2), None], "abc", tmp_path / "file", torch.nn.Linear(2, 3))
        == 24 + 8 + 3 + 5 + 36
    )


def test_the_floor_is_the_slower_of_products_and_bytes():
    machine = Machine(multiplications=100.0, bandwidth=10.0)
    assert Work(multiplications=200.0, moved=10.0).floor(machine) == pytest.approx(2.0)
    assert Work(multiplications=200.0, moved=50.0).floor(machine) == pytest.approx(5.0)
    assert profile_multiplications(109, 10) == 8 * 100**2 / 2
    lines = table({"a": Work(1, 1.0, 0, 0), "b": Work(2, 4.0, 200.0, 10.0)}, 6.0, machine).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| b", "| a", "| all else", "| total"]
    assert lines[2].endswith("| 2.0000 | 2 |") and lines[3].endswith("| – |") and "| 1.00 |" in lines[4]
