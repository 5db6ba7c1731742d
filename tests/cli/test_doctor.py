"""``ape doctor``: one line per check, and a hint for each problem."""

from __future__ import annotations

import socket

import pytest

from ape.cli import doctor


def checks() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.run_checks()}


def test_every_check_is_printed(ape):
    outcome = ape("doctor")
    assert outcome.code == 0
    for name in ("GPU", "brain", "matrix profile", "extra ray", "traces", "disk"):
        assert name in outcome.out


def test_unreachable_server_and_collector_are_reported(monkeypatch, ape):
    monkeypatch.setenv("APE_BRAIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    results = checks()
    assert not results["brain"].ok and "ape brain serve" in results["brain"].hint
    assert not results["traces"].ok and "unset" in results["traces"].hint
    assert "--  brain" in ape("doctor").out


def test_reachable_collector_is_ok(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert checks()["traces"].ok


@pytest.mark.parametrize("module", ["not_there_at_all", "not_there.at.all"])
def test_missing_extra_has_an_install_hint(monkeypatch, module):
    monkeypatch.setitem(doctor.EXTRAS, "logs", (module, "--log"))
    check = checks()["extra logs"]
    assert not check.ok and check.hint == "pip install 'ape-tsad[logs]'"


def test_uncompiled_matrix_profile_has_a_hint(monkeypatch):
    monkeypatch.setattr(doctor, "is_compiled", lambda: False)
    assert "warm-up" in checks()["matrix profile"].hint
