"""The messages of a conversation that are sent to a model within a budget of characters."""

from __future__ import annotations

import json

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents import Brain, open_brain
from ape.graphs.conversation_prompt import LEFT_OUT, build_prompt, last_turn, length, split_turns
from ape.graphs.desk import Desk
from ape.series import from_array
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

CALL = {"name": "list_rules", "args": {}, "id": "1", "type": "tool_call"}
FIRST = [HumanMessage("first"), AIMessage("answer to the first")]
SECOND = [HumanMessage("second"), AIMessage("answer to the second")]


def tool_turn(*results):
    bodies = [json.dumps({"evidence": "e", "arguments": {}, "result": result}) for result in results]
    calls = [
        message
        for body in bodies
        for message in (AIMessage("", tool_calls=[CALL]), ToolMessage(body, tool_call_id="1"))
    ]
    return [HumanMessage("third"), *calls]


@pytest.fixture
def desk(tmp_path):
    return Desk(Workbench(from_array(np.sin(np.arange(900) / 4), train_end=600), Artefacts(tmp_path)), seed=0)


def test_conversation_is_split_at_messages_of_the_person():
    assert split_turns([*FIRST, *SECOND]) == [FIRST, SECOND]
    assert split_turns([]) == []


def test_prompt_has_instructions_and_the_task_before_the_turns(desk):
    prompt = build_prompt([*FIRST, *SECOND], desk, open_brain("embedded"), np.inf)
    assert isinstance(prompt[0], SystemMessage) and "You are the guide." in prompt[0].content
    assert '"task": "converse"' in prompt[1].content and prompt[2:] == [*FIRST, *SECOND]


def test_earlier_turns_are_left_out_when_they_do_not_fit(desk):
    brain = open_brain("embedded")
    budget = length(SECOND) + length(FIRST)
    assert build_prompt([*FIRST, *SECOND], desk, brain, budget)[2:] == [*FIRST, *SECOND]
    assert build_prompt([*FIRST, *SECOND], desk, brain, budget - 1)[2:] == SECOND


def test_first_results_of_a_long_turn_are_left_out():
    turn = tool_turn({"value": "a" * 200}, {"value": "b" * 200})
    assert last_turn(turn, length(turn)) == turn
    shortened = last_turn(turn, length(turn) - 1)
    assert shortened[2].content == LEFT_OUT and shortened[4] == turn[4]
    assert [message.content for message in last_turn(turn, 0) if isinstance(message, ToolMessage)] == [LEFT_OUT] * 2


def test_last_pictures_are_shown_to_a_served_model_only(desk):
    artefacts = desk.workbench.artefacts
    pictures = [artefacts.put_bytes(bytes([number]), ".png") for number in range(5)]
    turn = tool_turn(*({"artefact": picture} for picture in pictures))
    embedded = open_brain("embedded")
    assert build_prompt(turn, desk, embedded, np.inf)[2:] == turn
    served = Brain(embedded.model, "model", "http://server")
    *sent, message = build_prompt(turn, desk, served, np.inf)[2:]
    texts = [block["text"] for block in message.content if block["type"] == "text"]
    assert sent == turn and texts == [f"Picture {picture}:" for picture in pictures[1:]]
