"""Records that agents answer in."""

from __future__ import annotations

from typing import Any

import pytest

from ape.agents.records import Critique, Inspection, Plan, Profile, Proposal, Spotting


@pytest.mark.parametrize("schema", [Plan, Profile, Inspection, Spotting, Proposal, Critique])
def test_every_part_of_an_answer_is_bounded(schema):
    def walk(part: Any, where: str) -> None:
        if isinstance(part, dict):
            if part.get("type") == "string":
                # a pattern has to bound itself: grammars do not accept a pattern together with a length
                assert len({"maxLength", "enum", "const", "pattern"} & part.keys()) == 1, where
            if part.get("type") == "array":
                assert "maxItems" in part, where
            for key, value in part.items():
                walk(value, f"{where}.{key}")
        elif isinstance(part, list):
            for value in part:
                walk(value, where)

    walk(schema.model_json_schema(), schema.__name__)
