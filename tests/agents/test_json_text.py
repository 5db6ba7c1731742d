"""JSON in texts: found after prose, repaired if slightly wrong, left out if cut off."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.json_text import find_values
from ape.agents.thoughts import Screen, split_thoughts
from ape.agents.written_calls import UNREADABLE, read_arguments, written_calls

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TOOLS = {"stl": ["channel", "periods"], "describe_series": []}


@given(st.lists(st.dictionaries(st.text(max_size=5), PLAIN, max_size=3), max_size=3))
def test_objects_between_prose_are_found(objects):
    text = " and then ".join(["Sure!", *map(json.dumps, objects), "That is all."])
    assert find_values(text) == objects


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [2, 3,],}',
        "{'a': 1, 'b': [2, 3]}",
        '{"a": 1, // one\n "b": [2, 3]}',
        "{a: 1, b: [2, 3]}",
        '```json\n{"a": 1, "b": [2, 3]}\n```',
    ],
)
def test_small_mistakes_are_repaired(text):
    assert find_values(f"Here: {text} Good?") == [{"a": 1, "b": [2, 3]}]


def test_numbers_that_json_lacks_become_null():
    assert find_values('{"a": NaN, "b": -Infinity}') == [{"a": None, "b": None}]
    assert find_values("{'a': NaN, 'b': [inf]}") == [{"a": None, "b": [None]}]


@pytest.mark.parametrize("text", ['{"a": 1, "b": {"c": 2}', '{"rationale": "a long', '{"a": [1, 2', "[see above]", "{"])
def test_what_is_cut_off_is_left_out(text):
    assert find_values(text) == []


@pytest.mark.parametrize("text", ["{" * 20_000, "[" * 20_000, '{"a":' * 5_000, "stl(" * 5_000, "{} " * 5_000])
def test_senseless_text_takes_no_time(text):
    start = time.perf_counter()
    find_values(text)
    written_calls(text, TOOLS)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"channel": "v"}, {"channel": "v"}),
        ('{"channel": "v"}', {"channel": "v"}),
        ('"{\\"channel\\": \\"v\\"}"', {"channel": "v"}),
        ('["v", [30]]', {"channel": "v", "periods": [30]}),
        ([{"channel": "v"}], {"channel": "v"}),
        ('{"channel": NaN}', {"channel": None}),
        ("", {}),
        (None, {}),
        ("null", {}),
        ("the pressure", {UNREADABLE: "the pressure"}),
        (["v", 1, 2], {UNREADABLE: ["v", 1, 2]}),
    ],
)
def test_arguments(given, arguments):
    assert read_arguments(given, TOOLS["stl"]) == arguments


@pytest.mark.parametrize(
    "text", ["I will call stl and describe_series.", '{"name": "x"}', '{"rationale": "x", "rules": []}', "stl, [1]", ""]
)
def test_prose_and_records_are_no_calls(text):
    assert written_calls(text, TOOLS) == []


@pytest.mark.parametrize(
    ("text", "said", "thought"),
    [
        ("<think>a</think>b", "b", "a"),
        ("a</think>b", "b", "a"),
        ("<think>a", "", "a"),
        ("b<think>a", "b", "a"),
        ("<think>a</think><think>c</think>b", "b", "a\nc"),
        ("2 < 3 and 4 > 1", "2 < 3 and 4 > 1", ""),
        ("b<|im_end|>", "b", ""),
    ],
)
def test_thoughts(text, said, thought):
    assert split_thoughts(text) == (said, thought)


@given(st.integers(1, 7))
def test_stream_shows_what_is_said_whatever_the_pieces_are(size):
    text = "<think>hmm, <b> or [x]</think>The level is 2 < 3 [m].\n<tool_call>{}</tool_call>"
    screen = Screen()
    pieces = [screen.show(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join(pieces).strip() == "The level is 2 < 3 [m]."
