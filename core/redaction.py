"""Keep keys and passwords out of messages and files.

A server may repeat what it was sent, and an address may hold a password. `redacted` takes out the secrets of this
process, those given to `hide`, and what looks like a secret in any text.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import traceback
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "[hidden]"
# Environment variables with a secret, with an address, or with headers (``name=value,name=value``).
KEYS = ("APE_BRAIN_KEY", "PGPASSWORD", "OPENAI_API_KEY")
ADDRESSES = (
    "APE_BRAIN_URL", "APE_BRAIN_LOGIN", "APE_CHECKPOINTS", "APE_WEBHOOK", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy"),
)  # fmt: skip
HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")

SHORTEST = 6  # characters of a secret that is taken out wherever it stands
LONGEST_WORD = 20  # letters of a password that may be an ordinary word, and digits that may be a number
HELD_BACK = 4  # characters of a secret from which the end of a text may be the start of that secret
NAMES = r"key|token|secret|passw(?:or)?d|passphrase|credentials?|signature|sig|auth(?:orization)?"
IN_ADDRESS = re.compile(r"(://)[^\s/@:\"'<>]{0,200}:[^\s\"'<>/]{1,400}@")
IN_QUERY = re.compile(rf"([?&][\w.-]{{0,40}}(?:{NAMES})[\w.-]{{0,40}}=)[^&\s\"'#<>]+", re.IGNORECASE)
IN_HEADER = re.compile(r"\b(bearer|basic)(\s+)[\w.+/=~-]{16,}", re.IGNORECASE)


_hidden: set[str] = set()


def hide(*secrets: str | None) -> None:
    """Take these secrets out of all texts that this process redacts from now on."""
    _hidden.update(secret for secret in secrets if secret)


def without_credentials(address: str) -> str:
    """Return an address without user and password, which `redacted` takes out of texts from now on.

    Raises
    ------
    ValueError
        It is no address. The message does not repeat it, since its parts may be those of a password.
    """
    try:
        parts = urlsplit(address)
        hide(*_secrets_of(address))
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        msg = "not an address"
        raise ValueError(msg) from None


def redact_record(record: logging.LogRecord) -> bool:
    """Filter of a handler: redact what a library logs, with its traceback."""
    record.msg, record.args = redacted(record.getMessage()), ()
    if record.exc_info:
        record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return True


def redacted(value: Any) -> Any:
    """Return a text, or plain data with texts, with `HIDDEN` in place of each secret.

    A secret that is short or may be an ordinary word is taken out only after a word such as ``key`` or ``password``.

    Parameters
    ----------
    value : object
        Text, or lists, tuples and dictionaries of texts; other values are returned as they are.
    """
    if isinstance(value, str):
        return _redacted(value, _patterns(*_known()))
    if isinstance(value, dict):
        return {redacted(name): redacted(item) for name, item in value.items()}
    return type(value)(map(redacted, value)) if type(value) in (list, tuple) else value


def open_end(text: str) -> int:
    """Return how many characters at the end of a text may be the start of a secret that is not complete yet."""
    strong, _ = _patterns(*_known())[2:]
    lengths = (
        length
        for secret in strong
        for length in range(min(len(secret) - 1, len(text)), HELD_BACK - 1, -1)
        if text.endswith(secret[:length])
    )
    return max(lengths, default=0)


def _known() -> tuple[frozenset[str], tuple[str | None, ...]]:
    return frozenset(_hidden), tuple(os.environ.get(name) for name in (*KEYS, *ADDRESSES, *HEADERS))


@lru_cache(maxsize=8)
def _patterns(
    told: frozenset[str], environment: tuple[str | None, ...]
) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None, tuple[str, ...], tuple[str, ...]]:
    """Patterns of the secrets that are taken out anywhere, and of those after a word; and both kinds of secrets."""
    secrets = set(told)
    for name, value in zip((*KEYS, *ADDRESSES, *HEADERS), environment, strict=True):
        if value and name in KEYS:
            secrets.add(value)
        elif value and name in ADDRESSES:
            secrets.update(_secrets_of(value))
        elif value:
            secrets.update(unquote(pair.partition("=")[2]).strip() for pair in value.split(","))
    forms = {form for secret in secrets if secret.strip() for form in _forms(secret.strip())}
    weak = tuple(sorted((form for form in forms if _is_weak(form)), key=len, reverse=True))
    strong = tuple(sorted(forms - set(weak), key=len, reverse=True))
    anywhere = re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" if len(each) < 12 else re.escape(each)
                                   for each in strong), re.IGNORECASE)  # fmt: skip
    after = re.compile(
        rf"((?:{NAMES}|bearer|basic|user(?:name)?)\b(?:\W|\b(?:is|was|provided|given|for)\b){{1,20}})"
        rf"(?:{'|'.join(map(re.escape, weak))})(?!\w)",
        re.IGNORECASE,
    )
    return (anywhere if strong else None), (after if weak else None), strong, weak


def _redacted(text: str, patterns: tuple[Any, ...]) -> str:
    anywhere, after = patterns[:2]
    if anywhere is not None:
        text = anywhere.sub(HIDDEN, text)
    if after is not None:
        text = after.sub(rf"\1{HIDDEN}", text)
    if "://" in text:
        text = IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    if "=" in text:
        text = IN_QUERY.sub(rf"\1{HIDDEN}", text)
    return IN_HEADER.sub(rf"\1\2{HIDDEN}", text)


def _secrets_of(address: str) -> list[str]:
    """Passwords and tokens of an address: also the form in which a client sends them."""
    try:
        parts = urlsplit(address)
        query = [value for name, value in parse_qsl(parts.query) if re.search(NAMES, name, re.IGNORECASE)]
        given = parts.netloc.rpartition("@")[0]
    except ValueError:
        return []
    user, colon, password = given.partition(":")
    if not given:
        return query
    if not colon:
        return [*query, unquote(user)] if len(user) >= LONGEST_WORD else query  # a token in place of a user
    sent = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return [*query, password, unquote(password), sent]


def _forms(secret: str) -> set[str]:
    """The secret as addresses and JSON contain it."""
    written = json.dumps(secret)[1:-1]
    return {
        secret,
        quote(secret, safe=""),
        written,
        written.replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


def _is_weak(secret: str) -> bool:
    """Whether a text may contain the same characters for another reason."""
    return len(secret) < SHORTEST or (len(secret) < LONGEST_WORD and (secret.isalpha() or secret.isdecimal()))
