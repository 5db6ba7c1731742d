"""``ape trace``: spans, explanations of rules, the page, and forks."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from support import unverified

from ape.rules import RuleBank
from ape.runs.explanation import explain_rule
from ape.runs.trace import read_trace
from ape.runs.tracing import REDACTED

TEXT = (
    "Pressure of a pump.\nThe sensor may freeze: its value is held for\n20 to 40 samples. <script>alert(1)</script>\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory, data, ape):
    """The run folder of a mining with a text."""
    folder = tmp_path_factory.mktemp("traced")
    (folder / "manual.txt").write_text(TEXT)
    outcome = ape("mine", data, "--text", folder / "manual.txt", "--out", folder / "run")
    assert (outcome.code, outcome.err) == (0, "")
    return folder / "run"


def flat(spans):
    return [each for span in spans for each in (span, *flat(span.children))]


def test_tree_contains_every_node_agent_reply_and_tool_call(run):
    (root,) = read_trace(run)
    assert root.name == "run" and [(span.name, span.step) for span in root.children] == [
        ("mine", 1), ("approve", 2), ("report", 3),
    ]  # fmt: skip
    mining = root.children[0].children
    steps = [span.step for span in mining]
    assert steps == sorted(steps) and steps[0] == 1 and {span.kind for span in mining} == {"CHAIN"}
    names = {span.name for span in mining}
    assert names >= {"plan", "profile", "inspect", "propose", "generate", "spot", "discriminate", "criticise", "commit"}
    spans = flat(mining)
    assert {span.agent for span in spans if span.kind == "AGENT"} == {
        "planner", "profiler", "visual inspector", "rule critic",
    }  # fmt: skip
    tools = [span for span in spans if span.kind == "TOOL"]
    for span in tools:
        record = json.loads((run / "artefacts" / f"{span.evidence.rpartition('-')[2]}.json").read_text())
        assert record["tool"] == span.name and json.loads(span.input) == record["arguments"]
        assert json.loads(span.output) == record["result"]
    assert len(tools) > 10 and all(span.output for span in spans if span.kind == "LLM")


def test_decisions_in_the_spans_equal_the_ledger(run):
    entries = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    decisions = [each for span in flat(read_trace(run)) for each in span.decisions]

    def key(entry):
        return entry["agent"], entry["decision"], entry.get("rule"), entry["rationale"]

    assert sorted(map(key, decisions), key=str) == sorted(map(key, entries), key=str)
    measured = next(each for each in decisions if each["decision"] == "measured")
    assert 0 <= measured["figures"]["visible"] <= 1


def test_tree_is_printed_and_filtered_by_agent_and_rule(run, ape, refused):
    whole = ape("trace", run).out
    assert "[1] plan" in whole and "robust_stats" in whole and "commit" in whole
    critic = ape("trace", run, "--agent", "rule critic").out
    assert "preview_rule" in critic and "robust_stats" not in critic
    rule = RuleBank.load(run / "bank.json").rules[0].id
    touching = ape("trace", run, "--rule", rule).out
    assert f"accept {rule}" in touching and "robust_stats" not in touching and len(touching) < len(whole)
    assert "leave out" in refused("trace", run, "--agent", "nobody")


def test_why_prints_quote_tool_result_and_figures(run, ape):
    bank = RuleBank.load(run / "bank.json")
    rule = next(rule for rule in bank.rules if any(item.kind == "text" for item in rule.evidence))
    explanation = explain_rule(run, rule.id)
    assert explanation.verdict == "accept" and all(item.found for item in explanation.evidence)
    quoted = next(item for item in explanation.evidence if item.evidence.kind == "text")
    assert quoted.content == TEXT.splitlines()[quoted.evidence.line - 1].strip()
    printed = ape("trace", run, "--why", rule.id).out
    assert quoted.content in printed and "visible" in printed and "try_rule" in printed


def test_why_marks_evidence_that_is_not_found(run, tmp_path, ape):
    copy = unverified(shutil.copytree(run, tmp_path / "copy"))
    record = json.loads((copy / "run.json").read_text())
    record["arguments"]["text"] = TEXT.replace("freeze", "melt")
    (copy / "run.json").write_text(json.dumps(record))
    rule = next(r for r in RuleBank.load(run / "bank.json").rules if any(i.kind == "text" for i in r.evidence))
    assert "not found as cited" in ape("trace", copy, "--why", rule.id).out
    for path in (copy / "artefacts").glob("*.json"):
        path.unlink()
    assert [item.found for item in explain_rule(copy, rule.id).evidence if item.evidence.kind == "tool"] == [
        False for item in rule.evidence if item.kind == "tool"
    ]


def test_why_explains_rejected_rules_and_refuses_unknown_ones(run, refused):
    entries = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    rejected = next(entry["rule"] for entry in entries if entry["decision"] == "reject")
    assert explain_rule(run, rejected).verdict == "reject"
    assert "give one of" in refused("trace", run, "--why", "no-such-rule")


def test_page_is_self_contained_and_escapes_text(run, ape):
    assert ape("trace", run, "--html").code == 0
    page = (run / "trace.html").read_text()
    assert "data:image/png;base64," in page and "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    for rule in RuleBank.load(run / "bank.json").rules:
        assert rule.id in page


def test_fork_changes_one_decision_and_resumes_from_there(run, tmp_path, ape, refused):
    bank = RuleBank.load(run / "bank.json")
    rule = bank.rules[0].id
    step = next(
        span.step
        for span in flat(read_trace(run))
        if any(each.get("rule") == rule and each["decision"] == "accept" for each in span.decisions)
    )
    forked = tmp_path / "forked"
    assert ape("trace", run, "--fork", step, "--reject", rule, "--out", forked).code == 0
    assert ape("run", "--resume", forked).code == 0
    new = RuleBank.load(forked / "bank.json")
    assert rule not in [each.id for each in new.rules]
    assert json.loads((forked / "run.json").read_text())["forked_from"]["changes"] == {rule: "reject"}
    decisions = explain_rule(forked, rule).decisions
    assert (decisions[-1]["agent"], decisions[-1]["decision"]) == ("person", "reject")
    explanations = [explain_rule(folder, rule) for folder in (run, forked)]
    proposals = [[each for each in explanation.decisions if each["agent"] == "planner"] for explanation in explanations]
    assert proposals[0] == proposals[1]
    assert f"{rule} is only in the second" in ape("trace", forked, "--against", run).out
    assert RuleBank.load(run / "bank.json") == bank
    assert "same rules" in ape("trace", run, "--against", run).out
    assert "not empty" in refused("trace", run, "--fork", step, "--reject", rule, "--out", forked)


def test_invalid_forks_are_refused_and_make_no_folder(run, tmp_path, refused):
    out = tmp_path / "new"
    rule = RuleBank.load(run / "bank.json").rules[0].id
    last = max(span.step for span in flat(read_trace(run)) if span.name == "criticise")
    assert "give one of: " in refused("trace", run, "--fork", "1", "--reject", rule, "--out", out)
    assert "no rule" in refused("trace", run, "--fork", last, "--reject", "nothing", "--out", out)
    assert "already" in refused("trace", run, "--fork", last, "--accept", rule, "--out", out)
    assert "no decision changes" in refused("trace", run, "--fork", last, "--out", out)
    assert "--out" in refused("trace", run, "--fork", last, "--reject", rule)
    assert list(tmp_path.iterdir()) == []


def test_damaged_trace_is_refused_and_an_incomplete_last_line_is_ignored(run, tmp_path, refused):
    copy = unverified(shutil.copytree(run, tmp_path / "copy"))
    whole = (copy / "spans.jsonl").read_text()
    (copy / "spans.jsonl").write_text(whole[: len(whole) // 2])
    assert len(flat(read_trace(copy))) < len(flat(read_trace(run)))
    (copy / "spans.jsonl").write_text("{}\n" + whole)
    assert "line 1" in refused("trace", copy)
    (copy / "spans.jsonl").unlink()
    assert "no trace" in refused("trace", copy)


@pytest.mark.extended
def test_inputs_and_outputs_can_be_hidden(data, tmp_path, ape, monkeypatch):
    monkeypatch.setenv("OPENINFERENCE_HIDE_INPUTS", "true")
    monkeypatch.setenv("OPENINFERENCE_HIDE_OUTPUTS", "true")
    assert ape("mine", data, "--out", tmp_path / "run").code == 0
    spans = flat(read_trace(tmp_path / "run"))
    assert {span.input for span in spans} | {span.output for span in spans} <= {"", REDACTED}
    assert not read_trace(tmp_path / "run")[0].failed


@pytest.mark.extended
def test_run_continues_if_the_trace_cannot_be_written_or_sent(data, tmp_path, ape, run, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    out = tmp_path / "run"
    monkeypatch.setattr("ape.runs.tracing.SPANS", "no/such/folder")
    outcome = ape("mine", data, "--out", out)
    assert outcome.code == 0 and (out / "bank.json").is_file()
    assert caplog.text.count("has no whole trace") == 1
