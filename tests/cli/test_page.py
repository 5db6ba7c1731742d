"""``ape serve`` in a browser: upload, conversation, cards, reload, restart, second tab, and hostile names."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from processes import start
from support import wait_for

from ape.core.locks import locked

HTML_NAME = "<img src=x onerror=alert(1)>"
TOKEN = "a-token-of-the-page-test"
TIMEOUT = 180_000  # milliseconds; a mining on a busy machine takes some minutes

pytestmark = pytest.mark.browser
pytest.importorskip("gradio")


class Server:
    def __init__(self, root):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.root, self.origin = root, f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/?token={TOKEN}"
        self.headers = {"Authorization": f"Bearer {TOKEN}"}
        self.secret = root.parent / "token"
        self.secret.write_text(TOKEN)
        self.start()

    def start(self):
        self.process = start(
            ["serve", "--out", self.root, "--port", self.port, "--token-file", self.secret], os.devnull
        )
        ends = time.monotonic() + 90
        while time.monotonic() < ends:
            try:
                if httpx.get(self.origin, headers=self.headers, timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.3)
        pytest.fail("the page did not start")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("chats"))
    yield running
    running.kill()


@pytest.fixture
def tab(browser, server):
    """A page of the browser; the test fails if it requests another host or opens a dialog."""
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    unexpected: list[str] = []
    page = context.new_page()
    allowed = (f"{server.origin}/", "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(allowed) else unexpected.append(request.url))
    page.on("requestfailed", lambda request: request.failure == "csp" and unexpected.remove(request.url))
    page.on("dialog", lambda dialog: (unexpected.append(dialog.message), dialog.dismiss()))
    page.set_default_timeout(TIMEOUT)
    page.goto(server.url)
    page.wait_for_selector("#message textarea:enabled, #message input:enabled")  # the page is loaded
    yield page
    context.close()
    assert unexpected == []


def begin(tab, path, text="", opens=True):
    start = tab.get_by_role("button", name="start", exact=True)
    if not start.is_visible():
        tab.get_by_role("button", name="new conversation").click()
    tab.set_input_files("input[type=file]", path)
    tab.locator(".file-preview").filter(has_text=path.stem).wait_for()
    tab.get_by_label("what is known about").fill(text)
    start.click()
    if opens:
        wait_until_open(tab, path.stem)


def wait_until_open(tab, name):
    wait_for(tab, f"[...document.querySelectorAll('input')].some(input => input.value == '{name}')")


def say(tab, words, answer):
    tab.locator("#message textarea, #message input").first.fill(words)
    tab.get_by_role("button", name="send").click()
    tab.get_by_text(answer).last.wait_for()


@pytest.fixture(scope="module")
def pump(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pump_7.csv"
    rows = np.sin(np.arange(900) / 4) + 0.05 * np.random.default_rng(0).normal(size=900)
    path.write_text("\n".join(["flow", *(f"{value:.4f}" for value in rows)]))
    return path


@pytest.mark.extended
def test_rules_on_cards_survive_a_reload_and_a_restart(tab, server, pump):
    begin(tab, pump, "The sensor may freeze.")
    say(tab, "what does the series do?", "900 points of flow")
    tab.locator("img[src*='gradio_api/file']").first.wait_for()
    assert not any(tab.get_by_label(name, exact=True).first.is_visible() for name in ("Share", "Clear"))
    say(tab, "mine", "Mine the series for rules")
    tab.get_by_role("button", name="yes, do it").click()
    tab.locator("img[alt='examples of reading-stuck']").wait_for()
    cards = tab.locator("img[alt^='examples of']").count()
    assert cards >= 3
    tab.get_by_role("button", name="drop", exact=True).first.click()
    tab.get_by_text("brings it back").last.wait_for()
    left = f"document.querySelectorAll(\"img[alt^='examples of']\").length == {cards - 1}"
    wait_for(tab, left)
    tab.reload()
    tab.get_by_text("brings it back").last.wait_for()
    server.kill()
    server.start()
    restarted = tab.context.new_page()  # the old page reloads by itself when its server is back
    restarted.goto(server.url)
    restarted.get_by_text("brings it back").last.wait_for(timeout=TIMEOUT)
    wait_for(restarted, left)


@pytest.fixture
def latest(server, finished):
    """The finished run as the latest conversation, which a page opens that has opened none before."""
    folder = shutil.copytree(finished.folder, server.root / "finished")
    later = time.time() + 3600
    os.utime(folder, (later, later))


@pytest.mark.extended
def test_events_of_a_run_are_shown_in_the_conversation_and_beside_it(latest, tab):
    wait_until_open(tab, "finished")
    say(tab, "where is it anomalous?", "The threshold is a score of")
    tab.get_by_role("tab", name="events", exact=True).click()
    said = tab.get_by_text("The threshold is a score of")
    said.nth(1).wait_for()
    assert said.count() == 2 and said.first.inner_text() == said.last.inner_text()
    assert tab.get_by_text("false alarms in normal data: 1 in a time as long as the training part").count() == 2
    results = tab.locator(".results")
    results.get_by_text("report").last.wait_for()
    assert not results.get_by_label("Remove this file").first.is_visible()


@pytest.mark.extended
def test_second_tab_is_equal_and_a_double_click_sends_once(tab, server, tmp_path, pump):
    path = tmp_path / "double.csv"
    path.write_text(pump.read_text())
    begin(tab, path)
    tab.locator("#message textarea, #message input").first.fill("help")
    tab.get_by_role("button", name="send").dblclick()
    tab.get_by_text("In your own words").last.wait_for()
    other = tab.context.new_page()
    other.goto(server.url)
    other.get_by_text("In your own words").last.wait_for(timeout=TIMEOUT)
    assert tab.get_by_text("In your own words").count() == other.get_by_text("In your own words").count() == 1


@pytest.mark.extended
def test_the_form_offers_the_channels_of_the_file_then_closes_and_empties(tab, server, tmp_path):
    path = tmp_path / "two.csv"
    rows = np.sin(np.arange(600)[:, None] / (4, 7))
    path.write_text("\n".join(["flow,level", *(f"{flow:.4f},{level:.4f}" for flow, level in rows)]))
    start = tab.get_by_role("button", name="start", exact=True)
    if not start.is_visible():
        tab.get_by_role("button", name="new conversation").click()
    tab.set_input_files("input[type=file]", path)
    wait_for(tab, "[...document.querySelectorAll('textarea')].some(each => each.value.includes('600 points'))")
    tab.get_by_label("channels to use").click()
    tab.get_by_role("option", name="level").click()
    tab.keyboard.press("Escape")
    tab.get_by_label("what is known about").fill("It sticks.")
    start.click()
    wait_until_open(tab, "two")
    start.wait_for(state="hidden")
    assert json.loads((server.root / "two" / "run.json").read_text())["arguments"]["column"] == ["level"]
    tab.get_by_role("button", name="new conversation").click()
    start.wait_for()
    assert tab.get_by_label("what is known about").input_value() == ""
    assert tab.get_by_text("two.csv").count() == 0


@pytest.mark.extended
def test_what_is_typed_while_the_page_loads_is_sent(tab, server, tmp_path, pump):
    path = tmp_path / "early.csv"
    path.write_text(pump.read_text())
    begin(tab, path)
    early = tab.context.new_page()
    early.goto(server.url, wait_until="commit")
    say(early, "help", "In your own words")  # the box opens when the conversation is open
    early.locator("#message textarea[placeholder='Message'], #message input[placeholder='Message']").wait_for()


@pytest.mark.extended
def test_messages_sent_while_it_works_wait_and_are_answered(tab, server, tmp_path, pump):
    path = tmp_path / "busy.csv"
    path.write_text(pump.read_text())
    begin(tab, path)
    with locked(server.root / "busy"):  # a turn of another tab
        say(tab, "what is its period?", "Waits until the last request is done: what is its period?")
        say(tab, "help", "Waits until the last request is done: what is its period?; help")
        tab.locator("#message textarea, #message input").first.fill("half a li")
    tab.get_by_text("In your own words").last.wait_for()
    tab.get_by_text("repeats every").last.wait_for()
    assert tab.locator("#message textarea, #message input").first.input_value() == "half a li"
    tab.locator("#waiting").get_by_text("Waits").wait_for(state="hidden")
    say(tab, "mine", "Mine the series for rules")
    say(tab, "go", "First answer the question")
    assert tab.locator("#message textarea, #message input").first.input_value() == "go"
    tab.get_by_role("button", name="no", exact=True).click()
    tab.get_by_text("Cancelled").last.wait_for()
    tab.get_by_role("button", name="no", exact=True).wait_for(state="hidden")


@pytest.mark.extended
def test_a_conversation_without_its_data_is_one_line(tab, server, tmp_path, pump):
    path = tmp_path / "lost.csv"
    path.write_text(pump.read_text())
    begin(tab, path)
    (server.root / "series" / "lost.csv").unlink()
    server.kill()
    server.start()
    tab.reload()
    tab.locator("#notice").get_by_text("lost.csv").wait_for()
    shutil.rmtree(server.root / "lost")


@pytest.mark.extended
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("words.csv", "a,b\nx,y\n", "no column of numbers"),
        ("empty.csv", "", "empty"),
        ("short.csv", "v\n1\n2\n", "short"),
    ],
)
def test_unusable_file_is_refused_in_one_line_and_not_stored(tab, server, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    before = sorted(server.root.iterdir())
    begin(tab, path, opens=False)
    tab.locator("#notice").get_by_text(message).wait_for()
    assert [each for each in sorted(server.root.iterdir()) if each.name != "series"] == [
        each for each in before if each.name != "series"
    ]


@pytest.mark.extended
def test_html_and_pictures_in_names_and_words_are_shown_and_load_nothing(tab, server, tmp_path):
    """The fixture fails if another host is asked; the policy stops what a change of the escaping would let through."""
    picture = f"http://localhost:{server.port + 1}/x.png"
    hostile = f"![a]({picture}) {HTML_NAME} <style>@import url({picture})</style> [b](javascript:alert(1))"
    rows = "\n".join(f"{np.sin(k / 4):.4f}" for k in range(600))
    path = tmp_path / "hostile.csv"
    path.write_text(f'"{hostile}"\n{rows}\n')
    begin(tab, path, hostile)
    say(tab, "what does the series do?", "600 points of")
    say(tab, f"![word]({picture})", "![word]")
    assert tab.get_by_text("<img src=x").count() >= 1 and tab.locator("img[src='x']").count() == 0
    assert tab.get_by_text(f"![a]({picture})").count() >= 1 and tab.locator("a[href^='javascript:']").count() == 0
    assert tab.locator("img[src^='http://localhost']").count() == 0  # not even stopped by the policy
    refused = tab.evaluate(
        """address => new Promise(done => {
            document.addEventListener("securitypolicyviolation", event => done(event.violatedDirective));
            document.body.appendChild(Object.assign(new Image(), {src: address}));
        })""",
        picture,
    )
    assert refused == "img-src"


@pytest.mark.extended
def test_a_page_of_another_port_gets_nothing(browser, server, tmp_path):
    """A browser with the cookie opens a page of another port of this machine."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "index.html").write_text("<p>other")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other, browser.new_context() as context:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page = context.new_page()
        page.goto(server.url)
        assert page.url == f"{server.origin}/"  # the token is not in the history
        page.goto(f"http://127.0.0.1:{other.server_port}/")
        got = page.evaluate(
            """async origin => {
                const send = (path, options) => fetch(origin + path, {credentials: "include", ...options})
                    .then(answer => answer.type, () => "failed");
                return [await send("/config", {}), await send("/config", {mode: "no-cors"}),
                    await send("/gradio_api/upload", {method: "POST", mode: "no-cors", body: new FormData()})];
            }""",
            server.origin,
        )
        other.shutdown()
    assert got == ["failed"] * 3  # refused, and no other origin may read even the refusal


def test_server_listens_on_loopback_and_refuses_large_files(server):
    listening = (line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line)
    own = [address for address in listening if address.endswith(f":{server.port:04X}")]
    assert own == [f"0100007F:{server.port:04X}"]
    huge = httpx.post(
        f"{server.origin}/gradio_api/upload",
        files={"files": ("huge.csv", b"0\n" * 105_000_000)},
        headers=server.headers,
        timeout=60,
    )
    assert huge.status_code == 413
