"""Sightings cite pictures that were shown, however the model names these."""

from __future__ import annotations

import pytest

from ape.agents.records import Inspection, Sighting
from ape.agents.sightings import with_known_pictures

SHOWN = ["3fa9c0de11.png", "77aa01bc42.png"]


def evidence_of(given: str, shown: list[str]) -> list[str]:
    sighting = Sighting(rationale="x", look="plateaus", channel="value", left=0, right=10, strength=0.5, evidence=given)
    inspection = Inspection(rationale="x", sees_pictures=True, sightings=[sighting])
    return [each.evidence for each in with_known_pictures(inspection, shown).sightings]


@pytest.mark.parametrize(
    "given", ["77aa01bc42.png", "77aa01bc42", "Picture 77aa01bc42.png:", "77aa01", "77aa01...", "Picture 2", "2"]
)
def test_names_of_a_picture(given):
    assert evidence_of(given, SHOWN) == [SHOWN[1]]


@pytest.mark.parametrize("given", ["render_overview-12ab", "Picture 3", "0", "deadbeef.png", ""])
def test_picture_that_was_not_shown(given):
    assert evidence_of(given, SHOWN) == []


def test_only_picture_is_meant():
    assert evidence_of("the overview", SHOWN[:1]) == SHOWN[:1] and evidence_of("the overview", []) == []
