"""What the page refuses before Gradio gets it; the browser tests of ``test_page`` have the rest."""

from __future__ import annotations

import hmac
import json

import pytest

pytest.importorskip("gradio")
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ape.api.guard import LOOPBACK_NAMES
from ape.cli.conversations import may_show
from ape.cli.page_guard import FILE, PageGuard
from ape.cli.serve import guarded_page
from ape.runs.folder import Request

TOKEN, PORT, ORIGIN = "a-token-of-the-guard-test", 7860, "http://127.0.0.1:7860"
BEARER = {"authorization": f"Bearer {TOKEN}"}
KEY = hmac.new(TOKEN.encode(), f"ape-{PORT}".encode(), "sha256").hexdigest()
COOKIE = {"cookie": f"ape-{PORT}={KEY}"}
CALLS = [("GET", "/"), ("GET", "/config"), ("POST", "/gradio_api/upload"), ("POST", "/gradio_api/queue/join")]


def client_of(app, root, hosts=LOOPBACK_NAMES) -> TestClient:
    guard = PageGuard(app, token=TOKEN, hosts=hosts, port=PORT, may_show=lambda path: may_show(root, path))
    return TestClient(guard, ORIGIN, follow_redirects=False)


async def everything(_request):
    return PlainTextResponse("SECRET")


