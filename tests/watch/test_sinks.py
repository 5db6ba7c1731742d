"""Sinks: a file gets each line once wherever a write was cut; a webhook tries again, and keeps what is refused."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from watch_records import record

from ape.core.errors import InputError
from ape.watch.sinks import File, StandardOutput, Webhook, text_of
from ape.watch.store import Line, Store


def lines_of(count):
    return [
        Line(n, f"pump-{n}", 0, json.dumps({"id": f"pump-{n}", "text": "°é"}, ensure_ascii=False), 0)
        for n in range(count)
    ]


def content_of(lines):
    return "".join(f"{line.body}\n" for line in lines).encode()


def test_file_has_each_line_once_wherever_a_write_was_cut(tmp_path):
    before, lines = lines_of(2), lines_of(5)[2:]
    earlier, whole = content_of(before), content_of(before + lines)
    for size in range(len(earlier), len(whole) + 1):
        path = tmp_path / f"{size}.jsonl"
        path.write_bytes(whole[:size])
        File(path).write(lines)
        assert path.read_bytes() == whole, size


def test_long_lines_are_found_again(tmp_path):
    path = tmp_path / "events.jsonl"
    lines = [Line(n, f"pump-{n}", 0, json.dumps({"id": n, "text": "x" * 200_000}), 0) for n in range(3)]
    for size in (len(content_of(lines)), len(content_of(lines)) - 7, len(content_of(lines[:2]))):
        path.write_bytes(content_of(lines)[:size])
        File(path).write(lines)
        assert path.read_bytes() == content_of(lines)


def test_file_keeps_what_something_else_wrote(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"title\nwithout an end")
    File(path).write(lines_of(2))
    assert path.read_bytes() == b"title\nwithout an end\n" + content_of(lines_of(2))


def test_file_may_be_rotated(tmp_path):
    path = tmp_path / "new" / "events.jsonl"
    sink = File(path)
    sink.write(lines_of(1))
    path.rename(tmp_path / "old.jsonl")
    sink.write(lines_of(2)[1:])
    assert path.read_bytes() == content_of(lines_of(2)[1:])


def test_standard_output_is_passed_on_at_once(capsys):
    StandardOutput().write(lines_of(2))
    assert capsys.readouterr().out == content_of(lines_of(2)).decode()


class Receiver(ThreadingHTTPServer):
    """Answers with the codes that it is given, then with 200; keeps what it got."""

    def __init__(self, codes=()):
        self.codes, self.got, self.location = list(codes), [], ""
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/secret-token"

    def accepted(self):
        return [key for key, _, code in self.got if code == 200]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.server.codes.pop(0) if self.server.codes else 200
        self.server.got.append((self.headers["Idempotency-Key"], body, code))
        self.send_response(code)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def sending(tmp_path):
    """A function that sends records to a receiver, and the file of dead letters."""
    path, dead, said, counts, open_ones = tmp_path / "w.sqlite", tmp_path / "w.dead.jsonl", [], [], []

    def send(url, records=(), *, start=True):
        with Store(path) as store:
            store.register("webhook")
            store.add_records(records)
        hook = Webhook(url, path, dead, said.append, counts.append, first_wait=0.02)
        if start:
            hook.start()
            open_ones.append(hook)
        return hook

    send.path, send.dead, send.said, send.counts = path, dead, said, counts
    yield send
    for hook in open_ones:
        hook.close()


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def waiting(send):
    with Store(send.path) as store:
        return store.waiting("webhook")


def test_webhook_sends_in_order_with_a_key_and_a_text(sending):
    receiver = Receiver()
    sending(receiver.url, [record("pump-7", 0), record("pump-7", 1, "close")])
    wait_for(lambda: not waiting(sending))
    assert receiver.accepted() == ["pump-7-0", "pump-7-1"]
    body = receiver.got[0][1]
    assert body["id"] == "pump-7" and body["text"].startswith("anomaly since") and "65 °C" in body["text"]


def test_webhook_tries_again_with_the_same_key(sending):
    receiver = Receiver([503, 429, 500])
    sending(receiver.url, [record("pump-7", 0), record("pump-8", 0)])
    wait_for(lambda: not waiting(sending))
    assert [key for key, _, _ in receiver.got] == ["pump-7-0"] * 4 + ["pump-8-0"]
    assert sending.counts == ["failed"] * 3 + ["delivered"] * 2
    assert not sending.dead.exists() and "secret" not in " ".join(sending.said)


def test_webhook_wakes_for_new_records(sending):
    receiver = Receiver()
    hook = sending(receiver.url)
    with Store(sending.path) as store:
        store.add_records([record("pump-7", 0)])
    hook.wake()
    wait_for(lambda: receiver.accepted() == ["pump-7-0"])


def test_what_is_refused_goes_to_the_dead_letters(sending):
    receiver = Receiver([410])
    sending(receiver.url, [record("pump-7", 0), record("pump-8", 0)])
    wait_for(lambda: not waiting(sending))
    (letter,) = [json.loads(line) for line in sending.dead.read_text().splitlines()]
    assert letter["record"]["id"] == "pump-7" and letter["failed"] == "127.0.0.1 answers 410"
    assert receiver.accepted() == ["pump-8-0"] and sending.counts == ["dead", "delivered"]


def test_an_old_record_that_nobody_takes_goes_to_the_dead_letters(sending, monkeypatch):
    monkeypatch.setattr("ape.watch.sinks.GIVES_UP", -1.0)
    receiver = Receiver()
    receiver.shutdown()
    receiver.server_close()  # nothing answers at this port
    sending(receiver.url, [record("pump-7", 0)])
    wait_for(lambda: not waiting(sending))
    assert json.loads(sending.dead.read_text())["failed"] == "127.0.0.1: ConnectError"


def test_what_is_not_sent_when_the_watch_ends_is_sent_at_the_next_start(sending):
    receiver = Receiver([503] * 1000)
    hook = sending(receiver.url, [record("pump-7", 0)])
    wait_for(lambda: len(receiver.got) > 1)
    begin = time.monotonic()
    hook.close()
    assert time.monotonic() - begin < 2 and waiting(sending) == 1 and not sending.dead.exists()
    receiver.codes.clear()
    sending(receiver.url)
    wait_for(lambda: receiver.accepted() == ["pump-7-0"])


NO_URLS = [
    "example.org/hook",
    "ftp://example.org",
    "https://",
    "http://[",
    "http://a:b",
    "",
    "http://a b",
    "http://a/b c",
]
NO_URLS += [
    "http:/a",
    "http:a",
    "http://a\n",
    " http://a",
    "http://a:0",
    "http://a:99999",
    "http://:80",
    "http://a\0",
    "http://?a",
]


@pytest.mark.parametrize(
    "url", ["http://a", "http://a_b:8080/x", "https://user:word@example.org/x?y=z", "http://[::1]:80"]
)
def test_what_is_a_url_is_taken(sending, url):
    assert sending(url, start=False).url == url


def test_a_redirect_is_not_followed(sending):
    other, receiver = Receiver(), Receiver([307])
    receiver.location = other.url
    sending(receiver.url, [record("pump-7", 0)])
    wait_for(lambda: not waiting(sending))
    assert other.got == [] and "127.0.0.1 answers 307 (a redirect, which is not followed)" in " ".join(sending.said)
    assert json.loads(sending.dead.read_text())["record"]["id"] == "pump-7"


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_refused(sending, url):
    with pytest.raises(InputError, match="not the address of a webhook"):
        sending(url, start=False)


def test_text_says_when_and_why():
    said = {
        "id": "pump-7",
        "state": "close",
        "start": 7,
        "start_time": "10:00",
        "end_time": "10:09",
        "reason": "a level",
    }
    assert text_of(said) == "anomaly over, from 10:00 to 10:09: a level [pump-7]"
    assert text_of({"id": "pump-7", "state": "open", "start": 7}) == "anomaly since row 7 [pump-7]"
    seems_over = {**said, "state": "grow", "ongoing": False}
    assert text_of(seems_over) == "anomaly seems over, from 10:00 to 10:09: a level [pump-7]"
    assert text_of({**said, "state": "grow", "ongoing": True}) == "anomaly goes on, since 10:00: a level [pump-7]"
    drift = {**said, "id": "pump-drift-9", "state": "drift", "reason": "the data have moved away"}
    assert text_of(drift) == "the data have moved away [pump-drift-9]"
