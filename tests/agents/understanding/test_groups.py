"""Groups of channels that a text names."""

from __future__ import annotations

import pytest

from ape.agents.records import Hint
from ape.agents.understanding.groups import with_groups

GROUPS = [{"name": "press1", "channels": ["press1.flow"]}, {"name": "g2", "channels": ["a"]}]


def hint(quote: str, channels: list[str]) -> Hint:
    return Hint(rationale="", quote=quote, line=1, mechanism="signal_loss", channels=channels)


@pytest.mark.parametrize(
    ("quote", "groups"),
    [
        ("All readings of press1 fall to zero.", ["press1"]),
        ("Press 1 stops, and so do the channels of G2", ["press1", "g2"]),
        ("press10 stops", []),
        ("compress1 stops", []),
        ("the presses stop", []),
    ],
)
def test_a_name_is_a_word_of_the_text(quote, groups):
    assert with_groups(hint(quote, []), GROUPS).groups == groups


def test_single_channels_that_are_named_count_more_than_their_group():
    said = hint("The flow of press1 drops", ["press1.flow"])
    assert with_groups(said, GROUPS) == said


def test_many_channels_are_named_by_their_group():
    said = with_groups(hint("press1 stops", [f"press1.{k}" for k in range(8)]), GROUPS)
    assert (said.channels, said.groups) == ([], ["press1"])
