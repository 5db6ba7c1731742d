"""Channels that a text speaks of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.channels import affected, describe_channels, measured_in

PUMP = ["flow_m3h", "p_suction_bar", "p_discharge_bar", "motor_amp", "bearing_temp_C", "vibration_mm_s"]


def named(text: str, names=PUMP, lines=()):
    return affected(text, describe_channels(names, lines)).names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("p_suction_bar falls", ["p_suction_bar"]),
        ("the suction pressure falls", ["p_suction_bar"]),
        ("the pressure at the discharge wobbles", ["p_discharge_bar"]),
        ("bearing temperature creeps up", ["bearing_temp_C"]),
        ("the temperature of the bearing creeps up", ["bearing_temp_C"]),
        ("the bearing gets hot", ["bearing_temp_C"]),
        ("flow drops", ["flow_m3h"]),
        ("the flow meter sticks", ["flow_m3h"]),
        ("the motor draws more current", ["motor_amp"]),
        ("both pressures sink", ["p_suction_bar", "p_discharge_bar"]),
        ("vibration, flow and motor current jump", ["vibration_mm_s", "flow_m3h", "motor_amp"]),
    ],
)
def test_channel_is_found_by_name_and_by_words(text, names):
    assert named(text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("the nitrate analyser freezes", ["nitrate_mg_l"]),
        ("pH sinks", ["pH"]),
        ("mem creeps up", ["mem_used_gb"]),
        ("the revs are too high", ["shaft_rpm"]),
        ("nitrate is 0 although the shaft turns fast and pH changes", ["nitrate_mg_l"]),
        ("the motor current flickers", ["fan_amps"]),
    ],
)
def test_substances_abbreviations_and_units_in_names(text, names):
    assert named(text, ["nitrate_mg_l", "pH", "mem_used_gb", "shaft_rpm", "fan_amps"]) == names


def test_unit_of_one_channel_names_it():
    channels = describe_channels(["force_N", "angle_deg", "turn_deg", "share_pct"])
    assert measured_in("flat above 1000 N", channels) == ["force_N"]
    assert measured_in("flat above 90 deg", channels) == measured_in("flat above 90 %", channels) == []


def test_all_sensors_are_all_channels():
    assert named("All readings freeze.") == PUMP


@pytest.mark.parametrize(
    "text",
    [
        "Flow drops while the motor current holds.",
        "Flow drops, motor current and vibration stay.",
        "Flow drops but the bearing temperature is normal.",
        "Flow drops more than the motor current explains.",
        "Flow drops when the motor current is high.",
    ],
)
def test_unchanged_compared_and_conditional_channels_are_left_out(text):
    assert named(text) == ["flow_m3h"]


def test_word_that_fits_several_channels_names_none_and_is_said():
    mentions = affected("The pressure drops.", describe_channels(PUMP))
    assert mentions.names == [] and mentions.ambiguous == ["pressure (p_suction_bar or p_discharge_bar)"]


def test_label_counts_only_if_nothing_else_is_named():
    names = ["inlet valve", "outlet valve", "bypass valve"]
    assert named("Valves: the valve at the inlet sticks.", names) == ["inlet valve"]
    assert named("Inlet valve: it sticks.", names) == ["inlet valve"]


def test_name_with_and_is_one_name():
    assert named("The N and P feed stops, P dose holds.", ["N feed", "N and P feed", "P dose"]) == ["N and P feed"]


def test_qualifier_of_another_thing_does_not_fit():
    assert named("the oil temperature rises") == []


@pytest.mark.parametrize(
    "line",
    ["s3 = inlet pressure", "s3: inlet pressure, kPa.", "- s3 (kPa): inlet pressure", "s3 is the inlet pressure"],
)
def test_description_in_the_text_names_a_channel(line):
    assert named("The inlet pressure sags.", ["s1", "s2", "s3"], ["s1 = flow", line]) == ["s3"]


def test_redundant_sensors_are_named_together():
    assert named("Vibration rises.", ["vib_1", "vib_2", "speed_rpm"]) == ["vib_1", "vib_2"]
    assert named("Vibration 2 rises.", ["vib_1", "vib_2", "speed_rpm"]) == ["vib_2"]


@pytest.mark.parametrize(
    ("name", "lines", "unit"),
    [
        ("temp_C", (), "C"),
        ("CPU Usage (%)", (), "%"),
        ("x1", ["x1: oil temperature in °C."], "°C"),
        ("Pressure", ["The Pressure in the loop behind the valve (bar) is steady."], "bar"),
        ("x1", ["x1: something in a box."], None),
    ],
)
def test_unit_of_name_or_text(name, lines, unit):
    assert describe_channels([name], lines)[0].unit == unit


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5, unique=True))
def test_any_text_names_only_channels_that_exist(text, names):
    assert set(named(text, names, [text])) <= set(names)
