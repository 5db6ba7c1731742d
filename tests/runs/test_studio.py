"""What ``langgraph.json`` names opens, and the conversation is held on the folder that the context gives."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path

import numpy as np
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from ape.runs.folder import Request
from ape.runs.ledger import Ledger
from ape.runs.session import Session
from ape.runs.studio import Opened

CONFIGURED = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())["graphs"]


def graph(name):
    module, _, made = CONFIGURED[name].partition(":")
    return getattr(importlib.import_module(module), made)().compile(checkpointer=InMemorySaver())


def test_every_graph_compiles():
    assert CONFIGURED.keys() == {"mining", "conversation"}
    assert "criticise" in graph("mining").get_graph().nodes


def test_a_rule_is_added_and_a_costly_step_asks(tmp_path):
    np.savez(tmp_path / "wave.npz", values=np.sin(np.arange(900) / 4), train_end=600)
    request = Request(command="chat", data=str(tmp_path / "wave.npz"))
    Session.begin(tmp_path / "talk", request, request.load())
    held, config = graph("conversation"), {"configurable": {"thread_id": "1"}}

    def say(given):
        return asyncio.run(held.ainvoke(given, config, context=Opened(str(tmp_path / "talk"))))

    say({"messages": [("user", "add a rule: the sensor gets stuck for 20 to 40 samples")]})
    assert [entry["decision"] for entry in Ledger(tmp_path / "talk" / "ledger.jsonl")] == ["add_rule"]
    assert "takes some seconds" in say({"messages": [("user", "mine")]})["__interrupt__"][0].value["question"]
    assert "Cancelled" in say(Command(resume=False))["messages"][-1].content
