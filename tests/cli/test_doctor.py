"""``ape doctor``: what it finds, and that it finds what is wrong."""

from __future__ import annotations

import socket

import pytest

from ape.cli import doctor


def signs() -> dict[str, doctor.Sign]:
    return {sign.what: sign for sign in doctor.examine()}


def test_every_line_says_what_was_found(ape):
    outcome = ape("doctor")
    assert outcome.code == 0
    for what in ("GPU", "brain", "matrix profile", "extra ray", "traces", "disk"):
        assert what in outcome.out


def test_a_server_that_is_down_and_a_collector_that_is_not_there_are_told(monkeypatch, ape):
    monkeypatch.setenv("APE_BRAIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    found = signs()
    assert not found["brain"].well and "ape brain serve" in found["brain"].hint
    assert not found["traces"].well and "unset" in found["traces"].hint
    assert "--  brain" in ape("doctor").out


def test_a_collector_that_listens_is_well(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert signs()["traces"].well


@pytest.mark.parametrize("module", ["not_there_at_all", "not_there.at.all"])
def test_a_missing_extra_says_how_to_install_it(monkeypatch, module):
    monkeypatch.setitem(doctor.EXTRAS, "logs", (module, "--log"))
    sign = signs()["extra logs"]
    assert not sign.well and sign.hint == "pip install 'ape-tsad[logs]'"


def test_a_cache_without_compiled_code_is_told(monkeypatch):
    monkeypatch.setattr(doctor, "is_compiled", lambda: False)
    assert "warm-up" in signs()["matrix profile"].hint
