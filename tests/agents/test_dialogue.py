from __future__ import annotations

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents.dialogue import merge_users, plain_dialogue

CALL = {"name": "stl", "args": {"channel": "v"}, "id": "1", "type": "tool_call"}
PICTURE = {"type": "image", "base64": "", "mime_type": "image/png"}
DIALOGUE = [
    SystemMessage("s"),
    HumanMessage("a"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("{}", tool_call_id="1", name="stl"),
    HumanMessage([PICTURE]),
    HumanMessage("answer"),
]


def test_messages_of_the_user_are_joined():
    merged = merge_users(DIALOGUE)
    assert [message.type for message in merged] == ["system", "human", "ai", "tool", "human"]
    assert merged[-1].content == [PICTURE, {"type": "text", "text": "answer"}]
    assert merge_users([HumanMessage("a"), HumanMessage("b")])[0].content == "a\n\nb"
    assert DIALOGUE[-1].content == "answer"


def test_plain_dialogue_alternates_and_keeps_calls_and_results():
    plain = plain_dialogue(DIALOGUE)
    assert [message.type for message in plain] == ["human", "ai", "human"]
    assert '"name": "stl"' in plain[1].content and not plain[1].tool_calls
    assert plain[2].content[0] == {"type": "text", "text": "Result of stl:\n{}"}
