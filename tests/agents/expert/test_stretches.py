"""Stretches that requests name."""

from __future__ import annotations

import pytest

from ape.agents.expert.stretches import stretch_in


@pytest.mark.parametrize(
    ("request_text", "stretch"),
    [
        ("show 200 to 900", (200, 900)),
        ("show sensor2 900-200.", (200, 900)),
        ("zoom between 3 and 9, please", (3, 9)),
        ("show 2024-04-15 to 2024-04-16", ("2024-04-15", "2024-04-16")),
        ("show 2024-06-07 08:00 to 2024-06-07 12:00", ("2024-06-07 08:00", "2024-06-07 12:00")),
        ("show 2024-06-07 8:00 to 12:00", ("2024-06-07 8:00", "2024-06-07 12:00")),
        ("show 2024-06-07T08:00+02:00 to 2024-06-08T09:00Z", ("2024-06-07 08:00+02:00", "2024-06-08 09:00Z")),
        ("show 2024-06", ("2024-06", "2024-06")),
        ("show 7.6.2024 to 8.6.2024", ("7.6.2024", "8.6.2024")),
        ("look at 7 June 2024", ("7 June 2024", "7 June 2024")),
        ("show June 7, 2024 at 8:00 am to 9:30 pm", ("June 7, 2024 8:00 am", "June 7, 2024 9:30 pm")),
        ("show 0:10:00 to 0:20:00", ("0:10:00", "0:20:00")),
        ("show the series", None),
        ("show 2024-06-07 08:00", None),
    ],
)
def test_stretch_of_a_request(request_text, stretch):
    assert stretch_in(request_text) == stretch
