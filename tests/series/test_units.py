"""Units in the names of channels."""

from __future__ import annotations

import pytest

from ape.series.units import unit_text


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("CPU Usage (%)", "%"),
        ("Vorlauf Temp. [°C]", "°C"),
        ("bearing_temp_C", "°C"),
        ("vibration_mm_s", "mm/s"),
        ("flow_m3h", "m3/h"),
        ("p_suction_bar", "bar"),
        ("Power kW", "kW"),
        ("load_pct", "%"),
        ("humidity_%", "%"),
        ("Flow (m3/h)", "m3/h"),
    ],
)
def test_units_are_written_as_people_do(name, unit):
    assert unit_text(name) == unit


@pytest.mark.parametrize("name", ["value", "cpu_min", "phase_a", "sensor_C", "x (avg)", "motor_amp", "", "temp"])
def test_what_may_be_something_else_is_no_unit(name):
    assert unit_text(name) is None
