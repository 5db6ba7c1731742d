"""What the guide can ask about a scored series: events, reasons, stretches, alerts, benign rules and files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from run_results import result_of

from ape.rules import Rule, build_context
from ape.runs import rates
from ape.runs import scored as scored_module
from ape.runs.folder import Request, Run
from ape.runs.scored import ScoredRun
from ape.series import Series, from_dataframe
from ape.tools.artefacts import Artefacts

NAMES = ("flow", "pressure", "temperature")


@pytest.fixture(scope="module")
def series() -> Series:
    """2,000 minutes from 2 March on, the first 1,000 for training; the flow is 10 higher from 1500 to 1539."""
    rng, steps = np.random.default_rng(0), np.arange(2000)
    frame = pd.DataFrame({name: np.sin(steps / 9) + 0.1 * rng.normal(size=2000) for name in NAMES})
    frame.iloc[1500:1540, 0] += 10
    frame.insert(0, "time", pd.Timestamp("2026-03-02") + pd.to_timedelta(steps, unit="min"))
    return from_dataframe(frame, train_end=1000)


@pytest.fixture
def scored(series, tmp_path, monkeypatch) -> ScoredRun:
    """Two events: the worst in the flow, from 1500 to 1539; an earlier one in the pressure, from 1200 to 1209."""
    found = ScoredRun(Run(tmp_path, Request("chat", "series of the test"), series), Artefacts(tmp_path / "artefacts"))
    events = (1500, 1540, 9.0, ["flow"]), (1200, 1210, 4.0, ["pressure"])
    found.__dict__["result"] = result_of(series, *events, level=3.5)
    monkeypatch.setattr(scored_module, "read_events", lambda folder: {"events": events, "quiet": []})
    return found


def use(scored: ScoredRun, tool: str, **arguments) -> dict[str, Any]:
    by_name = {each.name: each for each in scored.for_guide().tools}
    return json.loads(by_name[tool].invoke(arguments))


def ranks(answer: dict[str, Any]) -> list[int]:
    return [event["rank"] for event in answer["events"]]


def test_facts_are_those_of_the_whole_series(scored):
    facts = scored.for_guide().facts
    assert facts["points"] == 2000 and facts["events"] == 2 and facts["first_time"].startswith("2026-03-02 00:00")
    assert facts["last_time"].startswith("2026-03-03 09:19")


def test_events_are_chosen_by_number_channel_and_time(scored, tmp_path):
    everything = use(scored, "show_events")
    assert ranks(everything) == [1, 2] and everything["count"] == everything["matching"] == 2
    assert (tmp_path / "artefacts" / everything["artefact"]).stat().st_size > 1000
    assert ranks(use(scored, "show_events", top=1)) == [1]
    assert ranks(use(scored, "show_events", order="time")) == [2, 1]
    assert ranks(use(scored, "show_events", channel="pressure")) == [2]
    assert ranks(use(scored, "show_events", begin=1205, end=1300)) == [2]
    assert ranks(use(scored, "show_events", begin=1210, end=1499)) == []
    assert ranks(use(scored, "show_events", begin="2026-03-03", end="2026-03-03")) == [1]


@pytest.mark.parametrize("where", [{"rank": 1}, {"at": 1539}, {"at": "2026-03-03 01:10"}])
def test_an_event_is_explained_by_rank_row_or_time(scored, where):
    answer = use(scored, "explain_event", **where)
    assert (answer["rank"], answer["lasts"], answer["threshold"]) == (1, "40 minutes", 3.5)
    assert answer["artefact"].endswith(".png")


def test_a_time_without_event_is_said_with_its_score_and_the_closest_event(scored, monkeypatch):
    quiet = {"start": 1540, "end": 1550, "reason": "quiet because of 'backup'"}
    monkeypatch.setattr(scored_module, "read_events", lambda folder: {"events": [], "quiet": [quiet]})
    answer = use(scored, "explain_event", at=1540)
    assert answer["flagged"] is False and answer["score"] < answer["threshold"] and answer["closest"]["rank"] == 1
    assert answer["quiet"] == quiet["reason"] and use(scored, "explain_event", at=1560)["quiet"] is None
    assert not answer["learned"] and use(scored, "explain_event", at=10)["learned"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("explain_event", {"rank": 3}),
        ("explain_event", {}),
        ("explain_event", {"at": 2000}),
        ("show_events", {"channel": "speed"}),
        ("show_stretch", {"begin": 1990, "end": 2010}),
        ("show_stretch", {"begin": "2027-01-01", "end": "2027-01-02"}),
        ("set_alert_rate", {}),
        ("set_alert_rate", {"number": 1e9, "per": "day"}),
    ],
)
def test_what_does_not_exist_is_an_error(scored, tool, arguments):
    assert "error" in use(scored, tool, **arguments)


def test_a_stretch_includes_its_end_and_a_moment_gets_surroundings(scored):
    answer = use(scored, "show_stretch", begin=1490, end=1600, channels=["temperature"])
    assert (answer["rows"], answer["channels"], ranks(answer)) == ([1490, 1600], ["temperature"], [1])
    assert use(scored, "show_stretch", begin=1000, end=1000)["rows"] == [936, 1064]
    assert use(scored, "show_stretch", begin="2026-03-02", end="2026-03-02")["rows"] == [0, 1439]
    assert use(scored, "show_stretch")["rows"] == [0, 1999]


def test_other_rates_are_counted_and_nothing_is_changed(scored, tmp_path):
    answer = use(scored, "show_alert_rates", number=1, per="day")
    assert (answer["events"], answer["threshold"]) == (2, 3.5)
    assert answer["asked"]["threshold"] == pytest.approx(np.log10(1440), abs=0.01)
    assert answer["per_day"] == pytest.approx(2 * 1440 / 1000, rel=1e-3)
    assert not list(tmp_path.glob("*.json"))


def test_fewer_alerts_is_the_next_step_with_fewer(scored):
    question = scored.for_guide().questions["set_alert_rate"]({"direction": "fewer"})
    assert "about 1 events instead of 2" in question and "overwrites" in question
    step = rates.next_step(scored.result, fewer=True)
    looser = [rate for rate in rates.steps_of(scored.result) if scored.result.threshold.at(rate).level > 3.5]
    assert step is not None and rates.count_at(scored.result, step) == 1
    assert all(rates.count_at(scored.result, rate) == 2 for rate in looser[: looser.index(step)])


def test_export_writes_the_chosen_events_into_the_run_folder(scored, tmp_path):
    answer = use(scored, "export_events", channel="pressure")
    assert answer["file"] == str(tmp_path / "exported-events.csv") and answer["events"] == 1
    assert pd.read_csv(answer["file"])["channels"].tolist() == ["pressure"]
    answer = use(scored, "export_events", top=1, format="json")
    assert [event["rank"] for event in json.loads((tmp_path / "exported-events.json").read_text())] == [1]


def test_benign_rule_of_an_event_has_its_length_channel_and_time_of_day(scored, series):
    draft = scored.for_guide().benign_draft(1, None)
    assert draft.context.channels == ["flow"] and draft.context.hours is not None
    assert (draft.context.hours.low, draft.context.hours.high) == (0.0, 2.0)  # it begins at 01:00
    assert (draft.duration.low, draft.duration.high, draft.duration.unit) == (20, 80, "samples")
    assert isinstance(draft.to_rule(), Rule) and build_context(series).channels[0].name == "flow"
    with pytest.raises(ValueError, match="no event then"):
        scored.for_guide().benign_draft(None, "2026-03-03 05:00")
    assert "event 1" in scored.for_guide().questions["add_benign_event"]({"rank": 1})
