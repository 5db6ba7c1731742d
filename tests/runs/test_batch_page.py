"""The page of a batch: order, events, failures with their hints, words that are not broken, events of all series."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ape.core.files import write_json
from ape.monitor.event_files import COLUMNS
from ape.rules import RuleBank, build_context
from ape.runs.batch_page import breakable, write_summary
from ape.runs.sparkline import curve
from ape.series import from_array

SERIES = from_array(np.sin(np.arange(800) / 8), train_end=500)
LONG = "pump_station_number_12_discharge_pressure_after_the_second_filter"


def event(rank: int, score: float, start: int, channel: str = "flow") -> dict:
    return {
        "rank": rank, "id": f"event-{start}", "start": start, "end": start + 20, "peak": start + 5, "start_time": None,
        "end_time": None, "peak_time": None, "ongoing": False, "score": score, "expected_every": "3,000 points",
        "expected_every_points": 3_000, "rarer": False, "channels": [{"channel": channel, "share": 1.0}],
        "rule": "level-jump", "rule_probability": 0.9, "rules": [],
        "reason": f"positions {start} to {start + 19}, {channel}: level 2 above what is usual there",
    }  # fmt: skip


def make_item(folder: Path, events: list[dict] | None) -> Path:
    """Write the files of a run folder that the page reads; None: the run was only mined."""
    RuleBank(scenario="", rules=[], context=build_context(SERIES), seed=0, ended="no more rules").save(
        folder / "bank.json"
    )
    read = {"arguments": {}, "fingerprint": "", "reading": {"file": "a.csv"}, "notes": []}
    write_json(folder / "run.json", {**read, "timings": {"mine": 1.5}})
    if events is not None:
        head = {"format": 1, "series": "a", "rows": 800, "train_end": 500, "step": None, "threshold": 3.5}
        write_json(folder / "events.json", {**head, "alerts": "1 a week", "events": events})
        rows = [{**each, "channels": each["channels"][0]["channel"]} for each in events]
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "events.csv", index=False)
        (folder / "report.html").write_text("report")
    return folder


@pytest.fixture
def batch(tmp_path):
    """Write a batch of these items, by name, and return its folder and the text of its page."""

    def write(items: dict[str, list[dict] | None], failed: dict[str, str] | None = None):
        folders = {name: make_item(tmp_path / "items" / name, events) for name, events in items.items()}
        folders |= {name: tmp_path / "items" / name for name in failed or {}}
        write_summary(tmp_path, folders, failed or {}, dict.fromkeys(items, curve(SERIES, "value")))
        return tmp_path, (tmp_path / "index.html").read_text()

    return write


def rows(page: str) -> list[str]:
    return re.findall(r'<tr data-name="([^"]*)"', page)


def test_the_worst_series_is_first_and_its_events_are_listed(batch):
    _, page = batch({"calm": [], "odd": [event(1, 4.0, 600)], "worse": [event(1, 9.0, 700), event(2, 5.0, 550)]})
    assert rows(page) == ["worse", "odd", "calm"]
    assert "2 of 3 series have events, 3 in all; the worst is in worse." in page
    assert "positions 700 to 719, flow: level 2 above" in page and "no event" in page and "1 a week" in page
    assert 'href="items/worse/report.html#event-700"' in page
    assert page.count('<rect class="event"') == 3


def test_many_events_are_folded_and_counted(batch):
    found = [event(k + 1, 9.0 - k / 10, 500 + k) for k in range(30)]
    _, page = batch({"a": found})
    shown, folded = page.split("<summary>27 more</summary>")
    assert shown.count("<li>") == 3 and folded.count("<li>") == 17 and "lists all 30" in folded


def test_events_of_all_series_are_in_one_file(batch):
    folder, _ = batch({"b": [event(1, 4.0, 600)], "calm": [], "a": [event(1, 9.0, 700), event(2, 3.5, 550)]})
    events = pd.read_csv(folder / "events.csv")
    assert list(events.columns) == ["series", *COLUMNS]
    assert list(zip(events["series"], events["start"], strict=True)) == [("a", 700), ("b", 600), ("a", 550)]


def test_without_events_the_file_has_only_its_header_and_mined_series_have_no_file(batch):
    folder, page = batch({"calm": []})
    assert (folder / "events.csv").read_text().strip() == ",".join(["series", *COLUMNS])
    assert "0 of 1 series have events, 0 in all.</b>" in page
    folder, page = batch({"calm": None})
    (folder / "items/calm/events.csv").unlink()
    (folder / "items/calm/events.json").unlink()
    write_summary(folder, {"calm": folder / "items/calm"}, {}, {})
    assert not (folder / "events.csv").exists() and "None was scored" in (folder / "index.html").read_text()


def test_failures_have_what_to_do_about_them(batch):
    reasons = {
        "bad": "no column of numbers (a (b).csv, line 2): give numbers",
        "slow": "TimeoutError: not done (5 s): x",
    }
    _, page = batch({"calm": []}, reasons)
    text = html.unescape(page)
    assert '<td class="failed">no column of numbers (a (b).<wbr>csv, line 2)</td>' in text
    assert "give numbers</td>" in text and "2 failed" in text
    assert '<td class="failed">TimeoutError: not done (5 s): x</td>' in text and "repeat the command" in text
    assert rows(page) == ["calm"]


def test_html_in_names_and_reasons_is_escaped(batch):
    hostile = "<img src=x onerror=alert(1)>"
    found = event(1, 4.0, 600, hostile)
    _, page = batch({"a": [found]}, {"b": f"{hostile} (b): {hostile}"})
    assert hostile not in page and "&lt;img src=x" in page


def test_names_break_between_words_only():
    assert breakable("site-1/flow_rate.csv") == "site-<wbr>1/<wbr>flow_<wbr>rate.<wbr>csv"
    assert breakable("temperature") == "temperature" and breakable("a<b") == "a&lt;b"


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_can_be_filtered_and_sorted_and_is_not_too_wide(batch, browser, width):
    folder, _ = batch(
        {"calm": [], LONG: [event(1, 4.0, 600, LONG)], "worse": [event(1, 9.0, 700)]}, {"bad": "x (y): z"}
    )
    tab = browser.new_page(viewport={"width": width, "height": 900})
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("request", lambda request: problems.append(request.url) if "file:" not in request.url else None)
    tab.goto((folder / "index.html").as_uri())
    listed = "[...document.querySelectorAll('tr[data-name]')]"
    shown = f"{listed}.filter(row => !row.hidden).map(row => row.dataset.name)"
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(shown) == ["worse", LONG, "calm"]
    tab.get_by_role("searchbox").fill("Positions 600")
    assert tab.evaluate(shown) == [LONG]
    tab.get_by_role("searchbox").fill("")
    tab.get_by_role("checkbox").check()
    assert tab.evaluate(shown) == ["worse", LONG] and tab.get_by_text("2 of 3 shown").is_visible()
    tab.get_by_role("checkbox").uncheck()
    if width == 1280:
        tab.get_by_role("button", name="score").click()
        assert tab.evaluate(shown) == ["worse", LONG, "calm"]
        tab.get_by_role("button", name="score").click()
        assert tab.evaluate(shown) == ["calm", LONG, "worse"]
        tab.get_by_role("button", name="series").click()
        assert tab.evaluate(shown) == ["calm", LONG, "worse"]
    assert problems == []


def test_a_batch_of_hundreds_of_series_is_a_small_page(batch):
    found = [event(k + 1, 9.0, 500 + k) for k in range(10)]
    folder, _ = batch({f"series-{k}": found for k in range(200)})
    assert (folder / "index.html").stat().st_size < 3_000_000
    assert len(json.loads((folder / "items/series-0/events.json").read_text())["events"]) == 10
