"""Kinds of rules: each one gives a valid rule, and all names it uses exist."""

from __future__ import annotations

from typing import get_args

import pytest

from ape.agents.expert.drafts import write_draft
from ape.agents.expert.rule_kinds import RULE_KINDS, STRONG_END
from ape.agents.expert.selection import Choice
from ape.agents.expert.transcript import Transcript
from ape.agents.records import FindingTerm, SightingTerm
from ape.rules import OPERATORS

TASK = {"plan": {}, "profile": {"findings": []}, "inspection": {"sightings": []}}


@pytest.mark.parametrize("kind", RULE_KINDS, ids=lambda kind: kind.id)
def test_every_kind_gives_a_valid_rule(kind):
    rule = write_draft(Transcript("planner", TASK, []), Choice(kind.id, kind, kind.mechanism, 1.0)).to_rule()
    step = rule.program[0]
    assert (rule.id, rule.mechanism, rule.morphology) == (kind.id, kind.mechanism, kind.morphology)
    assert (step.operator, [each.name for each in step.parameters]) == (kind.operator, [*kind.parameters])


def test_ids_are_unique():
    assert len({kind.id for kind in RULE_KINDS}) == len(RULE_KINDS)


def test_kinds_refer_to_terms_of_findings_and_sightings():
    terms = {term for kind in RULE_KINDS for term in (*kind.weights, *kind.needs)}
    assert terms <= {*get_args(FindingTerm), *get_args(SightingTerm)}


def test_strong_ends_belong_to_parameters_of_operators():
    assert all(parameter in OPERATORS[operator].parameters for operator, parameter in STRONG_END)
