"""The paths of the service: what they answer, and how they refuse."""

from __future__ import annotations

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ape.api import app as app_module
from ape.cli.main import main

SCORE = "/detectors/pump/score"
CSV = {"content-type": "text/csv"}


def problem(answer, status: int) -> dict[str, str]:
    """Return the problem of an answer, which is one line of JSON."""
    assert answer.status_code == status and answer.headers["content-type"] == "application/json"
    assert "\n" not in answer.text
    assert set(answer.json()) == {"what", "where", "hint"} and all(answer.json().values())
    return answer.json()


@pytest.fixture(scope="module")
def by_command(watched_run, tmp_path_factory):
    """Scores and events of ``ape score`` for the same rows."""
    out = tmp_path_factory.mktemp("scored")
    assert (
        main(["score", str(watched_run.new), "--detector", str(watched_run.folder), "--out", str(out), "--quiet"]) == 0
    )
    return pd.read_csv(out / "scores.csv")["score"].to_numpy(), json.loads((out / "events.json").read_text())["events"]


def test_a_file_gets_the_scores_and_events_of_the_command(client, watched_run, by_command):
    answer = client.post(SCORE, content=watched_run.new.read_bytes(), headers=CSV)
    assert answer.status_code == 200
    scores, events = by_command
    found = answer.json()
    np.testing.assert_allclose(found["scores"], scores, atol=1e-4)
    assert found["events"] == events and found["rows"] == 600 and len(events) == 1
    assert found["detector"] == "pump" and 0 < found["provisional"] < 600
    (event,) = events
    assert found["event"] == [int(event["start"] <= row < event["end"]) for row in range(600)]
    assert sum(found["event"]) < sum(score >= found["threshold"] for score in found["scores"])  # no alarm by itself


def test_rows_get_the_scores_of_the_file(client, watched_run, by_command):
    rows = pd.read_csv(watched_run.new).to_dict("records")
    found = client.post(SCORE, json={"rows": rows}).json()
    np.testing.assert_allclose(found["scores"], by_command[0], atol=1e-4)
    assert found["events"] == by_command[1]


def test_null_is_a_missing_value(client, watched_run):
    rows = pd.read_csv(watched_run.new)[:200].to_dict("records")
    for row in rows[100:130]:
        row["load"] = None
    found = client.post(SCORE, json={"rows": rows}).json()
    (event,) = found["events"]
    assert event["start"] <= 100 and event["end"] >= 130 and event["channels"][0]["finding"] == "missing"


def test_requests_at_the_same_time_get_what_each_gets_alone(client_of, watched_run):
    bodies = [
        watched_run.new.read_bytes(),
        *(b"\n".join(watched_run.new.read_bytes().split(b"\n")[:n]) for n in (301, 401)),
    ]
    with client_of(threads=4) as client, ThreadPoolExecutor(6) as pool:
        alone = [client.post(SCORE, content=body, headers=CSV).text for body in bodies]
        together = list(pool.map(lambda body: client.post(SCORE, content=body, headers=CSV).text, bodies * 2))
    assert together == alone * 2 and len(set(alone)) == 3


def test_detectors_are_described(client, watched_run):
    (listed,) = client.get("/detectors").json()
    assert listed == client.get("/detectors/pump").json()
    assert (listed["name"], listed["channels"], listed["step"]) == ("pump", ["load"], 60.0)
    assert listed["threshold"] == pytest.approx(watched_run.threshold.level, abs=1e-4)
    assert listed["latency"] == watched_run.detector.latency


