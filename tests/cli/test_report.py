"""The report: a self-contained page that shows every rule and escapes all text."""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import unverified

from ape.rules import RuleBank
from ape.runs import Request, Run, pictures
from ape.runs.ledger import Ledger
from ape.runs.report import write_report
from ape.series import load

HTML_NAME = "<script>alert(1)</script>"
MOST_BYTES = 3_000_000
SCRIPTS: list[dict[str, str]] = [{"type": "application/json", "id": "plot-data"}, {}, {}]


def without_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


class Cells(HTMLParser):
    """Rows of the first table: the text of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(text.partition("</table>")[0])

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.get_starttag_text() in ("<th>", "<td>"):
            self.rows[-1][-1] += data.strip("\n")


@pytest.fixture(scope="module")
def report(finished) -> str:
    return (finished.folder / "report.html").read_text(encoding="utf-8")


def test_page_is_self_contained(report):
    page = Page(report)
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert addresses and all(value.startswith(("data:image/webp;base64,", "#")) for value in addresses)
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed"}
    assert not re.search(r"url\(|@import|https?://", without_scripts(report))
    assert len(report) < MOST_BYTES


def test_page_embeds_pictures_of_the_series_and_of_rules(report, finished):
    tags = Page(report).tags
    rules = {attributes["id"] for tag, attributes in tags if tag == "symbol"}
    proposed = {entry["rule"] for entry in Ledger(finished.folder / "ledger.jsonl") if entry["decision"] == "proposed"}
    assert rules == {f"picture-{rule}" for rule in proposed}
    stills = [attributes["src"] for tag, attributes in tags if tag == "img" and attributes.get("id") == "still"]
    sources = stills + [attributes["href"] for tag, attributes in tags if tag == "image"]
    pictures = [base64.b64decode(source.partition(",")[2]) for source in sources]
    assert len(pictures) == 1 + len(proposed) and all(picture[8:12] == b"WEBP" for picture in pictures)


def test_page_shows_rules_figures_and_decisions_in_order(report, finished):
    text = Page(report).text
    for rule in RuleBank.load(finished.folder / "bank.json").rules:
        assert rule.id in text and rule.mechanism in text and f"{rule.history[-1].figures['visible']:.4g}" in text
    places = [text.rfind(entry["rationale"]) for entry in Ledger(finished.folder / "ledger.jsonl")]
    assert min(places) >= 0 and places[0] < places[-1]
    assert json.loads((finished.folder / "posttrain.json").read_text())["reason"] in text


def test_names_and_texts_are_escaped(finished, data, tmp_path):
    folder = unverified(shutil.copytree(finished.folder, tmp_path / "run"))
    bank = json.loads((folder / "bank.json").read_text())
    bank["scenario"] = f"A tank {HTML_NAME}"
    bank["context"]["channels"][0]["name"] = HTML_NAME
    bank["rules"][0]["evidence"] = [{"kind": "text", "id": "text", "quote": HTML_NAME, "line": 1}]
    (folder / "bank.json").write_text(json.dumps(bank))
    Ledger(folder / "ledger.jsonl").write("planner", "plan", f"studying {HTML_NAME}", evidence=(HTML_NAME,))
    series = replace(load(data), channels=(HTML_NAME,), name=HTML_NAME, notes=(f"channel '{HTML_NAME}' was filled",))
    write_report(folder, series)
    report = (folder / "report.html").read_text()
    assert [attributes for tag, attributes in Page(report).tags if tag == "script"] == SCRIPTS
    assert HTML_NAME not in report and Page(without_scripts(report)).text.count(HTML_NAME) >= 5


def test_page_says_in_one_line_what_was_kept_quiet_and_why(finished, report, tmp_path):
    assert "kept quiet" not in report
    folder = unverified(shutil.copytree(finished.folder, tmp_path / "run"))
    events = json.loads((folder / "events.json").read_text())
    reason = f"rows 1450 to 1459: quiet because of 'backup' (line 4 of notes.txt: \"{HTML_NAME}\")"
    times = {"start_time": None, "end_time": None}
    events["quiet"] = [{"start": 1450, "end": 1460, **times, "score": 8.13, "rule": "backup", "reason": reason}]
    (folder / "events.json").write_text(json.dumps(events))
    write_report(folder, Run.open(finished.folder).series)
    page = (folder / "report.html").read_text()
    (line,) = [line for line in Page(page).text.splitlines() if "quiet because of" in line]
    assert line.startswith(f"{reason}; its score would be 8.1 without the rule (threshold ")
    assert "What benign rules kept quiet (1)" in page and HTML_NAME not in page


def test_block_is_the_same_in_terminal_report_and_record(ape, finished, tmp_path):
    times = pd.date_range("2024-03-30", periods=400, freq="15min", tz="Europe/Berlin")
    rows = [f"{time.isoformat()};{k % 40},{k % 10};<b>on</b>" for k, time in enumerate(times)]
    path = tmp_path / "boiler.csv"
    path.write_text("\n".join(["Zeit;Druck & Co;<i>Zustand</i>", *rows[:150], *rows[152:300], *rows[340:]]) + "\n")
    request = Request("mine", str(path), train_end="60%")
    run = Run.create(tmp_path / "run", request, request.load())
    record = json.loads((run.folder / "run.json").read_text())
    block = [f"{topic}: {text}" for topic, text in record["reading"].items()]
    notes = [f"  {note}" for note in record["notes"]]
    assert ape("check", path, "--train-end", "60%").out.splitlines() == block + notes
    for text in (
        "+01:00",
        "semicolon",
        "2 missing rows",
        "40 rows missing after",
        "Zustand",
        "are taken as normal (2024-",
    ):
        assert any(text in line for line in block)
    folder = unverified(shutil.copytree(finished.folder, tmp_path / "copy"))
    for name in ("scores.csv", "events.json"):  # they are of another series
        (folder / name).unlink()
    write_report(folder, run.series)
    cells = Cells((folder / "report.html").read_text()).rows
    topics = [f"{topic}: {text}" for topic, text in cells if topic and topic != "notes"]
    assert topics == block
    assert [f"  {text}" for topic, text in cells if topic in ("", "notes")] == notes


def test_overview_has_times(finished, monkeypatch):
    drawn: list[Any] = []
    monkeypatch.setattr(pictures, "_png", lambda canvas: drawn.append(canvas.figure) or b"")
    times = np.datetime64("2024-05-01", "ns") + np.arange(1500) * np.timedelta64(60, "s")
    series = replace(Run.open(finished.folder).series, timestamps=times, step=60.0)
    pictures.draw_scores(series, pd.read_csv(finished.folder / "scores.csv"))
    axes = drawn[0].axes
    assert len(axes) == 3 and "no zone given" in axes[-1].get_xlabel() and "training part" in axes[-1].get_xlabel()
    assert "12:00" in [label.get_text() for label in axes[-1].get_xticklabels()]
