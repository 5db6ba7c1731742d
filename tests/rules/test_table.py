"""The table of operators in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

import ape
from ape.rules.table import table


def test_the_documented_table_is_current():
    path = Path(ape.__file__).parent / "docs/operators.md"
    if not path.exists():
        pytest.skip("not a checkout")
    assert path.read_text() == table(), "run python -m ape.rules.table > docs/operators.md"