@pytest.mark.parametrize("name", ["other", "..", "%2e%2e%2fpump", "pump%2f..%2fpump", "pump%00"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_names_are_never_paths(client, name, method):
    path = f"/detectors/{name}" + ("/score" if method == "post" else "")
    problem(client.request(method, path, headers=CSV), 404)


@pytest.mark.parametrize(
    ("body", "kind", "what", "where"),
    [
        (b"", "text/csv", "empty", "body"),
        (b"time,load\n", "text/csv", "", "body"),
        (b"time,pressure\n2026-03-01,1\n2026-03-02,2\n", "text/csv", "no channel 'load'", "body"),
        (b"\x00\xff\x13", "text/csv", "", "body"),
        (gzip.compress(b"time,load\n" + b"2026-03-01,1\n" * 9999), "text/csv", "not text", "body"),
        (b"PAR1" * 20, "text/csv", "not text", "body"),
        (b"{", "application/json", "JSON", "body"),
        (b"[]", "application/json", "", "body"),
        (b'{"rows": []}', "application/json", "at least 1", "body.rows"),
        (b'{"rows": [{"load": [1]}]}', "application/json", "", "body.rows.0.load"),
        (b'{"rows": [{"load": 1}], "more": 1}', "application/json", "Extra", "body.more"),
        (b'{"rows": [{"load": 1}, {"load": 2}]}', "application/json", "fewer than a window", "body"),
        (b'{"rows": [{"load": NaN}]}', "application/json", "", "body.rows.0.load"),
        (b'{"rows": [{"load": 1e999}]}', "application/json", "", "body.rows.0.load"),
        (b'{"rows": [{"load": ' + b"9" * 40 + b"}]}", "application/json", "", ""),
        (b'{"rows": [{"load": ' + b"9" * 10_000 + b"}]}", "application/json", "out of range", "body"),
        (b'{"rows": [{"load": ' + b"9" * 400 + b"}]}", "application/json", "more than 64 bits", "body.rows.0.load"),
        (b"[" * 100_000, "application/json", "recursion", "body"),
        (b'{"rows": [{}]}', "application/json", "", "body"),
        (b'{"rows": [{"flow": 1}, {"flow": 2}]}', "application/json", "does not know 'flow'", "body"),
        (b'{"rows": [{"load": 1, "flow": 1}, {"load": 2, "flow": 3}]}', "application/json", "not know 'flow'", "body"),
        (b"load,flow\n1,1\n2,3\n", "text/csv", "does not know 'flow'", "body"),
    ],
)
def test_bodies_that_cannot_be_used(client, body, kind, what, where):
    found = problem(client.post(SCORE, content=body, headers={"content-type": kind}), 422)
    assert what in found["what"] and found["where"].startswith(where) and "/tmp" not in json.dumps(found)


@pytest.mark.parametrize("value", [1e308, -1e308, 1e39, 1e-320])
def test_huge_and_tiny_numbers_are_values(client, watched_run, value):
    rows = pd.read_csv(watched_run.new)[:150].to_dict("records")
    rows[70]["load"] = value
    found = client.post(SCORE, json={"rows": rows}).json()
    assert len(found["scores"]) == 150 and found["events"] and any("far outside" in note for note in found["notes"])


def test_other_types_paths_and_methods(client):
    assert "application/json or text/csv" in problem(client.post(SCORE, content=b"x"), 415)["hint"]
    problem(client.get("/nothing"), 404)
    problem(client.get(SCORE), 405)


def test_a_failure_is_one_line_without_its_cause(client, monkeypatch):
    monkeypatch.setattr(app_module, "scored", lambda *_: 1 / 0)
    found = problem(client.post(SCORE, json={"rows": [{"load": 1}]}), 500)
    assert "division" not in json.dumps(found)


def test_metrics_count_rows_events_and_refusals(client_of, watched_run):
    client = client_of()
    client.post(SCORE, content=watched_run.new.read_bytes(), headers=CSV)
    client.get("/nothing")
    client.get("/health", headers={"host": "evil.example"})
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}
    assert samples["ape_api_rows_total", "pump"] == 600 and samples["ape_api_events_total", "pump"] == 1
    assert samples["ape_api_requests_total", "/detectors/{name}/score", "200"] == 1
    assert samples["ape_api_requests_total", "404", "other"] == samples["ape_api_requests_total", "421", "other"] == 1
    assert samples["ape_api_seconds_count", "/detectors/{name}/score"] == 1 and samples["ape_api_busy",] == 0


def test_openapi_has_all_paths_and_the_page_loads_nothing(client):
    document = client.get("/openapi.json").json()
    score = document["paths"]["/detectors/{name}/score"]["post"]
    assert set(document["paths"]) >= {"/health", "/metrics", "/detectors", "/detectors/{name}/streams/{stream}"}
    assert set(score["requestBody"]["content"]) == {"application/json", "text/csv"}
    page = client.get("/docs")
    assert all(path in page.text for path in document["paths"]) and "://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_example_of_the_page_is_valid(client):
    content = client.get("/openapi.json").json()["paths"]["/detectors/{name}/score"]["post"]["requestBody"]["content"]
    rows = content["application/json"]["schema"]["properties"]["rows"]["examples"][0]
    frame = pd.read_csv(io.StringIO(content["text/csv"]["example"]))
    assert rows == frame.to_dict("records")
