"""What a model server may send instead of a reply or of its list of models: tables of what `odd_server` sends.

`REPLIES` has the faults of ``/chat/completions`` and `MODELS` those of ``/models``, by name.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

from odd_server import (
    DEEP,
    HUGE,
    MODEL,
    SECRET,
    TOOL,
    Send,
    body,
    call,
    calling,
    choosing,
    completion,
    compressed,
    delta,
    dripping,
    echoing,
    endless,
    events,
    hanging,
    raw,
    redirecting,
    say,
    send_models,
    spent,
    text_with,
    wire,
)

HI = {"role": "assistant", "content": "hi"}
GOOD = json.dumps(completion(HI)).encode()

# A reply that can be used as it is.
READABLE: dict[str, Send] = {
    "dict-args": calling(call({"first_line": 1})),
    "list-args": calling(call('["value"]')),
    "nan-args": calling(call('{"channel": "value", "start": NaN}')),
    "nan-args-as-object": text_with('"arguments": "{}"', '"arguments": {"start": NaN, "end": 1e400}',
                                    {"role": "assistant", "content": None, "tool_calls": [call("{}")]}),
    "huge-int-args": calling(call({"first_line": 10**30})),
    "text-args": calling(call("the first line, please")),
    "deep-args": calling(call('{"a":' * DEEP + "1" + "}" * DEEP)),
    "deep-list-args": calling(call("[" * DEEP)),
    "rather-deep-args": calling(call('{"a":' * 400 + "1" + "}" * 400)),
    "rather-deep-args-as-object": calling(call(json.loads('{"a":' * 300 + "1" + "}" * 300))),
    "number-args": calling(call(5)),
    "null-args": calling(call(None)),
    "surrogate-args": calling(call('{"a": "\\ud800"}')),
    "null-id": calling(call(id=None)),
    "no-id": calling(TOOL),
    "number-id": calling(call(id=7)),
    "same-ids": calling(call(), call()),
    "long-id": calling(call(id="x" * 10**6)),
    "null-name": calling(call(function={"name": None, "arguments": "{}"}), call()),
    "list-name": calling(call(function={"name": ["read_text"], "arguments": "{}"}), call()),
    "surrogate-name": calling(call(function={"name": "read\ud800", "arguments": "{}"})),
    "long-name": calling(call(function={"name": "r" * 10**6, "arguments": "{}"})),
    "null-call": calling(None, call()),
    "text-calls": body(completion({"role": "assistant", "content": "hi", "tool_calls": "read_text"})),
    "20000-calls": calling(*[call(json.dumps({"first_line": n}), id=f"c{n}") for n in range(20_000)]),
    "negative-tokens": spent(prompt_tokens=-5, completion_tokens=-1, total_tokens=-6),
    "infinite-tokens": raw(GOOD.replace(b'"prompt_tokens": 1', b'"prompt_tokens": 1e400')),
    "nan-tokens": raw(GOOD.replace(b'"prompt_tokens": 1', b'"prompt_tokens": NaN')),
    "text-tokens": spent(prompt_tokens="many", completion_tokens=None, total_tokens=[1]),
    "huge-tokens": spent(prompt_tokens=10**400, completion_tokens=2**70, total_tokens=10**18),
    "list-usage": say("hi", usage=[1]),
    "odd-details": spent(prompt_tokens=1, completion_tokens=1, total_tokens=2, prompt_tokens_details=[1]),
    "null-finish": choosing(message=HI, finish_reason=None),
    "object-finish": choosing(message=HI, finish_reason={"type": "stop"}),
    "list-finish": choosing(message=HI, finish_reason=["length"]),
    "unknown-finish": choosing(message=HI, finish_reason="x" * 10**5),
    "odd-logprobs": choosing(message=HI, logprobs={"content": [1]}),
    "odd-model": say("hi", model=["m"], id={"a": 1}, service_tier=[1], system_fingerprint={"b": 1}),
    "text-plain": raw(GOOD, kind="text/plain"),
    "no-content-type": wire(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD),
    "utf-16": raw(json.dumps(completion(HI)).encode("utf-16"), kind="application/json; charset=utf-16"),
    "bom": raw(b"\xef\xbb\xbf" + GOOD),
    "gzip": compressed(gzip.compress(GOOD)),
    "not-asked-stream": events(delta("h"), delta("i", "stop")),
    "continue-first": wire(b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + b"HTTP/1.1 103 Early Hints\r\n\r\n"
                           b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                           % len(GOOD) + GOOD),
    "null-character": say("h\x00i"),
    "error-null": say("hi", error=None),
    "content-as-number": say(7),
    "content-as-parts": say([{"type": "text", "text": "hi"}, None, 5, [1]]),
    "same-redirect": lambda sender: (GOOD_AT_SLASH if sender.path.endswith("/") else redirecting(sender.path + "/"))(
        sender
    ),
}  # fmt: skip
GOOD_AT_SLASH = raw(GOOD)

# Nothing to use; the next attempt may bring a reply.
UNUSABLE: dict[str, Send] = {
    "broken-json": raw(GOOD[:-20]),
    "text": raw(b"hello there", kind="text/plain"),
    "text-as-json": raw(b"hello there"),
    "null": raw(b"null"),
    "true": raw(b"true"),
    "number": raw(b"1" * 5000),
    "list": raw(b"[]"),
    "object": raw(b"{}"),
    "other-object": body({"detail": "Not Found", "status": "ok"}),
    "list-of-replies": raw(b"[" + GOOD + b"]"),
    "deep-json": raw(b"[" * DEEP + b"]" * DEEP),
    "deep-object": raw(b'{"choices":' * DEEP),
    "error-200": body({"error": {"message": "upstream overloaded", "code": 503}}),
    "error-text-200": body({"error": "no GPU is free"}),
    "error-list-200": body({"error": [{"message": "bad"}]}),
    "error-number-200": body({"error": 1e300}),
    "error-deep-200": body({"error": json.loads("[" * 300 + "]" * 300)}),
    "detail-error-200": body({"object": "error", "message": "the engine died", "code": 500}),
    "html-200": raw(b"<html>Please log in</html>", kind="text/html"),
    "html-502": raw(b"<html>Bad gateway</html>", kind="text/html", status=502),
    "html-404": raw(b"<html>Not here</html>", kind="text/html", status=404),
    "empty-200": raw(b""),
    "no-content-204": wire(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "status-304": wire(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "status-101": wire(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
    "status-299": raw(b"whatever", status=299, kind="text/plain"),
    "status-418": raw(b"teapot", status=418, kind="text/plain"),
    "status-999": wire(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"),
    "invalid-utf-8": raw(b'{"choices": "\xff\xfe\xfa"}'),
    "invalid-utf-8-text": raw(b"\xff\xfe\xfa\xc3", kind="text/plain; charset=utf-8"),
    "unknown-charset": raw(b"\xff\xfe\xfa\xc3", kind="text/plain; charset=nonsense"),
    "picture": raw(b"\x89PNG\r\n\x1a\n" + bytes(100), kind="image/png"),
    "gzip-broken": compressed(b"this is no gzip"),
    "gzip-cut": compressed(gzip.compress(GOOD)[:-12]),
    "gzip-bomb": compressed(gzip.compress(b" " * HUGE * 5)),
    "unknown-coding": compressed(GOOD, encoding="zstd"),
    "endless-chunks": endless(b" " * 2**20),
    "endless-json": endless(b'{"a": [' * 10_000),
    "chunk-size-broken": wire(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
    "huge-content-length": wire(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{"),
    "negative-content-length": wire(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "cut-body": wire(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + GOOD),
    "closed-at-once": wire(b""),
    "reset": wire(b"", reset=True),
    "reset-in-body": wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{", reset=True),
    "no-http": wire(b"\x16\x03\x01\x02\x00\x01\x00"),
    "giant-header": wire(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 2**20 + b"\r\nContent-Length: 0\r\n\r\n"),
    "many-headers": wire(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 50_000 + b"Content-Length: 0\r\n\r\n"),
    "header-injection": raw(b"{}", headers=(("X-Odd", "\x01\x02"),)),
    "redirect-elsewhere": redirecting("http://127.0.0.2:9/v1/chat/completions"),
    "redirect-303": redirecting("http://127.0.0.2:9/", status=303),
    "redirect-to-file": redirecting("file:///etc/passwd"),
    "redirect-nowhere": redirecting("http://[broken"),
    "redirect-loop": lambda sender: redirecting(sender.path)(sender),
    "drip": dripping(GOOD),
    "drip-headers": dripping(GOOD, headers_too=True),
    "hangs": hanging,
    "echoes-key": echoing,
    "too-many-requests": raw(b"", status=429, headers=(("Retry-After", "9999999"),)),
}

# A reply of a model that says nothing.
SILENT: dict[str, Send] = {
    "empty-choices": body(completion(HI, choices=[])),
    "null-choices": body(completion(HI, choices=None)),
    "text-choices": body(completion(HI, choices="hi")),
    "object-choices": body(completion(HI, choices={"0": "hi"})),
    "null-choice": body(completion(HI, choices=[None])),
    "null-message": choosing(message=None),
    "no-message": choosing(),
    "empty-message": choosing(message={}),
    "list-message": choosing(message=[]),
    "number-message": choosing(message=5.0),
    "null-content": choosing(message={"role": "assistant", "content": None}),
    "odd-role": choosing(message={"role": ["assistant"], "content": ""}),
    "tool-role": choosing(message={"role": "tool", "content": ""}),
}

REPLIES = READABLE | UNUSABLE | SILENT

# Streams that the client asked for.
STREAMS: dict[str, Send] = {
    "good": events(delta("h"), delta("i", "stop")),
    "odd-finish": events(delta("hi", {"a": 1})),
    "no-done": events(delta("hi", "stop"), done=False),
    "broken-event": events(delta("h"), '{"choices": ['),
    "null-event": events("null", delta("hi", "stop")),
    "list-event": events("[]", delta("hi", "stop")),
    "number-event": events("5", delta("hi", "stop")),
    "deep-event": events("[" * DEEP),
    "error-event": events(delta("h"), {"error": {"message": "the engine died", "code": 500}}),
    "error-text-event": events({"error": "no GPU is free"}),
    "null-choices-event": events({"choices": None}, delta("hi", "stop")),
    "null-delta-event": events({"choices": [{"delta": None}]}, delta("hi", "stop")),
    "odd-usage-event": events(delta("hi", "stop"), {"choices": [], "usage": {"prompt_tokens": 10**400}}),
    "huge-index": events({"choices": [{"delta": {"tool_calls": [call(index=10**30)]}}]}),
    "20000-calls-event": events(
        {"choices": [{"delta": {"tool_calls": [call(index=n, id=f"c{n}") for n in range(20_000)]}}]}
    ),
    "20000-call-events": events(
        *[{"choices": [{"delta": {"tool_calls": [call(index=n, id=f"c{n}")]}}]} for n in range(20_000)]
    ),
    "empty-stream": events(),
    "invalid-utf-8-event": raw(b"data: \xff\xfe\n\n", kind="text/event-stream"),
    "endless-events": endless(b'data: {"choices": []}\n\n' * 1000),
    "endless-line": endless(b"data: " + b"a" * 2**20),
    "endless-comments": endless(b": ping\n\n" * 1000),
    "drip": dripping(b"data: {}\n\n"),
    "cut": wire(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 500\r\n\r\ndata: "),
    "html": raw(b"<html>Please log in</html>", kind="text/html"),
    "json": raw(GOOD),
    "gzip-bomb": compressed(gzip.compress(b"data: {}\n\n" * 2**23), kind="text/event-stream"),
}


def listing(data: Any, **options: Any) -> Send:
    return body({"object": "list", "data": data}, **options)


# A list with the model in it.
READABLE_MODELS: dict[str, Send] = {
    "duplicates": listing([{"id": MODEL}, {"id": MODEL}]),
    "null-entry": listing([None, {"id": MODEL}]),
    "text-entries": listing([MODEL]),
    "nested": listing([[{"id": MODEL}]]),
    "null-id": listing([{"id": None}, {"id": MODEL}]),
    "bare-list": body([{"id": MODEL}]),
    "other-field": body({"models": [{"name": MODEL}]}),
    "text-plain": raw(json.dumps({"data": [{"id": MODEL}]}).encode(), kind="text/plain"),
    "odd-length": raw(b'{"data": [{"id": "m", "max_model_len": 1e400, "meta": [1]}]}'),
    "huge-length": raw(b'{"data": [{"id": "m", "max_model_len": %s}]}' % (b"9" * 4000)),
    "negative-length": listing([{"id": MODEL, "max_model_len": -1}]),
    "text-length": listing([{"id": MODEL, "max_model_len": "many"}]),
    "nan-length": raw(b'{"data": [{"id": "m", "max_model_len": NaN}]}'),
    "bool-length": listing([{"id": MODEL, "max_model_len": True}]),
    "tiny-length": listing([{"id": MODEL, "max_model_len": 1}]),
    "300000-models": lambda sender: listing([{"id": MODEL}, *({"id": f"model-{n}"} for n in range(300_000))])(sender),
    "same-redirect": lambda sender: (send_models if sender.path.endswith("/") else redirecting(sender.path + "/"))(
        sender
    ),
    "has-more": listing([{"id": MODEL}], headers=(("Link", '</v1/models?page=2>; rel="next"'),)),
}

# No list, or none with a model.
UNUSABLE_MODELS: dict[str, Send] = {
    name: UNUSABLE[name]
    for name in UNUSABLE
    if name not in ("too-many-requests", "status-299", "detail-error-200", "other-object", "list-of-replies")
} | {
    "empty-list": listing([]),
    "null-list": listing(None),
    "text-list": listing("m"),
    "number-list": listing(5),
    "surrogate-id": listing([{"id": "\ud800"}]),
    "long-id": listing([{"id": "m" * 10**6}]),
    "object-id": listing([{"id": {"a": 1}}]),
    "echo-in-name": listing([{"id": f"model for {SECRET}"}]),
}

MODELS = READABLE_MODELS | UNUSABLE_MODELS
