"""The graphs that ``langgraph.json`` names compile, and a conversation runs on the folder that its context names."""

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
from ape.runs.studio import FolderContext

GRAPHS = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())["graphs"]


def compiled(name):
    module, _, function = GRAPHS[name].partition(":")
    return getattr(importlib.import_module(module), function)().compile(checkpointer=InMemorySaver())


def test_every_graph_compiles():
    assert GRAPHS.keys() == {"run", "conversation"}
    assert {"mine", "post_train"} <= compiled("run").get_graph().nodes.keys()


def test_conversation_adds_a_rule_and_asks_before_mining(tmp_path):
    np.savez(tmp_path / "wave.npz", values=np.sin(np.arange(900) / 4), train_end=600)
    request = Request(command="chat", data=str(tmp_path / "wave.npz"))
    Session.create(tmp_path / "chat", request, request.load())
    graph, config = compiled("conversation"), {"configurable": {"thread_id": "1"}}

    def invoke(graph_input):
        return asyncio.run(graph.ainvoke(graph_input, config, context=FolderContext(str(tmp_path / "chat"))))

    invoke({"messages": [("user", "add a rule: the sensor gets stuck for 20 to 40 samples")]})
    assert [entry["decision"] for entry in Ledger(tmp_path / "chat" / "ledger.jsonl")] == ["add_rule"]
    question = invoke({"messages": [("user", "mine")]})["__interrupt__"][0].value["question"]
    assert "takes some seconds" in question
    assert "Cancelled" in invoke(Command(resume=False))["messages"][-1].content
