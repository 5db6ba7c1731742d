"""``ape check``, and the reading options of other commands."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support import unverified

from ape.cli import terminal
from ape.core.errors import InputError
from ape.runs import Request, Run
from ape.series import ReadOptions

ROWS = 400


@pytest.fixture
def european(tmp_path):
    """A file with semicolons, quoted decimal commas that may be thousands, an offset, a remark, and missing rows."""
    times = pd.date_range("2024-02-01", periods=ROWS, freq="5min")
    wave = np.sin(np.arange(ROWS) / 7) + 5
    rows = [f"{t.isoformat()}+01:00;{v:.3f};RUN".replace(".", ",") for t, v in zip(times, wave, strict=True)]
    path = tmp_path / "boiler.csv"
    path.write_text("\n".join(["Zeit;Druck;Zustand", *rows[:100], *rows[103:200], *rows[260:]]) + "\n")
    return path


def test_check_prints_how_the_file_is_read(ape, european, tmp_path):
    outcome = ape("check", european, "--train-end", "2024-02-01 16:40", "--plot", tmp_path / "plot.png")
    assert outcome.code == 0 and outcome.err == ""
    for text in (
        "CSV, UTF-8, semicolon, header",
        "column Zeit, year-month-day, zone +01:00",
        "2024-02-01 00:00:00+01:00 to 2024-02-02 09:15:00+01:00",
        "step: 5 min",
        "3 missing rows inserted; 60 rows missing after 2024-02-01 16:35:00+01:00",
        "columns: Druck; left out: Zustand (text)",
        "positions count points; scores.csv and --train-end count rows of the file",
        "the first 197 rows of the file (200 points) are taken as normal"
        " (2024-02-01 00:00:00+01:00 to 2024-02-01 16:35:00+01:00)",
        "the comma is the decimal mark",
    ):
        assert text in outcome.out
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_check_does_not_load_torch(european):
    script = f"import sys; from ape.cli.main import main; main(['check', {str(european)!r}]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "langgraph", "stumpy", "matplotlib"} & set(done.stdout.split())


def test_each_series_of_a_column_is_for_batches(refused, european):
    line = refused("check", european, "--series-column", "sensor=*")
    assert "'sensor=*' takes each series on its own: that is for ape batch" in line
    assert "give --series-column sensor to read its series as channels, or sensor=NAME for one of them" in line


def test_a_time_zone_that_the_file_gives_itself_is_said(ape, european):
    outcome = ape("check", european, "--timezone", "Europe/Berlin")
    note = "the times have their own zone, +01:00: --timezone Europe/Berlin only tells what abbreviations mean"
    assert outcome.code == 0 and note in outcome.out


def test_the_range_of_a_series_has_its_zone(refused, european):
    line = refused("check", european, "--train-end", "2025-01-01")
    assert "outside the series, which is from 2024-02-01T00:00:00 to 2024-02-02T09:15:00, +01:00" in line


def test_an_unusable_file_is_refused(refused, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\nx,y\n")
    assert "no column of numbers" in refused("check", tmp_path / "a.csv")
    assert "PNG" in refused("check", tmp_path / "a.csv", "--plot", tmp_path / "plot.pdf")


def test_a_resumed_run_reads_the_file_in_the_same_way(european, tmp_path):
    request = Request("mine", str(european), train_end="60%", reading=ReadOptions(decimal=".", missing=("x",)))
    run = Run.create(tmp_path / "run", request, request.load())
    again = Run.open(tmp_path / "run")
    assert again.request.reading == request.reading and again.series.fingerprint == run.series.fingerprint
    assert run.series.values.max() > 1000
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["reading"]["step"] == "5 min" and "+01:00" in record["reading"]["training part"]


def test_a_run_of_an_earlier_version_can_be_opened(european, tmp_path):
    request = Request("mine", str(european))
    Run.create(tmp_path / "run", request, request.load())
    path = tmp_path / "run/run.json"
    record = json.loads(path.read_text())
    del record["arguments"]["reading"]
    path.write_text(json.dumps(record))
    unverified(tmp_path)
    assert Run.open(tmp_path / "run").request.reading == ReadOptions()


def test_unknown_options_in_a_record_are_refused(european, tmp_path):
    request = Request("mine", str(european))
    Run.create(tmp_path / "run", request, request.load())
    path = tmp_path / "run/run.json"
    record = json.loads(path.read_text())
    record["arguments"]["reading"]["decimal"] = ";"
    path.write_text(json.dumps(record))
    unverified(tmp_path)
    with pytest.raises(InputError, match="decimal"):
        Run.open(tmp_path / "run")


def test_a_terminal_breaks_lines_between_words(ape, european, monkeypatch):
    piped = ape("check", european).out
    monkeypatch.setattr(terminal.console, "_force_terminal", True)
    monkeypatch.setattr(terminal.console, "_width", 80)
    monkeypatch.setenv("TERM", "dumb")
    shown = ape("check", european).out
    assert max(map(len, piped.splitlines())) > 100 and max(map(len, shown.splitlines())) <= 80
    assert shown.split() == piped.split()


def test_characters_that_a_terminal_would_interpret_are_not_printed(ape, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\x1b[31m,\x07b\n" + "".join(f"{k % 9},{k % 7}\n" for k in range(300)))
    outcome = ape("check", path)
    assert outcome.code == 0 and outcome.out.replace("\n", "").isprintable()
