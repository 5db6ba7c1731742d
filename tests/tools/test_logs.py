"""Log files: cut at the end of training, parsed into templates, compared with the series."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.series import from_array
from ape.tools import planner_tools
from ape.tools.artefacts import Artefacts
from ape.tools.logs import read_log, templates
from ape.tools.workbench import Workbench

START = np.datetime64("2024-03-01T00:00:00")
MINUTES = START + np.arange(600).astype("timedelta64[m]")


def stamped(minute: int) -> str:
    return str(START + np.timedelta64(minute, "m"))


@pytest.fixture
def log_file(tmp_path):
    lines = [f"{stamped(5 * k)} counter read, {k} cycles" for k in range(100)]
    lines += [f"{stamped(501)} valve 7 trip", "  details of the trip", f"{stamped(599)} valve 8 trip"]
    lines += [f"{stamped(700)} leak found", "  details of the leak"]
    path = tmp_path / "plant.log"
    path.write_text("\n".join(lines))
    return path


def test_lines_after_the_training_part_are_left_out_with_their_details(log_file):
    log = read_log(log_file, MINUTES)
    assert log.lines[-1].endswith("valve 8 trip") and log.numbers[-1] == 103
    assert log.note == "2 lines after the training part are left out"


def test_log_is_not_cut_without_times_in_log_and_series(log_file, tmp_path):
    assert len(read_log(log_file, None).lines) == 105 and "the series has no times" in read_log(log_file, None).note
    plain = tmp_path / "plain.log"
    plain.write_text("pump started\npump stopped\n")
    assert "the log has no times" in read_log(plain, MINUTES).note


def test_templates_are_sorted_by_count_with_line_and_rarity(log_file):
    entries = templates(read_log(log_file, MINUTES), MINUTES, np.zeros((600, 1)))
    counts = {entry["template"]: (entry["count"], entry["line"], entry["rare"]) for entry in entries}
    assert counts["valve <*> trip"] == (2, 101, False) and counts["counter read, <*> cycles"] == (100, 1, False)
    assert counts["details of the trip"] == (1, 102, True)
    assert [entry["count"] for entry in entries] == sorted(entry["count"] for entry in entries)


def test_range_of_the_series_at_the_lines_is_compared_with_its_usual_range(log_file):
    values = np.random.default_rng(0).normal(size=(600, 2)) * [1.0, 0.01]
    values[495:507, 1] += np.hanning(12)
    log = read_log(log_file, MINUTES)
    entry = next(e for e in templates(log, MINUTES, values) if e["template"].startswith("valve"))
    assert entry["channel"] == 1 and entry["times"] > 10


def test_burst_is_located(tmp_path):
    minutes = [*range(0, 600, 10), *([300] * 40)]
    path = tmp_path / "burst.log"
    path.write_text("\n".join(f"{stamped(m)} retry of request {m}" for m in sorted(minutes)))
    bursts = templates(read_log(path, MINUTES), MINUTES, np.zeros((600, 1)))[0]["bursts"]
    assert len(bursts) == 1 and bursts[0]["from"].startswith("2024-03-01T04:5") and bursts[0]["lines"] >= 40


@pytest.mark.parametrize(
    "line",
    [
        "Mar  1 00:05:00 host app: tick",
        "01/Mar/2024:00:05:00 GET /",
        "2024/03/01 00:05:00 tick",
        "[2024-03-01 00:05] x",
    ],
)
def test_common_time_formats_are_read(tmp_path, line):
    path = tmp_path / "any.log"
    path.write_text(line)
    assert read_log(path, MINUTES).times.tolist() == [np.datetime64("2024-03-01T00:05:00").astype(object)]


def test_tools_return_templates_and_lines(log_file, tmp_path):
    series = from_array(np.random.default_rng(0).normal(size=600), ["flow"], timestamps=MINUTES)
    bench = Workbench(series, Artefacts(tmp_path))
    tools = {tool.name: tool for tool in planner_tools(bench, read_log(log_file, MINUTES))}
    listed = json.loads(tools["log_templates"].invoke({}))
    assert listed["lines"] == 103 and listed["templates"][1]["channel"] == "flow"
    shown = json.loads(tools["read_log"].invoke({"first_line": 101}))
    assert [line["line"] for line in shown["lines"]] == [101, 102, 103] and not shown["more"]
    assert "log_templates" not in {tool.name for tool in planner_tools(bench)}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00bad"])
def test_unreadable_log_is_refused(tmp_path, content):
    path = tmp_path / "bad.log"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read the log"):
        read_log(path, None)


ZONED = "2024-03-01T00:30:00+01:00 start\n2024-03-01T04:30:00+01:00 middle\n2024-03-01T12:30:00+01:00 late\n"


def test_offsets_of_lines_are_respected(tmp_path):
    path = tmp_path / "zoned.log"
    path.write_text(ZONED)
    utc = np.datetime64("2024-02-29T23:00", "ns") + np.arange(600) * np.timedelta64(1, "m")  # 00:00 to 10:00 of +01:00
    offset = np.full(600, 3600, dtype=np.int32)
    log = read_log(path, utc, "+01:00", offset)
    assert log.numbers == (1, 2) and log.times[0] == np.datetime64("2024-02-29T23:30:00")
    path.write_text(ZONED.replace("+01:00", ""))  # on the clock of the series
    assert read_log(path, utc, "+01:00", offset).numbers == (1, 2)
    path.write_text(ZONED.replace("+01:00", "-05:00"))  # 05:30, 09:30 and 17:30 UTC
    assert read_log(path, utc, "+01:00", offset).numbers == (1,)
    path.write_text(ZONED.replace("+01:00", "Z"))
    assert read_log(path, utc, "+01:00", offset).numbers == (1, 2)


def test_offsets_without_a_zone_of_the_series_never_let_later_lines_through(tmp_path):
    path = tmp_path / "zoned.log"
    for offset, numbers in (("+05:00", (1, 2)), ("-05:00", (1, 2)), ("-07:00", (1,))):
        path.write_text(ZONED.replace("+01:00", offset))
        assert read_log(path, MINUTES, None, None).numbers == numbers
