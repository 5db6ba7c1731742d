"""``ape api``: what is refused before anything listens."""

from __future__ import annotations

import socket
import sys

import pytest

pytest.importorskip("uvicorn")


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("APE_API_TOKEN", raising=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_need_a_token(refused, tmp_path, host):
    assert "without a token" in refused("api", tmp_path, "--host", host)


@pytest.mark.parametrize("text", ["", "short", "with spaces in the middle", "ü" * 20])
def test_tokens_that_protect_nothing(refused, tmp_path, text, monkeypatch):
    (tmp_path / "token").write_text(text)
    assert "no token of at least 16" in refused("api", tmp_path, "--token-file", tmp_path / "token")
    if text:
        monkeypatch.setenv("APE_API_TOKEN", text)
        assert "APE_API_TOKEN" in refused("api", tmp_path)


def test_files_and_folders_that_are_not_there(refused, tmp_path):
    assert "no such folder" in refused("api", tmp_path / "pump")
    assert "cannot read the token" in refused("api", tmp_path, "--token-file", tmp_path / "token")
    assert "no such detector" in refused("api", tmp_path)


def test_a_port_in_use(refused, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"the port cannot be used: Address already in use (127.0.0.1:{port})" in refused(
            "api", tmp_path, "--port", port
        )


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_what_is_no_port(refused, tmp_path, port):
    assert f"'{port}' is not a port: give a number from 1 to 65535" in refused("api", tmp_path, "--port", port)


@pytest.mark.parametrize(
    ("package", "words"), [("onnx", ["export", "."]), ("uvicorn", ["api", "."]), ("gradio", ["serve"])]
)
def test_broken_packages_are_one_line_and_write_nothing(package, words, tmp_path, monkeypatch, refused):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{package}.py").write_text("raise ImportError('half installed')")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    monkeypatch.delitem(sys.modules, package, raising=False)
    out = [] if package == "uvicorn" else ["--out", str(tmp_path / "out")]
    assert f"the package {package} cannot be imported: half installed" in refused(*words, *out)
    assert not (tmp_path / "out").exists()
