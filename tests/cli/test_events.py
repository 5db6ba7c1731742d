"""``ape events`` and the table of events at the end of commands."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
from support import unverified

from ape.cli.events import print_worst_events
from ape.monitor import Threshold, read_events


def event(rank=1, **changes):
    return {
        "rank": rank, "id": f"event-{rank}", "start": 100 * rank, "end": 100 * rank + 50, "peak": 100 * rank + 3,
        "start_time": "2026-03-07 13:20:00+01:00", "end_time": "2026-03-07 14:04:00+01:00",
        "peak_time": "2026-03-07 13:23:00+01:00", "ongoing": False, "score": 9.0 - rank,
        "expected_every": "4 months", "expected_every_points": 10_000, "rarer": False,
        "channels": [{"channel": "CPU", "share": 1.0, "text": "level 73 %, 20 percentage points above what is usual"}],
        "rule": "level-jump", "rule_probability": 0.9, "rules": [], "reason": "reason", **changes,
    }  # fmt: skip


@pytest.fixture
def listed(ape, tmp_path):
    """Return a function that lists given events of a folder as ``ape score`` writes it."""

    def run(*found, options=()):
        head = {"format": 1, "series": "cpu", "rows": 900, "train_end": None, "step": 60.0, "threshold": 4.0}
        (tmp_path / "events.json").write_text(json.dumps({**head, "alerts": "1 a week", "events": list(found)}))
        return ape("events", tmp_path, *options)

    return run


def test_events_are_a_table_of_times(listed):
    outcome = listed(event())
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "1 event; accepted false alarms: 1 a week",
        "#  from (+01:00)     to     by chance in  what",
        "1  2026-03-07 13:20  14:04  4 months      CPU: level 73 %, 20 percentage points",
        "                                          above what is usual; like",
        "                                          'level-jump', 90 %",
    ]


def test_times_are_as_long_as_needed(listed):
    other_day = event(2, end_time="2026-03-08 00:10:05+01:00", rule="none of the rules")
    lines = listed(event(), other_day, event(3, ongoing=True)).out.splitlines()
    assert lines[1].split() == ["#", "from", "(+01:00)", "to", "by", "chance", "in", "what"]
    assert lines[2].startswith("1  2026-03-07 13:20:00  14:04:00             4 months")
    rows = [line for line in lines if line[:3] in ("2  ", "3  ")]
    assert rows[0].startswith("2  2026-03-07 13:20:00  2026-03-08 00:10:05  4 months")
    assert rows[1].startswith("3  2026-03-07 13:20:00  ongoing              4 months")
    assert "none of the rules" not in " ".join(lines) and max(map(len, lines)) <= 80


def test_other_zones_stay_beside_their_times(listed):
    summer = event(2, start_time="2026-03-29 03:20:00+02:00", end_time="2026-03-29 03:30:00+02:00")
    out = listed(event(), summer).out
    assert "13:20:00+01:00" in out and "03:20:00+02:00" in out and "(+" not in out


def test_events_without_times_have_rows(listed):
    timeless = dict.fromkeys(["start_time", "end_time", "peak_time"])
    lines = listed(event(**timeless), event(2, ongoing=True, **timeless)).out.splitlines()
    assert lines[1].startswith("#  from row  to row   by chance in")
    assert lines[2].startswith("1  100       149      4 months") and "2  200       ongoing" in "\n".join(lines)


def test_names_cannot_control_the_terminal(listed):
    evil = [{"channel": "\x1b[2Jcpu\nload", "share": 1.0, "text": "[red]high[/red]"}]
    lines = listed(event(channels=evil)).out.splitlines()
    assert "\x1b" not in "".join(lines) and "cpu load: [red]high[/red];" in lines[2]


def test_only_the_worst_are_shown(listed):
    found = [event(rank) for rank in range(1, 31)]
    assert "and 10 more" in listed(*found).out
    outcome = listed(*found, options=["--top", 3])
    assert "and 27 more" in outcome.out and sum(line[:1].isdigit() for line in outcome.out.splitlines()) == 4
    assert len(json.loads(listed(*found, options=["--top", 3, "--json"]).out)["events"]) == 3


def test_no_events_are_said_to_be_none(listed):
    assert listed().out == "no events; accepted false alarms: 1 a week\n"


def test_json_is_one_document_and_lines_go_to_stderr(listed):
    outcome = listed(event(), options=["--json"])
    document = json.loads(outcome.out)
    assert document["events"][0]["id"] == "event-1" and document["alerts"] == "1 a week"
    assert outcome.err.startswith("1 event;")
    assert listed(event(), options=["--quiet"]).out == ""


@pytest.mark.parametrize(("found", "code"), [([], 0), ([event()], 3)])
def test_events_may_be_a_failure(listed, found, code):
    assert listed(*found).code == 0
    assert listed(*found, options=["--fail-on-events", "--quiet"]).code == code


@pytest.mark.parametrize("options", [["--alerts-per", "day"], ["--save"]])
def test_only_runs_can_be_searched_again(listed, options):
    outcome = listed(event(), options=options)
    assert outcome.code == 2 and "score the series again: ape score" in outcome.err


def test_damaged_events_are_refused(refused, tmp_path):
    (tmp_path / "events.json").write_text('{"events": [')
    assert "events.json" in refused("events", tmp_path)
    (tmp_path / "events.json").write_text('{"events": []}')
    assert "not a list of events" in refused("events", tmp_path)


def test_a_detector_without_events_is_refused_with_the_command_to_score(refused, tmp_path):
    (tmp_path / "detector").mkdir()
    assert f"ape score DATA --detector {tmp_path} --out DIR" in refused("events", tmp_path)


def test_another_rate_is_saved_only_if_asked(ape, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    before = (folder / "events.json").read_bytes()
    once = ape("events", folder, "--alerts-per", "training=45", "--json")
    assert once.code == 0 and (folder / "events.json").read_bytes() == before
    document = json.loads(once.out)
    assert document["alerts"] == "45 in a time as long as the training part" and document["events"]
    assert document["threshold"] < read_events(folder)["threshold"]

    saved = ape("events", folder, "--alerts-per", "training=45", "--save", "--fail-on-events")
    assert saved.code == 3 and "saved in" in saved.out
    assert read_events(folder)["events"] == document["events"]
    assert len(list(csv.reader((folder / "events.csv").open()))) == 1 + len(document["events"])
    assert Threshold.load(folder / "enhanced").level == pytest.approx(document["threshold"], abs=1e-3)
    assert Threshold.load(folder / "detector").rate.number == 45
    record = json.loads((folder / "run.json").read_text())
    assert record["arguments"]["alerts"] == {"number": 45, "per": "training part"} and record["finished"]
    resumed = ape("run", "--resume", folder, "--json")
    assert resumed.code == 0 and json.loads(resumed.out)["events"] == document["events"]


@pytest.mark.parametrize("name", ["scores.csv", "posttrain.json", "bank.json", "enhanced/threshold.json"])
def test_nothing_is_saved_beside_a_damaged_file(refused, finished, tmp_path, name):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / name).write_text("")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert str(folder / name) in refused("events", folder, "--alerts-per", "training=45", "--save")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_run_reports_its_files_as_json(ape, finished):
    outcome = ape("run", "--resume", finished.folder, "--json", "--fail-on-events")
    document = json.loads(outcome.out)
    assert outcome.code == 0 and document["events"] == [] and document["kept"] in ("rules", "both", "free", "original")
    assert set(document["files"]) == {"report.html", "events.csv", "events.json", "scores.csv", "bank.json"}
    assert ape("run", "--resume", finished.folder, "--quiet").out == ""


def test_scores_come_with_events(ape, csv, wave, finished, tmp_path):
    values = wave.copy()
    values[1200:1240] += 8
    outcome = ape("score", csv(values), "--detector", finished.folder, "--out", tmp_path / "out", "--fail-on-events")
    assert outcome.code == 3 and "from row" in outcome.out and "events.csv" in outcome.out
    worst = read_events(tmp_path / "out")["events"][0]
    common = min(worst["end"], 1240) - max(worst["start"], 1200)
    assert common >= 0.5 * (max(worst["end"], 1240) - min(worst["start"], 1200))
    listed = ape("events", tmp_path / "out")
    assert listed.code == 0 and listed.out.splitlines()[1] in outcome.out


def test_a_detector_without_threshold_gives_scores_only(ape, refused, csv, wave, finished, tmp_path):
    unverified(shutil.copytree(finished.folder / "enhanced", tmp_path / "enhanced"))
    (tmp_path / "enhanced/threshold.json").unlink()
    command = ("score", csv(wave), "--detector", tmp_path / "enhanced", "--out")
    line = refused(*command, tmp_path / "a", "--alerts-per", "training=2")
    assert "no threshold was saved with the detector (--alerts-per): train the detector again" in line
    outcome = ape(*command, tmp_path / "b")
    assert outcome.code == 0 and "events are not listed" in outcome.out
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [".lock", "scores.csv"]


def test_a_batch_lists_the_worst_event_of_each_series(capsys):
    found = {"pump": {"events": [event(), event(2)]}, "fan": {"events": []}, "mill": {"events": [event(3)]}}
    print_worst_events(found, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "events in 2 of 3 series, the worst of each:"
    assert lines[1].startswith("series  events  from (+01:00)     to     what")
    assert lines[2].startswith("pump    2       2026-03-07 13:20  14:04  CPU: level")
    assert lines[-1] == "and 1 more series"


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_rate_that_a_series_cannot_have_is_refused_before_any_work(refused, data, tmp_path, command):
    line = refused(command, data, "--out", tmp_path / "out", "--alerts-per", "week")
    assert "the time between points is not known (--alerts-per)" in line
    assert not (tmp_path / "out").exists()
