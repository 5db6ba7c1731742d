"""Broad rules: one valid rule for each operator."""

from __future__ import annotations

import numpy as np

from ape.rules import MECHANISMS, MORPHOLOGIES, OPERATORS, broad_bank, broad_rule, build_context
from ape.series import from_array


def test_broad_bank_contains_the_broad_rules():
    for rule in broad_bank(build_context(from_array(np.sin(np.arange(600) / 8.0)))).rules:
        assert broad_rule(rule.program[0].operator) == rule


def test_every_operator_has_a_summary_and_a_broad_rule_in_the_vocabulary():
    for op in OPERATORS.values():
        assert op.summary and op.broad.mechanism in MECHANISMS and op.broad.morphology in MORPHOLOGIES
