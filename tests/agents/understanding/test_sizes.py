"""Sizes of changes in texts, and in the units of the channels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.channels import affected, describe_channels
from ape.agents.understanding.sizes import Resolved, resolve, sizes
from ape.rules.schema import Range

CHANNELS = describe_channels(
    ["flow_m3h", "p_suction_bar", "p_discharge_bar", "bearing_temp_C", "humidity (%)", "latency_ms", "vibration_mm_s"]
)
DAY = 86_400.0


def resolved(text: str, seconds: Range | None = None) -> Resolved:
    (size,) = sizes(text)
    return resolve(size, affected(text, CHANNELS).names, CHANNELS, seconds)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("flow drops by about 3 m3/h", (2, 4.5)),
        ("flow drops by 2 to 4 m3/h", (2, 4)),
        ("flow drops 5 l/s", (12, 27)),
        ("discharge pressure falls 300 mbar", (0.2, 0.45)),
        ("suction pressure rises from 3 to 4.5 bar", (1, 2.25)),
        ("bearing temperature is two degrees too high", (4 / 3, 3)),
        ("bearing temperature jumps 9 °F", (10 / 3, 7.5)),
        ("bearing temperature is a few degrees higher", (2, 6)),
        ("humidity jumps 20 %", (40 / 3, 30)),
        ("humidity falls by ten percentage points", (20 / 3, 15)),
        ("latency increases by 200 ms", (400 / 3, 300)),
        ("flow drops by up to 3 m3/h", (1, 3)),
        ("flow drops by at least 3 m3/h", (3, 6)),
    ],
)
def test_amount_is_in_the_unit_of_the_channel(text, amount):
    found = resolved(text)
    assert (found.amount.low, found.amount.high) == pytest.approx(amount)
    assert found.change is None and found.unresolved is None


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("flow jumps 20 %", (0.2 / 1.5, 0.3)),
        ("flow is 20 to 30 % lower", (-0.3, -0.2)),
        ("flow sinks by a third", (-0.5, -2 / 9)),
        ("flow halves", (-0.75, -1 / 3)),
        ("flow doubles", (2 / 3, 1.5)),
        ("flow falls to 20 % of normal", (-1, -0.8 / 1.5)),
        ("flow rises to twice its value", (2 / 3, 1.5)),
    ],
)
def test_share_of_the_usual_value(text, change):
    found = resolved(text)
    assert (found.change.low, found.change.high) == pytest.approx(change) and found.amount is None


@pytest.mark.parametrize(
    "text",
    [
        "below the 700 Mbit/s of the bundle",
        "Above 80 A the amplifier clips",
        "humidity is near 100 % in fog",
        "the sensor no longer comes up to 100 %",
        "the boiler is held at 80 °C",
        "it rises to 80 °C",
        "the pump draws 50 kW",
        "it lasts 5 to 10 minutes",
    ],
)
def test_levels_limits_and_durations_are_no_changes(text):
    assert sizes(text) == []


def test_unit_that_no_channel_has_is_unresolved():
    assert resolved("it jumps by 5 kg").unresolved == "5 kg"


def test_unit_of_several_channels_is_unresolved_and_of_one_names_it():
    assert resolved("it drops by 5 psi").unresolved == "5 psi (of p_suction_bar or p_discharge_bar)"
    assert resolved("it drops by 3 m3/h").channel == "flow_m3h"


def test_rate_needs_a_duration():
    text = "bearing temperature rises 0.5 degrees a day"
    assert resolved(text).unresolved == "0.5 degrees a day (for how long?)"
    found = resolved(text, Range(low=6 * DAY, high=8 * DAY))
    assert (found.amount.low, found.amount.high) == pytest.approx((0.5 / 1.5 * 6, 0.75 * 8))


@pytest.mark.parametrize(
    ("text", "direction"),
    [("rises by 3 bar", "up"), ("3 bar lower", "down"), ("a 3 bar offset", "either"), ("from 5 to 3 bar", "down")],
)
def test_direction_of_a_size(text, direction):
    assert [size.direction for size in sizes(text)] == [direction]


@given(st.text(max_size=200))
def test_any_text_can_be_parsed(text):
    for size in sizes(text):
        assert 0 <= size.low <= size.high
        resolve(size, [], CHANNELS)
