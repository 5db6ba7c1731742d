"""Labels are distinguished from channels by the parts of their name and by their values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.series import from_dataframe

T = 300
ROWS = np.arange(T)
WAVE = np.sin(ROWS / 7)
ONES = (ROWS % 50 > 40).astype(int)


def channels(name, values):
    times = pd.date_range("2024-03-04", periods=T, freq="10min")
    return from_dataframe(pd.DataFrame({"time": times, "value": WAVE, name: values})).channels


@pytest.mark.parametrize(
    "name",
    [
        "ATT_FLAG", "Fault_Flag", "event_flag", "fault_type", "Machine failure", "machineFailure", "anom", "intrusion",
        "isFraud", "novelty", "Ausreißer", "etiqueta", "valeur aberrante", "fallo_1", "Störung", "pump_fault",
        "annotation", "class", "status label", "异常", "аномалия", "Alarm", "label_2", "Étiquette",
        "contaminated",
    ],
)  # fmt: skip
def test_columns_named_like_labels_are_left_out(name):
    assert channels(name, ONES) == ("value",)
    assert channels(name, np.where(ONES == 1, "yes", "no")) == ("value",)


@pytest.mark.parametrize(
    "name",
    [
        "valve_open", "pump_on", "flag_position", "valve_state", "heater", "label_printer_on", "fault_current_relay",
        "alarm_setpoint", "status", "mode", "class_load", "event_rate", "normal_force",
    ],
)  # fmt: skip
def test_channels_of_two_values_stay_channels(name):
    assert channels(name, ONES) == ("value", name)


@pytest.mark.parametrize("name", ["anomaly_score", "fault", "class", "alarm", "label_printer_temp", "isFraud", "y"])
def test_measurements_named_like_labels_stay_channels(name):
    assert channels(name, np.cos(ROWS / 5)) == ("value", name)


def test_labels_may_number_the_kinds_of_anomalies():
    kinds = ROWS // 50
    assert channels("fault_type", kinds) == channels("attack_class", kinds) == ("value",)
    assert channels("fault", kinds) == ("value", "fault")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (16, 20), (False, True), (-40.5, 7)])
def test_columns_of_two_levels_have_no_missing_values(low, high):
    times = pd.date_range("2024-03-04", periods=T, freq="10min")
    series = from_dataframe(pd.DataFrame({"time": times, "value": WAVE, "pump": np.where(ONES == 1, high, low)}))
    assert series.channels == ("value", "pump") and series.notes == ()


def test_labels_may_have_a_code_for_unknown():
    assert channels("ATT_FLAG", np.where(ONES == 1, 1, -999)) == ("value",)
    assert channels("anomaly_class", np.where(ONES == 1, 3.0, -1.0)) == ("value",)


def test_codes_of_quality_are_left_out():
    assert channels("Quality", np.where(ONES == 1, 0, 192)) == ("value",)
    assert channels("QC", np.where(ONES == 1, 4, 1)) == ("value",)
    assert channels("air quality", 1 + ROWS // 50) == ("value", "air quality")
    assert channels("air_quality", 1 + ROWS // 7 % 3) == ("value", "air_quality")
    assert channels("quality_sensor_temp", np.where(ONES == 1, 0, 192)) == ("value", "quality_sensor_temp")
