"""Secrets are taken out of texts; other texts stay as they are."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote

import pytest

from ape.core import redaction
from ape.core.errors import InputError
from ape.core.redaction import HIDDEN, open_end, redact_record, redacted, without_credentials

KEY = "sk-Ab/9+c2b7e81d0"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    for name in (*redaction.KEYS, *redaction.ADDRESSES, *redaction.HEADERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(redaction, "_hidden", set())
    monkeypatch.setenv("APE_BRAIN_KEY", KEY)


@pytest.mark.parametrize("form", [KEY, json.dumps(KEY), KEY.replace("/", "\\/"), quote(KEY, safe=""), f"x{KEY}y"])
def test_key_is_taken_out_in_each_form(form):
    assert redacted(f"the key {form} is wrong".replace(form, form)).count(HIDDEN) == 1
    assert KEY not in redacted({"a": [form, (form,)], form: None}).__repr__()


@pytest.mark.parametrize(
    ("variable", "value", "secret"),
    [
        ("APE_BRAIN_URL", "http://me:hunter2@host/v1", "hunter2"),
        ("APE_BRAIN_URL", "http://me:hunter2@host/v1", base64.b64encode(b"me:hunter2").decode()),
        ("APE_BRAIN_URL", "http://me:p%40ss%3A9@host", "p@ss:9"),
        ("APE_CHECKPOINTS", "postgresql://me:s3cret-x@host/db", "s3cret-x"),
        ("PGPASSWORD", "s3cret-y", "s3cret-y"),
        ("https_proxy", "http://me:s3cret-z@proxy:3128", "s3cret-z"),
        ("APE_WEBHOOK", "https://host/hook?token=abc123def", "abc123def"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc-123-def,x-team=red-team-1", "Bearer abc-123-def"),
    ],
)
def test_secrets_of_the_environment_are_taken_out(monkeypatch, variable, value, secret):
    monkeypatch.setenv(variable, value)
    assert secret not in redacted(f"you sent '{secret}', which is wrong") and HIDDEN in redacted(secret)


@pytest.mark.parametrize(
    "text",
    [
        "cannot open http://anyone:anything@host:80/path",
        "postgresql://anyone:anything@host/db is down",
        "see https://host/a?x=1&access_token=anything&y=2",
        "sent Authorization: Bearer anything.with-16.characters",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text):
    assert "anything" not in redacted(text) and HIDDEN in redacted(text)


@pytest.mark.parametrize("word", ["EMPTY", "none", "a", "1", "secret", "pressure", "20260301", "token", " "])
def test_key_that_is_an_ordinary_word_spoils_no_text(monkeypatch, word):
    monkeypatch.setenv("APE_BRAIN_KEY", word)
    text = (
        f"the pressure is none of a secret since 20260301; 1 EMPTY token at 2026-03-01T10:00:00, {word}s and a-{word}"
    )
    assert redacted(text) == text
    for echo in (f"Incorrect API key provided: {word}", f"Authorization: Bearer {word}", f"api_key={word}"):
        assert not word.strip() or redacted(echo).endswith(HIDDEN)


@pytest.mark.parametrize(
    "text", ["http://host:8000/v1", "a@b.example", "12:30:15@noon", "https://host/a?page=2#x", "ratio 1:2@3", "a/b:c@d"]
)
def test_other_texts_stay(text):
    assert redacted(text) == text and redacted(5.0) == 5.0 and redacted(None) is None


def test_address_loses_user_and_password(monkeypatch):
    assert without_credentials("http://me:hunter22@host:80/v1") == "http://host:80/v1"
    assert without_credentials("http://[::1]:80/v1") == "http://[::1]:80/v1"
    assert redacted("hunter22 is wrong") == f"{HIDDEN} is wrong"


def test_start_of_a_secret_at_the_end_of_a_text_is_known():
    assert open_end(f"the key is {KEY[:9]}") == 9 and open_end("the key is sk") == 0 and open_end(f"{KEY} x") == 0


def test_errors_and_log_records_contain_no_secret():
    error = InputError(f"the server said {KEY}", f"http://me:{KEY}@host", "say it again")
    assert KEY not in str(error) + error.what + error.where
    try:
        raise ValueError(KEY)
    except ValueError as cause:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed with %s", (KEY,), (type(cause), cause, None))
    assert redact_record(record) and KEY not in logging.Formatter().format(record)
