"""Hints that name the same failure belong together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.expert.failures import named_failures
from ape.agents.records import Hint
from ape.rules.schema import Range


def hint(mechanism: str = "gradual_drift", **more) -> Hint:
    return Hint(**({"rationale": "", "quote": "words", "line": 1, "mechanism": mechanism} | more))


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ({}, {}, 1),
        ({"channels": ["a"]}, {"channels": ["a", "b"]}, 1),
        ({"channels": ["a"]}, {"channels": ["b"]}, 2),
        ({"channels": ["a"]}, {}, 1),
        ({"morphology": "ramp"}, {}, 1),
        ({"morphology": "ramp"}, {"morphology": "altered_shape"}, 2),
        ({"acts_on": "sensor"}, {"acts_on": "process"}, 2),
        ({"direction": "up"}, {"direction": "down"}, 2),
        ({"direction": "up"}, {}, 1),
        ({}, {"mechanism": "stuck_sensor"}, 2),
    ],
)
def test_hints_that_contradict_each_other_are_two_failures(first, second, count):
    assert len(named_failures([hint(**first), hint(**second)])) == count


def test_failures_of_texts_come_before_those_of_logs_and_frequent_ones_first():
    hints = [
        hint("transient", source="log", strength=1.0),
        hint("saturation", strength=0.9, share=0.3),
        hint("stuck_sensor", strength=0.8),
    ]
    assert [failure.mechanism for failure in named_failures(hints)] == ["stuck_sensor", "saturation", "transient"]


def test_what_a_hint_leaves_open_is_taken_from_the_others():
    [failure] = named_failures(
        [
            hint(strength=0.9, channels=["a"]),
            hint(strength=0.5, seconds=Range(low=60, high=90), channels=["a", "b"], amount=Range(low=-3, high=-2)),
        ]
    )
    assert failure.first("seconds") == Range(low=60, high=90) and failure.channels == ["a", "b"]
    assert failure.direction == "down"
    assert failure.weight == pytest.approx(1 - 0.1 * 0.5)


@given(st.lists(st.tuples(st.sampled_from(["transient", "damping"]), st.sampled_from(["", "a", "b"])), max_size=12))
def test_every_hint_is_in_exactly_one_failure(named):
    hints = [hint(mechanism, channels=[c] if c else [], line=n + 1) for n, (mechanism, c) in enumerate(named)]
    grouped = [each.line for failure in named_failures(hints) for each in failure.hints]
    assert sorted(grouped) == [each.line for each in hints]
