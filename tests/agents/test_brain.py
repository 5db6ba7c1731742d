"""Opening a brain: the embedded one, or one on a server."""

from __future__ import annotations

import pytest

from ape.agents import open_brain
from ape.core.errors import InputError


def test_embedded_brain_needs_no_server(monkeypatch):
    monkeypatch.delenv("APE_BRAIN_URL", raising=False)
    assert open_brain().server is None and open_brain("embedded").server is None


def test_address_in_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("APE_BRAIN_URL", server.url)
    assert open_brain().server == f"{server.url}/v1" and open_brain("embedded").server is None


def test_unknown_brain_is_refused():
    with pytest.raises(InputError, match="unknown brain 'oracle'"):
        open_brain("oracle")


def test_address_of_another_service_is_refused(server):
    with pytest.raises(InputError, match="not a model server"):
        open_brain(f"{server.url}/elsewhere")


def test_unknown_model_is_refused_with_the_served_ones(server):
    with pytest.raises(InputError, match=r"no model 'gpt'.*expert-on-loopback"):
        open_brain(server.url, "gpt")
