"""The schema of ``events.json`` and its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

import ape
from ape.monitor.event_files import COLUMNS
from ape.monitor.event_schema import ChannelRecord, EventFile, EventRecord, RuleRecord

PAGE = Path(ape.__file__).parent / "docs/reference/monitor.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="not a checkout")
@pytest.mark.parametrize("record", [EventFile, EventRecord, ChannelRecord, RuleRecord])
def test_every_field_is_documented(record):
    text = PAGE.read_text(encoding="utf-8")
    assert not [name for name in record.model_fields if f"`{name}`" not in text]


def test_the_columns_of_the_table_are_fields_of_the_events():
    assert set(COLUMNS) <= set(EventRecord.model_fields)


def test_the_schema_is_json_schema():
    schema = EventFile.model_json_schema()
    assert schema["type"] == "object" and set(schema["required"]) >= {"series", "events"}
