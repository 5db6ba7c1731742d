"""What is refused before a request reaches the service."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from ape.api import app as app_module
from ape.api import guard

TOKEN = "a-token-of-the-test"
SCORE = "/detectors/pump/score"
CSV = {"content-type": "text/csv"}


@pytest.fixture(scope="module")
def secured(client_of):
    return client_of(token=TOKEN)


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, "Bearer \xe4"]
)
@pytest.mark.parametrize("path", ["/detectors", "/metrics", "/nothing"])
def test_without_the_token_nothing_is_revealed(secured, given, path):
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    answer = secured.get(path, headers=headers)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.json()) == {"what", "where", "hint"} and TOKEN not in answer.text


def test_with_the_token_the_service_answers(secured):
    assert secured.get("/detectors", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("path", guard.OPEN)
def test_health_and_the_documentation_need_no_token(secured, path):
    assert secured.get(path).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8400", "", "localhost@evil.example", "[::2]:80"]
)
def test_other_hosts_are_refused(client, host):
    answer = client.get("/health", headers={"host": host})
    assert answer.status_code == 421 and "--allow-host" in answer.json()["hint"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:8401", "http://localhost", "http://[", "file://"]
)
def test_pages_of_other_origins_are_refused(client, secured, origin):
    for path, method in (("/detectors", "get"), (SCORE, "post"), ("/health", "get")):
        answer = client.request(method, path, headers={"origin": origin, **CSV})
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    token = {"authorization": f"Bearer {TOKEN}"}
    assert secured.get("/detectors", headers={"origin": origin, **token}).status_code == 403


def test_own_origin_and_what_other_sites_may_not_embed(client, client_of):
    assert client.get("/detectors", headers={"origin": "http://127.0.0.1"}).status_code == 200
    assert client.get("/detectors", headers={"sec-fetch-site": "same-site"}).status_code == 403
    assert client.get("/health", headers={"x-forwarded-host": "evil.example"}).status_code == 421
    proxied = client_of(hosts=("127.0.0.1", "ape.example.com"))
    assert proxied.get("/detectors", headers={"origin": "https://ape.example.com"}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8400", "127.0.0.1:1", "[::1]:8400", "[::1]"])
def test_names_of_this_machine_are_not(client, host):
    assert client.get("/health", headers={"host": host}).status_code == 200


def test_without_names_any_host_may_ask(client_of):
    assert client_of(hosts=()).get("/health", headers={"host": "ape:8400"}).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_is_refused_while_it_arrives(client, monkeypatch, announced):
    monkeypatch.setattr(guard, "MAX_BODY", 2**20)
    taken = 0

    def pieces():
        nonlocal taken
        for _ in range(64):
            taken += 2**16
            yield b"1" * 2**16

    body = b"1" * 2**22 if announced else pieces()
    answer = client.post(SCORE, content=body, headers=CSV)
    assert answer.status_code == 413 and answer.json()["what"] == "more than 1 MiB"


def test_a_body_that_does_not_arrive_is_refused(monkeypatch):
    monkeypatch.setattr(guard, "LONGEST_BODY", 0.05)
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    async def app(*_):
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": SCORE, "headers": [(b"host", b"localhost")]}
    anyio.run(guard.Guard(app, None, ()), scope, receive, send)
    assert sent[0]["status"] == 408


def test_a_client_that_goes_away_leaves_nothing():
    async def receive():
        return {"type": "http.disconnect"}

    async def app(*_):
        raise AssertionError

    made = guard.Guard(app, None, ())
    scope = {"type": "http", "method": "POST", "path": SCORE, "headers": []}
    for _ in range(guard.MOST_AT_ONCE + 1):
        anyio.run(made, scope, receive, None)


def test_slow_requests_block_neither_health_nor_the_machine(client_of, monkeypatch):
    """Two are scored, one waits, more are refused; health answers meanwhile."""
    monkeypatch.setattr(guard, "MOST_AT_ONCE", 3)
    release, running = threading.Event(), threading.Semaphore(0)

    def slow(*_):
        running.release()
        release.wait(30)
        raise app_module.InputError("done", "body", "none")

    monkeypatch.setattr(app_module, "scored", slow)
    with client_of(threads=2) as client, ThreadPoolExecutor(3) as pool:
        body = {"rows": [{"load": 1.0 * n} for n in range(50)]}
        waiting = [pool.submit(client.post, SCORE, json=body) for _ in range(3)]
        assert running.acquire(timeout=30) and running.acquire(timeout=30)
        time.sleep(0.3)
        assert not running.acquire(blocking=False)
        assert client.get("/health").status_code == 200
        refused = client.post(SCORE, json=body)
        release.set()
        assert [each.result().status_code for each in waiting] == [422] * 3
    assert refused.status_code == 503 and refused.headers["retry-after"] == "1"
