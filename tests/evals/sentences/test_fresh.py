"""Texts by somebody else, and how much of them is read rightly."""

from __future__ import annotations

import typing

from ape.agents.understanding.meaning import Role
from ape.evals.sentences.fresh import read_fresh
from ape.rules import MECHANISMS


def test_labels_are_known_terms_and_most_sentences_are_read_rightly():
    read = list(read_fresh())
    roles = {role for each in read for role in each.said["role"].split("|")}
    mechanisms = {term for each in read for term in each.said.get("mechanism", "stuck_sensor").split("|")}
    assert len(read) >= 120 and roles <= set(typing.get_args(Role)) and mechanisms <= set(MECHANISMS)
    assert all(each.role != "nothing" for each in read)
    assert sum(each.right("role") for each in read) >= 0.8 * len(read)
