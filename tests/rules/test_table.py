"""The table of operators in the docs is the one that their registrations give."""

from __future__ import annotations

from pathlib import Path

import pytest

import ape
from ape.rules import MECHANISMS, MORPHOLOGIES, OPERATORS
from ape.rules.table import table


def test_the_table_in_the_docs_is_current():
    path = Path(ape.__file__).parent / "docs/operators.md"
    if not path.exists():
        pytest.skip("not a checkout")
    assert path.read_text() == table(), "run python -m ape.rules.table > docs/operators.md"


def test_every_operator_has_a_broad_rule_in_the_vocabulary():
    for op in OPERATORS.values():
        assert op.summary and op.broad.mechanism in MECHANISMS and op.broad.morphology in MORPHOLOGIES
