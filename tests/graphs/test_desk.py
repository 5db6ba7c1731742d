"""The desk: rules that a person adds or changes are checked, recorded, and can be dropped and restored."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.graphs.desk import Desk
from ape.graphs.desk_tools import desk_tools
from ape.rules import broad_rule
from ape.rules.check import failures
from ape.rules.schema import SentenceUse
from ape.series import from_array, from_dataframe
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

VALUES = np.sin(2 * np.pi * np.arange(1500) / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)


@pytest.fixture
def desk(tmp_path):
    return Desk(Workbench(from_array(VALUES, train_end=1200), Artefacts(tmp_path)), seed=0)


def use(desk, tool, **arguments):
    by_name = {each.name: each for each in desk_tools(desk)}
    return json.loads(by_name[tool].invoke(arguments))


def draft(operator="flatline_hold", **changes):
    rule = broad_rule(operator).model_copy(update={"id": "held"})
    return rule.model_dump(mode="json", exclude={"history"}) | changes


def test_added_rule_is_checked_and_records_the_request(desk):
    description = use(desk, "add_rule", draft=draft(), asked="it freezes")
    rule = desk.rules["held"]
    assert description["passes"] == (not failures(desk.figures["held"]))
    assert description["asked_for"] == ["it freezes"]
    assert [(entry.agent, entry.verdict) for entry in rule.history] == [("person", "proposed")]
    assert rule.history[0].figures == desk.figures["held"]


def test_failing_rule_stays_on_the_desk_but_not_in_the_bank(desk):
    tiny = draft(scale={"low": 1e-6, "high": 2e-6, "unit": "series_sd"}, program=[{"operator": "level_shift"}])
    description = use(desk, "add_rule", draft=tiny, asked="tiny")
    assert not description["passes"] and "plausible" in description["fails"]
    assert list(desk.rules) == ["held"] and desk.bank().rules == []
    use(desk, "change_rule", rule_id="held", asked="larger", size=20)
    assert desk.rules["held"].scale.low == pytest.approx(2e-5)


def test_change_multiplies_the_given_fields_only(desk):
    use(desk, "add_rule", draft=draft(), asked="a")
    before = desk.rules["held"]
    use(desk, "change_rule", rule_id="held", asked="b", length=2.0, gradual=True, level=["high"])
    after = desk.rules["held"]
    assert (after.duration.low, after.duration.high) == (2 * before.duration.low, 2 * before.duration.high)
    assert after.scale == before.scale and after.creep is not None and after.context.level == ["high"]
    use(desk, "change_rule", rule_id="held", asked="c", anywhere=True, gradual=False)
    assert desk.rules["held"].context.level == [] and desk.rules["held"].creep is None
    assert [entry.reason for entry in desk.rules["held"].history] == ["a", "b", "c"]


def test_hours_require_timestamps(tmp_path, desk):
    use(desk, "add_rule", draft=draft(), asked="a")
    refused = use(desk, "change_rule", rule_id="held", asked="at night", hours={"low": 22, "high": 30})
    assert "no times of day" in refused["error"] and desk.rules["held"].context.hours is None
    times = pd.date_range("2026-01-01", periods=1500, freq="15min")
    timed = from_dataframe(pd.DataFrame({"time": times, "value": VALUES}), train_end=1200)
    other = Desk(Workbench(timed, Artefacts(tmp_path)), seed=0)
    use(other, "add_rule", draft=draft(), asked="a")
    use(other, "change_rule", rule_id="held", asked="at night", hours={"low": 22, "high": 30})
    assert other.rules["held"].context.hours.low == 22


def test_dropped_rules_can_be_restored_and_versions_compared(desk):
    use(desk, "add_rule", draft=draft(), asked="a")
    use(desk, "add_rule", draft=draft("noise_burst", id="loud"), asked="b")
    assert use(desk, "drop_rule", rule_id="held", asked="no")["left"] == ["loud"]
    assert use(desk, "compare_banks", version=2) == {"new": [], "gone": ["held"], "changed": {}}
    assert use(desk, "restore_rule", rule_id="held", asked="after all")["rule"] == "held"
    use(desk, "change_rule", rule_id="loud", asked="c", weight=2)
    assert use(desk, "compare_banks", version=2)["changed"] == {"loud": {"weight": [1.0, 2.0]}}
    assert "0 to 4" in use(desk, "compare_banks", version=99)["error"]


def test_undo_goes_back_one_change_after_the_other(desk):
    use(desk, "add_rule", draft=draft(), asked="a")
    before = desk.rules["held"]
    use(desk, "change_rule", rule_id="held", asked="b", size=2)
    use(desk, "drop_rule", rule_id="held", asked="c")
    assert use(desk, "undo")["new"] == ["held"] and desk.dropped == {}
    assert use(desk, "undo")["changed"]["held"].keys() == {"scale"}
    assert desk.rules == {"held": before}
    assert use(desk, "undo")["gone"] == ["held"] and list(desk.dropped) == ["held"]
    assert "nothing to undo" in use(desk, "undo")["error"]
    assert use(desk, "restore_rule", rule_id="held", asked="d")["rule"] == "held"


def test_benign_rule_needs_a_place_only_and_enters_the_bank_as_such(desk):
    tiny = draft(
        id="calm", scale={"low": 1e-6, "high": 2e-6, "unit": "series_sd"}, program=[{"operator": "level_shift"}]
    )
    description = use(desk, "add_benign_rule", draft=tiny, asked="that is normal")
    assert description["benign"] and description["passes"]
    bank = desk.bank()
    assert bank.rules == [] and [rule.id for rule in bank.benign] == ["calm"]
    again = Desk(desk.workbench, 0)
    again.put_bank(bank)
    assert again.benign == ["calm"] and [rule["rule"] for rule in use(again, "list_normal")["benign"]] == ["calm"]
    use(again, "drop_rule", rule_id="calm", asked="no")
    assert again.bank().benign == []


def test_trial_of_a_kind_draws_and_adds_nothing(desk, tmp_path):
    drawn = use(desk, "try_kind", draft=draft(), count=3)
    assert (tmp_path / drawn["artefact"]).stat().st_size > 0 and drawn["count"] == 3
    assert desk.rules == {} and desk.versions == []


def test_length_can_be_given_in_samples(desk):
    use(desk, "add_rule", draft=draft(), asked="a")
    use(desk, "change_rule", rule_id="held", asked="b", samples={"low": 5, "high": 9})
    duration = desk.rules["held"].duration
    assert (duration.low, duration.high, duration.unit) == (5, 9, "samples")


def test_sentences_are_listed_with_the_rules_that_cite_them(desk):
    quoted = draft(evidence=[{"kind": "text", "id": "text", "quote": "It may freeze.", "line": 2}])
    use(desk, "add_rule", draft=quoted, asked="a")
    desk.sentences = [SentenceUse(line=1, text="A pump.", use="not understood")]
    answer = use(desk, "list_sentences")
    assert answer["rules"] == {"held": ["It may freeze."]}
    assert [(each["line"], each["use"]) for each in answer["sentences"]] == [(1, "not understood")]


def test_rule_that_cannot_be_placed_stays_dropped(desk, monkeypatch):
    use(desk, "add_rule", draft=draft(), asked="a")
    use(desk, "drop_rule", rule_id="held", asked="b")
    monkeypatch.setattr("ape.graphs.desk.discriminability", lambda *_: (_ for _ in ()).throw(ValueError("too long")))
    assert "too long" in use(desk, "restore_rule", rule_id="held", asked="c")["error"]
    assert list(desk.dropped) == ["held"] and not desk.rules


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("change_rule", {"rule_id": "none", "asked": "x"}),
        ("drop_rule", {"rule_id": "none", "asked": "x"}),
        ("restore_rule", {"rule_id": "held", "asked": "x"}),
        ("show_examples", {"rule_id": "none"}),
        ("why_rule", {"rule_id": "none"}),
        ("add_rule", {"draft": draft(), "asked": "twice"}),
        ("add_rule", {"draft": draft("channel_swap", id="swap"), "asked": "x"}),
        ("change_rule", {"rule_id": "held", "asked": "x", "channels": ["nowhere"]}),
        ("change_rule", {"rule_id": "held", "asked": "x", "size": -1}),
    ],
)
def test_refused_calls_return_an_error_and_change_nothing(desk, tool, arguments):
    use(desk, "add_rule", draft=draft(), asked="a")
    before = dict(desk.rules), len(desk.versions)
    assert "error" in use(desk, tool, **arguments)
    assert (dict(desk.rules), len(desk.versions)) == before


def test_number_of_examples_is_as_requested(desk, tmp_path):
    use(desk, "add_rule", draft=draft(), asked="a")
    few, many = (use(desk, "show_examples", rule_id="held", count=count) for count in (3, 20))
    assert few["artefact"] != many["artefact"] and (tmp_path / many["artefact"]).stat().st_size > 0


def change_and_draw(folder, size, length):
    """Change size and length of a rule, then draw it; each step works or is refused with a reason."""
    desk = Desk(Workbench(from_array(VALUES, train_end=1200), Artefacts(folder)), seed=0)
    use(desk, "add_rule", draft=draft(), asked="a")
    result = use(desk, "change_rule", rule_id="held", asked="b", size=size, length=length)
    assert "error" in result or "artefact" in use(desk, "show_examples", rule_id="held")


@pytest.mark.parametrize(("size", "length"), [(0.05, 20.0), (20.0, 0.05)])
def test_extreme_change_of_size_and_length_generates_or_is_refused(tmp_path, size, length):
    change_and_draw(tmp_path, size, length)


@pytest.mark.extended
@settings(max_examples=15, deadline=None)
@given(size=st.floats(0.05, 20), length=st.floats(0.05, 20))
def test_any_change_of_size_and_length_generates_or_is_refused(tmp_path_factory, size, length):
    change_and_draw(tmp_path_factory.mktemp("desk"), size, length)
