"""Names of series: their recording, and whether the default recipe was chosen on it."""

from __future__ import annotations

import pytest

from ape.evals.cases import is_tuning, recording


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("001_DISTORTEDECG1", "ECG"),
        ("002_NOISEECG27", "ECG"),
        ("003_insectEPG7", "insectEPG"),
        ("battery_cycles.internal_short", "battery_cycles"),
    ],
)
def test_recording_is_the_name_without_number_mark_and_fault(name, expected):
    assert recording(name) == expected


def test_tuning_recordings_are_known_by_name():
    assert is_tuning("001_DISTORTEDECG1") and is_tuning("156_TkeepFifthMARS") and not is_tuning("003_insectEPG7")