async def socket(_socket):
    raise AssertionError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a run, other files, and links out of it."""
    root = tmp_path_factory.mktemp("served") / "chats"
    outside = root.parent / "outside"
    for name in ("pump/artefacts", "pump/enhanced", "norun", "series", ".page/upload"):
        (root / name).mkdir(parents=True)
    outside.mkdir()
    for name in ("pump/report.html", "pump/artefacts/a.png", "pump/run.json", "pump/enhanced/report.html", "pump/.env"):
        (root / name).write_text("{}")
    for name in ("norun/report.html", "norun/a.png", "series/x.csv", "private.txt", "a.png", ".page/upload/x.csv"):
        (root / name).write_text("x")
    (outside / "s.png").write_text("x")
    (root / "pump" / "link.png").symlink_to(outside / "s.png")
    (root / "pump" / "events.csv").symlink_to("/etc/passwd")
    (root / "pump" / "linked").symlink_to(outside)
    (root / "circle.png").symlink_to(root / "circle.png")
    return root


@pytest.fixture(scope="module")
def client(root):
    """A page that would answer anything."""
    routes = [
        WebSocketRoute("/{path:path}", socket),
        Route("/{path:path}", everything, methods=["GET", "POST", "OPTIONS", "HEAD", "PUT"]),
    ]
    return client_of(Starlette(routes=routes), root)


@pytest.mark.parametrize(
    ("method", "path"), [*CALLS, ("GET", "/gradio_api/heartbeat/x"), ("OPTIONS", "/"), ("GET", "/x")]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": f"ape-{PORT}="},
        {"cookie": f"ape-1={KEY}"},
        {"cookie": f"ape-{PORT}={TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
    ],
)
def test_without_the_token_nothing_is_passed_on(client, method, path, headers):
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == 401 and "SECRET" not in answer.text and "'ape serve' printed" in answer.json()["hint"]
    assert client.request(method, f"{path}?token={TOKEN[:-1]}", headers=headers).status_code == 401


def test_the_address_sets_a_cookie_and_leaves_no_trace(client):
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"]
    assert (
        cookie.startswith(f"ape-{PORT}={KEY};")
        and TOKEN not in cookie
        and "HttpOnly" in cookie
        and "SameSite=strict" in cookie
    )
    client.cookies.clear()
    for credentials in (BEARER, COOKIE):
        answer = client.get("/", headers=credentials)
        assert answer.text == "SECRET" and answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert "img-src 'self' data: blob:;" in policy and "connect-src 'self'" in policy and "http" not in policy


@pytest.mark.parametrize(
    "others", ['x={"a": [1]}; {}', "{}; ape-7860=x", "ape-7860=x; {}", 'y="; {}', "=; ;; {}", "\x7f=\xff; {}"]
)
def test_cookies_of_other_ports_do_not_lock_out(client, others):
    cookie = others.replace("{}", COOKIE["cookie"]).encode("latin-1")
    assert client.get("/", headers={"cookie": cookie}).status_code == 200


@pytest.mark.parametrize("referer", ["http://evil.example/x", "http://127.0.0.1:7861/", "http://[", "x"])
def test_pages_of_other_origins_in_browsers_that_say_it_as_referer_only(client, referer):
    for method, path in CALLS[1:]:
        assert client.request(method, path, headers={**COOKIE, "referer": referer}).status_code == 403
    assert client.get("/", headers={**COOKIE, "referer": referer}).status_code == 200  # a link
    assert client.get("/config", headers={**COOKIE, "referer": f"{ORIGIN}/"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:7860",
        "localhost.",
        "127.0.0.1.",
        "0.0.0.0:7860",
        "[::2]",
        "127.1",
        "EVIL.example",
        "",
        "localhost@evil.example",
    ],
)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_other_names_are_refused_with_the_cookie_too(client, host, method, path):
    assert client.request(method, path, headers={**COOKIE, "host": host}).status_code == 421
    assert client.request(method, path, headers={**COOKIE, "x-forwarded-host": host or "x"}).status_code == 421
    assert client.get(f"/?token={TOKEN}", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["LOCALHOST:7860", "localhost", "[::1]:7860", "127.0.0.1"])
def test_names_of_this_machine(client, host):
    assert client.get("/", headers={**COOKIE, "host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:7861",
        "http://localhost:7860",
        "http://127.0.0.1:7860.evil.example",
        "http://127.0.0.1:7860@evil.example",
        "file://",
        "http://[",
        "http://127.0.0.1:x",
        "http://localhost",
    ],
)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_pages_of_other_origins_are_refused(client, origin, method, path):
    answer = client.request(method, path, headers={**COOKIE, "origin": origin})
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


def test_own_origin_and_a_link_that_a_person_follows(client):
    assert client.post("/gradio_api/upload", headers={**COOKIE, "origin": ORIGIN}).status_code == 200
    follows = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers={**COOKIE, **follows}).status_code == 200
    for changed in ({"sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "no-cors"}, {"sec-fetch-mode": "cors"}):
        assert client.get("/", headers={**COOKIE, **follows, **changed}).status_code == 403
    assert client.post("/", headers={**COOKIE, **follows}).status_code == 403


def test_a_proxy_with_an_allowed_name(root):
    app = Starlette(routes=[Route("/{path:path}", everything, methods=["GET", "POST"])])
    client = client_of(app, root, (*LOOPBACK_NAMES, "ape.example.com"))
    for headers in ({"host": "ape.example.com"}, {"x-forwarded-host": "ape.example.com"}):
        sent = {**COOKIE, **headers, "origin": "https://ape.example.com"}
        assert client.post("/gradio_api/upload", headers=sent).status_code == 200
        sent["origin"] = "https://ape.example.com:8443"
        assert client.post("/gradio_api/upload", headers=sent).status_code == 403


def test_websockets_are_refused(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/queue/join", headers=COOKIE):
        pass


@pytest.mark.parametrize(
    "name", ["pump/report.html", "pump/artefacts/a.png", ".page/upload/x.csv", "pump/../pump/report.html"]
)
def test_results_of_runs_are_sent_and_are_no_part_of_the_page(client, root, name):
    answer = client.get(f"{FILE}{root}/{name}", headers=COOKIE)
    assert answer.text == "SECRET" and "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        *("private.txt", "a.png", "series/x.csv", "norun/report.html", "norun/a.png", "pump/run.json", "pump/.env"),
        *(
            "pump/link.png",
            "pump/events.csv",
            "pump/linked/s.png",
            "pump/enhanced/report.html",
            "circle.png",
            "pump",
            "",
        ),
        *("pump/../private.txt", "pump/..%2fprivate.txt", ".page/%2e%2e/private.txt", "pump/..%252fprivate.txt", "no"),
        *("../outside/s.png", "pump/../../outside/s.png", "private.txt%00.png", "pump/report.html/x", "x" * 5000),
    ],
)
def test_no_other_file_is_sent(client, root, name):
    assert client.get(f"{FILE}{root}/{name}", headers=COOKIE).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "etc/passwd",
        "../etc/passwd",
        "http://evil.example/x",
        "file:///etc/passwd",
        "//etc/passwd",
        "~/x",
    ],
)
def test_no_file_outside_and_no_address_is_fetched(client, name):
    assert client.get(FILE + name, headers=COOKIE).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://x",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/assets/..%2f..%2froutes.py",
        "/docs",
        "/gradio_api/run/say",
        "/gradio_api/vibe-code",
        "/monitoring",
        "/static/..%5c..%5cx",
        "//gradio_api/file=/etc/passwd",
        "/assets/" + "x" * 300,
        "/static/%00.png",
    ],
)
def test_other_paths_are_not_there(client, path):
    assert client.get(path, headers=COOKIE).status_code == 404


def test_gradio_behind_it_refuses_paths_that_were_not_uploaded(tmp_path):
    """Whoever has the token still cannot name a file of the machine as an upload."""
    (tmp_path / "private.csv").write_text("v\n1\n2\n")
    guarded = guarded_page(tmp_path, Request("chat", ""), TOKEN, PORT)
    with TestClient(guarded, ORIGIN, headers=BEARER) as client:
        assert client.get("/").status_code == 200
        config = client.get("/config").json()
        names = {each["id"]: each["type"] for each in config["components"]}
        reading = next(d for d in config["dependencies"] if d["inputs"] and names[d["inputs"][0]] == "file")
        sent = [{"path": str(tmp_path / "private.csv"), "meta": {"_type": "gradio.FileData"}}]
        sent += [None] * (len(reading["inputs"]) - 1)
        body = {"data": sent, "fn_index": reading["id"], "session_hash": "x"}
        assert client.post("/gradio_api/queue/join", json=body).status_code == 200
        with client.stream("GET", "/gradio_api/queue/data?session_hash=x") as answer:
            events = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    (done,) = [event for event in events if event["msg"] == "process_completed"]
    assert not done["success"] and not list((tmp_path / ".page").glob("*/private.csv"))
