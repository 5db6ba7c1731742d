"""Batches: manifests, items that fail or hang, kills, Ray, the files of a batch."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import short_training, unverified

from ape.cli.main import main
from ape.core.errors import InputError
from ape.monitor import AlertRate, Threshold, read_events
from ape.monitor.event_files import COLUMNS
from ape.rules import RuleBank
from ape.runs import batch
from ape.runs.attempts import RetryPolicy
from ape.runs.batch import enhance_items, mine_items, train_items, write_outcome
from ape.runs.explanation import explain_rule
from ape.runs.folder import Request
from ape.runs.manifest import read_manifest, reading_cells
from ape.runs.packing import unpack
from ape.series import ReadOptions
from ape.series.reading.report import NO_TRAIN_END

DEFAULTS = Request(command="mine", data="")


def wave(k: int, length: int = 900) -> np.ndarray:
    steps = np.arange(length)
    return np.sin(2 * np.pi * steps / (20 + 5 * k)) + 0.05 * np.random.default_rng(k).normal(size=length)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three series and a file that is not a series."""
    folder = tmp_path_factory.mktemp("data")
    for k in range(3):
        np.savez(folder / f"wave {k}.npz", values=wave(k), train_end=600)
    (folder / "bad.csv").write_text("value\nnot a number\n")
    return folder


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Their batch, never interrupted."""
    out = tmp_path_factory.mktemp("batch") / "out"
    requests = read_manifest(str(data), DEFAULTS)
    failed = mine_items(requests, out)
    write_outcome(out, requests, failed)
    return out, failed


def banks(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("items/*/bank.json"))}


def test_a_folder_a_glob_and_a_manifest_give_the_same_requests(data, tmp_path):
    by_folder = read_manifest(str(data), DEFAULTS)
    assert list(by_folder) == ["bad", "wave_0", "wave_1", "wave_2"]
    by_glob = read_manifest(str(data / "wave*.npz"), DEFAULTS)
    assert by_glob == {name: by_folder[name] for name in by_folder if name != "bad"}
    manifest = data / "manifest"
    manifest.write_text("path\nwave 0.npz\nwave 1.npz\nwave 2.npz\n")
    assert read_manifest(str(manifest), DEFAULTS) == by_glob


def test_a_manifest_sets_the_request_of_each_item(tmp_path):
    (tmp_path / "note.txt").write_text("A pump.")
    manifest = tmp_path / "rows"
    manifest.write_text(
        "path,name,text,column,train_end,seed\n"
        "wave 0.npz,a/b,note.txt,,500,3\nwave 0.npz,,,x;y,,\nwave 0.npz,,,,,\nexample:internal-bleeding,,,,,\n"
    )
    found = read_manifest(str(manifest), DEFAULTS)
    assert list(found) == ["a_b", "wave_0", "wave_0-2", "example_internal-bleeding"]
    assert (found["a_b"].text, found["a_b"].train_end, found["a_b"].seed) == ("A pump.", "500", 3)
    assert found["a_b"].text_file == "note.txt"
    assert found["wave_0"].column == ("x", "y") and found["wave_0-2"].train_end is None


def test_a_manifest_says_how_to_read_each_file(tmp_path):
    manifest = tmp_path / "items.csv"
    manifest.write_text(
        "path;train_end;decimal;time_format;dayfirst;timezone;series_column;missing;header;difference\n"
        'a.csv;60%;",";%d.%m.%Y;yes;Europe/Berlin;sensor=x;"x;-9";no;true\n'
        "a.csv;;;;;;;;;\n"
    )
    first, second = read_manifest(str(manifest), replace(DEFAULTS, reading=ReadOptions(timezone="UTC"))).values()
    assert first.reading == ReadOptions(",", "%d.%m.%Y", True, "Europe/Berlin", "sensor=x", ("x", "-9"), False, True)
    assert (first.train_end, second.reading) == ("60%", ReadOptions(timezone="UTC"))
    cells = reading_cells(first.reading)
    pd.DataFrame([{"path": "a.csv", **cells}]).to_csv(manifest, index=False)
    assert read_manifest(str(manifest), DEFAULTS)["a"].reading == first.reading


@pytest.mark.parametrize(
    ("cells", "message"),
    [("decimal\na.csv,:", "decimal"), ("dayfirst\na.csv,perhaps", "dayfirst"), ("timezone\na.csv,Mars", "Mars")],
)
def test_a_wrong_reading_option_in_a_manifest_is_refused(tmp_path, cells, message):
    manifest = tmp_path / "items.csv"
    manifest.write_text(f"path,{cells}\n")
    with pytest.raises(InputError, match=message) as refused:
        read_manifest(str(manifest), DEFAULTS)
    assert "row 2" in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture
def long_table():
    times = np.tile(np.datetime64("2024-05-01") + np.arange(300) * np.timedelta64(60, "s"), 2)
    values = np.concatenate([np.sin(np.arange(300) / 7), np.cos(np.arange(300) / 5)])
    return pd.DataFrame({"sensor": np.repeat(["pump 1", "pump/2"], 300), "time": times, "value": values})


def test_each_series_of_a_long_table_is_an_item_or_all_are_channels(tmp_path, long_table):
    long_table.to_csv(tmp_path / "readings.csv.gz", index=False)
    long_table.to_parquet(tmp_path / "readings.parquet")
    long_table.to_csv(tmp_path / "readings.csv", index=False)
    each = replace(DEFAULTS, reading=ReadOptions(series_column="sensor=*"))
    for name in ("readings.csv.gz", "readings.parquet", "readings.csv"):
        found = read_manifest(str(tmp_path / name), each)
        assert list(found) == ["readings-pump_1", "readings-pump_2"]
        second = found["readings-pump_2"].load()
        assert second.channels == ("value",) and np.allclose(second.values[:, 0], np.cos(np.arange(300) / 5))
    (whole,) = read_manifest(str(tmp_path / "readings.parquet"), DEFAULTS).values()
    assert whole.load().channels == ("pump 1", "pump/2")
    items = tmp_path / "items.csv"
    items.write_text("path,series_column\nreadings.csv,sensor=*\nreadings.parquet,sensor\nreadings.csv,colour=*\n")
    found = read_manifest(str(items), DEFAULTS)
    assert list(found) == ["readings-pump_1", "readings-pump_2", "readings", "readings-2"]
    assert found["readings"].load().n_channels == 2
    with pytest.raises(InputError, match="no column 'colour'"):
        found["readings-2"].load()


def test_a_file_with_brackets_in_its_name_is_no_glob(tmp_path, long_table):
    long_table.to_parquet(tmp_path / "readings [1].parquet")
    assert list(read_manifest(str(tmp_path / "readings [1].parquet"), DEFAULTS)) == ["readings_1"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("file\nx.npz\n", "column 'file'"),
        ("path,colour\nx.npz,red\n", "column 'colour'"),
        ("path\n", "is empty"),
        ("path,train_end\nx.npz,soon\n", "row 2"),
        ("path,text\nx.npz,nowhere.txt\n", "cannot read the text"),
        ("path,name\n,x\n", "no path"),
    ],
)
def test_a_file_that_is_not_a_manifest_is_refused(tmp_path, rows, message):
    path = tmp_path / "manifest.csv"
    path.write_text(rows)
    with pytest.raises(InputError, match=message):
        read_manifest(str(path), DEFAULTS)
    with pytest.raises(InputError, match="no series"):
        read_manifest(str(tmp_path / "*.npz"), DEFAULTS)


def test_a_bad_series_stops_no_other_and_is_listed_for_a_retry(finished, data):
    out, failed = finished
    assert list(failed) == ["bad"] and list(banks(out)) == ["wave_0", "wave_1", "wave_2"]
    with (out / "failures.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == str(data / "bad.csv") and row["error"] == failed["bad"]
    assert list(read_manifest(str(out / "failures.csv"), DEFAULTS)) == ["bad"]


def test_a_finished_item_is_small_and_its_trace_still_says_why(finished, tmp_path):
    out, _ = finished
    for item in (out / "items").glob("wave_*"):
        assert sum(path.stat().st_blocks * 512 for path in item.rglob("*")) < 300_000
    shutil.copytree(out / "items/wave_0", tmp_path / "item")
    rule = RuleBank.load(tmp_path / "item/bank.json").rules[0]
    why = explain_rule(tmp_path / "item", rule.id)
    assert why.verdict == "accept" and {"proposed", "accept"} <= {entry["decision"] for entry in why.decisions}
    assert why.evidence and all(evidence.found for evidence in why.evidence)
    assert main(["trace", str(tmp_path / "item"), "--html"]) == 0
    assert (tmp_path / "item/trace.html").read_text().count("data:image/png") > 3


def test_the_summary_links_each_report_and_items_are_run_folders(finished, capsys):
    out, _ = finished
    page = (out / "index.html").read_text()
    links = re.findall(r'href="(items/[^"]+)"', page)
    assert len(links) == 3 and all((out / link).is_file() for link in links)
    assert "1 failed" in page and "&#39;not a number&#39;" in page
    for look in (["bank", "show"], ["trace"], ["run", "--resume"]):
        assert main([*look, str(out / "items/wave_0")]) == 0
    assert "spike" in capsys.readouterr().out


def test_the_summary_says_how_each_series_was_read(finished, data, tmp_path):
    out, failed = finished
    page = html.unescape((out / "index.html").read_text())
    assert page.count("how it was read") == 3
    for name in ("wave_0", "wave_1", "wave_2"):
        record = json.loads((out / "items" / name / "run.json").read_text())
        assert all(f"<th>{topic}</th><td>{text}</td>" in page for topic, text in record["reading"].items())
    copy, requests = unverified(shutil.copytree(out, tmp_path / "copy")), read_manifest(str(data), DEFAULTS)
    assert write_outcome(copy, requests, failed) == 0
    record["reading"]["training part"] = NO_TRAIN_END
    (copy / "items/wave_2/run.json").write_text(json.dumps(record))
    assert write_outcome(copy, requests, failed) == 1 == (copy / "index.html").read_text().count(NO_TRAIN_END)


def test_the_same_call_does_not_touch_finished_items(finished, data):
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.glob("items/**/*") if path.is_file()}
    requests = read_manifest(str(data), DEFAULTS)
    write_outcome(out, requests, mine_items(requests, out))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_batch_may_grow_but_the_request_of_an_item_does_not_change(finished, data):
    out, _ = finished
    other = read_manifest(str(data), Request(command="mine", data="", seed=5))
    with pytest.raises(InputError, match="another request"):
        mine_items(other, out)


def test_a_folder_with_other_files_is_refused(data, tmp_path):
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(InputError, match="not empty"):
        mine_items(read_manifest(str(data), DEFAULTS), tmp_path)


def test_an_item_that_hangs_is_stopped_and_an_unexpected_failure_is_retried(data, tmp_path, monkeypatch):
    tries: list[str] = []

    def work(folder: Path, request: Request) -> dict:
        tries.append(folder.name)
        if folder.name == "wave_0":
            time.sleep(30)
        if folder.name == "wave_1" and tries.count("wave_1") == 1:
            raise RuntimeError("unexpected")
        if folder.name == "wave_2":
            raise InputError("too short", "x", "y")
        return {}

    monkeypatch.setattr(batch, "_mine", work)
    requests = read_manifest(str(data / "*.npz"), DEFAULTS)
    policy = RetryPolicy(seconds=0.2, retries=1)
    with pytest.raises(TimeoutError, match=r"0\.2 seconds"):
        batch.mine_item(tmp_path, requests, policy, False, "wave_0")
    assert batch.mine_item(tmp_path, requests, policy, False, "wave_1") == {}
    with pytest.raises(InputError):
        batch.mine_item(tmp_path, requests, policy, False, "wave_2")
    assert tries == ["wave_0", "wave_0", "wave_1", "wave_1", "wave_2"]


def spawn(data: Path, out: Path) -> subprocess.Popen:
    line = [sys.executable, "-m", "ape.cli.main", "batch", str(data / "*.npz"), "--out", str(out)]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def children(pid: int) -> list[int]:
    output = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    ).stdout
    return [int(word) for word in output.split()]


def wait_for_first_item(out: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not list(out.glob("items/*/ledger.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


@pytest.mark.extended
def test_killed_workers_and_drivers_do_not_change_the_banks(data, tmp_path, finished):
    out = tmp_path / "out"
    process = spawn(data, out)
    wait_for_first_item(out, process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert main(["batch", str(data / "*.npz"), "--out", str(out)]) == 0
    assert banks(out) == banks(finished[0])
    for item in out.glob("items/*"):
        unpack(item)
    entries = [json.loads(line) for path in out.glob("items/*/ledger.jsonl") for line in path.read_text().splitlines()]
    assert sum(entry["decision"] == "commit" for entry in entries) == 3


@pytest.mark.extended
def test_enhanced_items_have_scores_events_and_a_decision(data, tmp_path, quick):
    out = tmp_path / "out"
    twice = Request(command="run", data="", alerts=AlertRate(2, "training part"))
    requests = read_manifest(str(data / "wave [01].npz"), twice)
    assert mine_items(requests, out) == {}
    assert train_items(list(requests), out) == {} and enhance_items(list(requests), out) == {}
    write_outcome(out, requests, {})
    for name in requests:
        folder = out / "items" / name
        report = json.loads((folder / "posttrain.json").read_text())
        assert report["reason"] in (out / "index.html").read_text()
        assert len((folder / "scores.csv").read_text().splitlines()) == 901
        assert json.loads((folder / "run.json").read_text())["finished"]
        assert RuleBank.load(folder / "bank.json").rules
        for trained in ("detector", "enhanced"):
            assert Threshold.load(folder / trained).rate == AlertRate(2, "training part")
        assert read_events(folder)["alerts"] == "2 in a time as long as the training part"
    assert list(pd.read_csv(out / "events.csv")) == ["series", *COLUMNS]
    assert (out / "index.html").read_text().count("<svg") == 2
    before = {path: path.stat().st_mtime_ns for path in out.glob("items/**/*")}
    assert train_items(list(requests), out) == {} and enhance_items(list(requests), out) == {}
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.fixture
def quick():
    """Train for a few steps only."""
    with short_training():
        yield
