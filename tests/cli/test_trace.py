"""``ape trace``: what a run did, why a rule is there, what becomes of another decision; and that it costs no run."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from ape.rules import RuleBank
from ape.runs.trace import read_trace, why
from ape.runs.tracing import REDACTED

TEXT = (
    "Pressure of a pump.\nThe sensor may freeze: its value is held for\n20 to 40 samples. <script>alert(1)</script>\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory, data, ape):
    """A mining with a text."""
    folder = tmp_path_factory.mktemp("traced")
    (folder / "manual.txt").write_text(TEXT)
    outcome = ape("mine", data, "--text", folder / "manual.txt", "--out", folder / "run")
    assert (outcome.code, outcome.err) == (0, "")
    return folder / "run"


def flat(spans):
    return [each for span in spans for each in (span, *flat(span.inner))]


def test_every_node_agent_reply_and_tool_call_is_in_the_tree(run):
    (root,) = read_trace(run)
    steps = [span.step for span in root.inner]
    assert root.name == "mining" and steps == sorted(steps) and steps[0] == 1
    names = {span.name for span in root.inner}
    assert names >= {"plan", "profile", "inspect", "propose", "generate", "spot", "discriminate", "criticise", "commit"}
    spans = flat(root.inner)
    assert {span.agent for span in spans if span.kind == "AGENT"} == {
        "planner", "profiler", "visual inspector", "rule critic",
    }  # fmt: skip
    tools = [span for span in spans if span.kind == "TOOL"]
    for span in tools:
        kept = json.loads((run / "artefacts" / f"{span.evidence.rpartition('-')[2]}.json").read_text())
        assert kept["tool"] == span.name and json.loads(span.sent) == kept["arguments"]
        assert json.loads(span.said) == kept["result"]
    assert len(tools) > 10 and all(span.said for span in spans if span.kind == "LLM")


def test_the_decisions_in_the_spans_are_those_of_the_ledger(run):
    entries = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    told = [each for span in flat(read_trace(run)) for each in span.decisions]

    def key(entry):
        return entry["agent"], entry["decision"], entry.get("rule"), entry["rationale"]

    assert sorted(map(key, told), key=str) == sorted(map(key, entries), key=str)
    measured = next(each for each in told if each["decision"] == "measured")
    assert 0 <= measured["figures"]["visible"] <= 1


def test_the_tree_is_told_and_filtered_by_agent_and_rule(run, ape, refused):
    whole = ape("trace", run).out
    assert "[1] plan" in whole and "robust_stats" in whole and "commit" in whole
    critic = ape("trace", run, "--agent", "rule critic").out
    assert "preview_rule" in critic and "robust_stats" not in critic
    rule = RuleBank.load(run / "bank.json").rules[0].id
    touching = ape("trace", run, "--rule", rule).out
    assert f"accept {rule}" in touching and "robust_stats" not in touching and len(touching) < len(whole)
    assert "leave out" in refused("trace", run, "--agent", "nobody")


def test_why_walks_from_a_rule_to_the_quoted_line_the_tool_result_and_the_figures(run, ape):
    bank = RuleBank.load(run / "bank.json")
    rule = next(rule for rule in bank.rules if any(item.kind == "text" for item in rule.evidence))
    told = why(run, rule.id)
    assert told.verdict == "accept" and all(ground.checked for ground in told.grounds)
    quoted = next(ground for ground in told.grounds if ground.evidence.kind == "text")
    assert quoted.told == TEXT.splitlines()[quoted.evidence.line - 1].strip()
    said = ape("trace", run, "--why", rule.id).out
    assert quoted.told in said and "visible" in said and "try_rule" in said


def test_why_says_where_a_quote_is_not_what_stands_there(run, tmp_path, ape):
    copy = shutil.copytree(run, tmp_path / "copy")
    record = json.loads((copy / "run.json").read_text())
    record["arguments"]["text"] = TEXT.replace("freeze", "melt")
    (copy / "run.json").write_text(json.dumps(record))
    rule = next(r for r in RuleBank.load(run / "bank.json").rules if any(i.kind == "text" for i in r.evidence))
    assert "not found as it is cited" in ape("trace", copy, "--why", rule.id).out
    for path in (copy / "artefacts").glob("*.json"):
        path.unlink()
    assert [ground.checked for ground in why(copy, rule.id).grounds if ground.evidence.kind == "tool"] == [False] * sum(
        item.kind == "tool" for item in rule.evidence
    )


def test_why_tells_of_rejected_rules_too_and_refuses_unknown_ones(run, refused):
    entries = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    rejected = next(entry["rule"] for entry in entries if entry["decision"] == "reject")
    assert why(run, rejected).verdict == "reject"
    assert "give one of" in refused("trace", run, "--why", "no-such-rule")


def test_the_page_stands_alone_and_takes_text_for_text(run, ape):
    assert ape("trace", run, "--html").code == 0
    page = (run / "trace.html").read_text()
    assert "data:image/png;base64," in page and "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    for rule in RuleBank.load(run / "bank.json").rules:
        assert rule.id in page


def test_a_fork_decides_one_rule_anew_and_goes_on_from_there(run, tmp_path, ape, refused):
    bank = RuleBank.load(run / "bank.json")
    rule = bank.rules[0].id
    accepting = (
        span.step
        for span in flat(read_trace(run))
        if any(each.get("rule") == rule and each["decision"] == "accept" for each in span.decisions)
    )
    step = next(accepting)
    forked = tmp_path / "forked"
    assert ape("trace", run, "--fork", step, "--reject", rule, "--out", forked).code == 0
    assert ape("run", "--resume", forked).code == 0
    new = RuleBank.load(forked / "bank.json")
    assert rule not in [each.id for each in new.rules]
    assert json.loads((forked / "run.json").read_text())["forked_from"]["changes"] == {rule: "reject"}
    decisions = why(forked, rule).decisions
    assert (decisions[-1]["agent"], decisions[-1]["decision"]) == ("person", "reject")
    proposals = [
        [each for each in why(folder, rule).decisions if each["agent"] == "planner"] for folder in (run, forked)
    ]
    assert proposals[0] == proposals[1]
    assert f"{rule} is there only" in ape("trace", forked, "--against", run).out
    assert RuleBank.load(run / "bank.json") == bank
    assert "same rules" in ape("trace", run, "--against", run).out
    assert "not empty" in refused("trace", run, "--fork", step, "--reject", rule, "--out", forked)


def test_what_cannot_be_forked_is_refused_before_anything_is_made(run, tmp_path, refused):
    out = tmp_path / "new"
    rule = RuleBank.load(run / "bank.json").rules[0].id
    last = max(span.step for span in flat(read_trace(run)) if span.name == "criticise")
    assert "give one of: " in refused("trace", run, "--fork", "1", "--reject", rule, "--out", out)
    assert "no rule" in refused("trace", run, "--fork", last, "--reject", "nothing", "--out", out)
    assert "already" in refused("trace", run, "--fork", last, "--accept", rule, "--out", out)
    assert "nothing to decide" in refused("trace", run, "--fork", last, "--out", out)
    assert "--out" in refused("trace", run, "--fork", last, "--reject", rule)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_trace_is_one_line_and_a_torn_one_is_read(run, tmp_path, refused):
    copy = shutil.copytree(run, tmp_path / "copy")
    whole = (copy / "spans.jsonl").read_text()
    (copy / "spans.jsonl").write_text(whole[: len(whole) // 2])
    assert len(flat(read_trace(copy))) < len(flat(read_trace(run)))
    (copy / "spans.jsonl").write_text("{}\n" + whole)
    assert "line 1" in refused("trace", copy)
    (copy / "spans.jsonl").unlink()
    assert "no trace" in refused("trace", copy)


def test_prompts_and_results_can_be_kept_out(data, tmp_path, ape, monkeypatch):
    monkeypatch.setenv("OPENINFERENCE_HIDE_INPUTS", "true")
    monkeypatch.setenv("OPENINFERENCE_HIDE_OUTPUTS", "true")
    assert ape("mine", data, "--out", tmp_path / "run").code == 0
    spans = flat(read_trace(tmp_path / "run"))
    assert {span.sent for span in spans} | {span.said for span in spans} <= {"", REDACTED}
    assert not read_trace(tmp_path / "run")[0].failed


def test_a_trace_that_cannot_be_written_or_sent_fails_no_run(data, tmp_path, ape, run, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    out = tmp_path / "run"
    monkeypatch.setattr("ape.runs.tracing.SPANS", "no/such/folder")
    outcome = ape("mine", data, "--out", out)
    assert outcome.code == 0 and (out / "bank.json").is_file()
    assert caplog.text.count("goes on without a trace") == 1
