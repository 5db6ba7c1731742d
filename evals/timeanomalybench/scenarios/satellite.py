"""Power and temperatures of a small satellite in low Earth orbit, with an eclipse in every orbit.

Eclipse by orbit angle and beta angle, direct energy transfer with a shunt regulator, and the sizes of array and battery
follow Larson and Wertz, "Space mission analysis and design" (3rd ed., 1999), chapters 5 and 11. The heat balance of a
panel, and of a payload with its heater, follows Gilmore, "Spacecraft thermal control handbook" (2nd ed., 2002).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ape.evals.timeanomalybench.processes import lagged, smooth_noise
from ape.evals.timeanomalybench.scenario import DAY, Fault, Scenario, Simulation, Texts, World

ORBIT = 5700.0  # s
SHADOW = 0.3907  # cosine of half the arc in eclipse at beta 0, at 550 km altitude
FACES = (-1.05, 0.0, 1.05)  # rad, of the panels facing forward, to the zenith and aft
SOLAR, INFRARED, ALBEDO = 1361.0, 230.0, 0.3  # W/m2, W/m2, share
EMITTED = 2 * 0.8 * 5.67e-8  # W/m2 K4, both sides of a panel
PANEL_HEAT, PAYLOAD_HEAT = 5000.0, 3000.0  # J/m2 K, J/K
CAPACITY, RESISTANCE = 15.0, 0.09  # Ah, ohm
CHARGE_LIMIT, VOLTAGE_LIMIT = 6.0, 33.2  # A, V
HEATER, HEATER_GAIN = 20.0, 2.0  # W, W/K


def _orbit(world: World) -> np.ndarray:
    """Return the orbit angle from local noon in rad, float64 [T]."""
    return 2 * np.pi * world.seconds / ORBIT


def _dark(world: World) -> np.ndarray:
    """Return where the satellite is in the Earth's shadow at every beta angle, bool [T]."""
    return np.cos(_orbit(world)) < -0.5


@njit(cache=True)
def _satellite(sun, albedo, yielding, array, load, imaging, structure, stuck, capacity, resistance, step):
    """Return panel temperature in K, payload temperature in °C, battery current in A and state of charge."""
    length = len(sun)
    panel, payload, current, charge = np.empty(length), np.empty(length), np.empty(length), np.empty(length)
    hot, warm, full = 300.0, 18.0, 0.95
    for t in range(length):
        for _ in range(4):
            absorbed = (0.86 - 0.25 * yielding[t]) * sun[t] + 0.7 * albedo[t] + 0.8 * INFRARED
            hot += step / 4 * (absorbed - EMITTED * hot**4) / PANEL_HEAT
        heater = min(max(HEATER_GAIN * (22.0 - warm), 0.0), HEATER)
        heater += stuck[t] * (HEATER - heater)
        warm += step * (heater + 15.0 * imaging[t] - (warm - structure[t])) / PAYLOAD_HEAT
        surplus = array[t] - load[t] - heater / 28.0
        taper = (VOLTAGE_LIMIT - 8 * (3.45 + 0.7 * full)) / resistance[t]
        amps = min(surplus, CHARGE_LIMIT, taper)  # the surplus is shunted
        full = min(max(full + amps * step / 3600.0 / capacity[t], 0.05), 1.0)
        panel[t], payload[t], current[t], charge[t] = hot, warm, amps, full
    return panel, payload, current, charge


def simulate(world: World) -> Simulation:
    """Simulate the satellite."""
    angle = _orbit(world)
    orbit = (world.seconds // ORBIT).astype(int)
    orbits = orbit.max() + 1
    beta = 0.35 + 0.2 * np.sin(2 * np.pi * (world.seconds / (12 * DAY) + world.rng.random()))
    campaign = (world.rng.random(orbits) < 0.05)[orbit]  # the payload works during the whole day side
    where, busy = world.rng.uniform(-1.2, 1.2, orbits)[orbit], (world.rng.random(orbits) < 0.6)[orbit]
    load = 3.3 + 0.12 * smooth_noise(world, 600.0)
    wander = 0.02 * smooth_noise(world, 1200.0)
    frames = world.rng.random(world.length)
    noise = world.rng.normal(size=(6, world.length))

    day = np.cos(angle)
    lit = np.clip(0.5 + 16 * (day + SHADOW / np.cos(beta)), 0, 1)
    seen = angle + wander + 0.6 * world.strength("attitude_error")
    facing = [np.maximum(0.0, np.cos(seen - face)) for face in FACES]
    strings = 1 - 0.25 * world.strength("string_loss")
    array = 6.5 * lit * np.cos(beta) * sum(facing) * strings
    offset = (angle + np.pi) % (2 * np.pi) - np.pi - where
    imaging = np.where(campaign, day > 0, busy & (np.abs(offset) < 0.4)).astype(float)
    structure = lagged(4.0 + 16.0 * (lit - 0.6), world, 1800.0)
    weak = world.strength("battery_cell_weakening")
    resistance = RESISTANCE * (1 + 1.2 * weak)
    sun, albedo = SOLAR * lit * np.cos(beta) * facing[1], SOLAR * ALBEDO * np.maximum(0.0, day)
    stuck, capacity = world.strength("heater_stuck_on"), CAPACITY * (1 - 0.25 * weak)
    panel, payload, current, charge = _satellite(
        sun, albedo, strings, array, load + 2.0 * imaging, imaging, structure, stuck, capacity, resistance, world.step
    )
    # a mild loss drops some frames, a full loss all of them
    there = frames >= 1 - (1 - world.strength("telemetry_dropout")) ** 3
    return Simulation(
        {
            "panel_temperature": panel - 273.15 + 0.4 * noise[0],
            "panel_current": there * np.maximum(0.0, array + 0.04 * noise[1]),
            "battery_current": there * (current + 0.04 * noise[2]),
            "bus_voltage": 8 * (3.45 + 0.7 * charge) + resistance * current + 0.02 * noise[3],
            "state_of_charge": 100 * charge + 0.1 * noise[4],
            "payload_temperature": payload + 0.08 * noise[5],
        },
        campaign,
    )


SCENARIO = Scenario(
    name="satellite",
    domain="spacecraft operations",
    units={
        "panel_temperature": "°C",
        "panel_current": "A",
        "battery_current": "A",
        "bus_voltage": "V",
        "state_of_charge": "%",
        "payload_temperature": "°C",
    },
    step=60.0,
    cycle=95,
    simulate=simulate,
    faults=(
        Fault(
            "string_loss",
            "gain_change",
            "scaled_cycles",
            "strings of the solar array fail open and it yields less, and warms more",
            duration=(95, 500),
            scale=(0.2, 3.5),
            root=("panel_current",),
            shows=("panel_temperature", "panel_current", "battery_current", "bus_voltage", "state_of_charge"),
            precondition="at the shock of heat on leaving the eclipse",
            when=lambda channels, world: _dark(world) & ~np.roll(_dark(world), -10),
        ),
        Fault(
            "heater_stuck_on",
            "abrupt_change",
            "step",
            "the switch of the payload heater fails closed and it heats at full power",
            duration=(60, 400),
            scale=(0.8, 10.0),
            shows=("battery_current", "bus_voltage", "state_of_charge", "payload_temperature"),
            root=("payload_temperature",),
            precondition="in eclipse, when the heater works hardest",
            when=lambda channels, world: _dark(world),
        ),
        Fault(
            "telemetry_dropout",
            "signal_loss",
            "gap",
            "frames of the current sensors are lost and read zero",
            duration=(4, 40),
            scale=(0.7, 2.0),
            shows=("panel_current", "battery_current"),
            root=("panel_current", "battery_current"),
        ),
        Fault(
            "battery_cell_weakening",
            "gradual_drift",
            "scaled_cycles",
            "a cell of the battery loses capacity and gains resistance",
            duration=(300, 900),
            scale=(0.4, 2.5),
            shows=("battery_current", "bus_voltage", "state_of_charge"),
            root=("bus_voltage",),
            onset=0.7,
        ),
        Fault(
            "attitude_error",
            "waveform_change",
            "altered_shape",
            "the satellite pitches off its set attitude and its panels meet the Sun askew",
            duration=(95, 400),
            scale=(0.3, 2.0),
            root=("panel_current",),
            shows=("panel_temperature", "panel_current", "battery_current", "bus_voltage", "state_of_charge"),
            onset=0.1,
            precondition="in eclipse, when the Sun sensors cannot correct the gyros",
            when=lambda channels, world: _dark(world),
        ),
    ),
    texts=Texts(
        measured=(
            "Earth-pointing satellite 550 km up, sampled once a minute; an orbit takes 95 minutes,\n"
            "some 34 of them in eclipse.\n"
            "panel_temperature: of the solar panel on the zenith side, °C.\n"
            "panel_current: of the whole solar array before the shunts, A.\n"
            "battery_current: A, positive when it charges.\n"
            "bus_voltage: of the unregulated bus, V.\n"
            "state_of_charge: of the battery, by coulomb counting, %.\n"
            "payload_temperature: of the imager, °C; a proportional heater keeps it warm.\n"
        ),
        manual=(
            "Typical failures. Strings of the solar array open, mostly at the shock of leaving eclipse: the array\n"
            "current is low by the same share all day side long and the panel runs a little warmer.\n"
            "A heater switch that fails closed warms the imager by some degrees; mostly in eclipse, when it is busy.\n"
            "Frames of the current sensors may be lost; they then read 0 A, which in sunlight cannot be.\n"
            "An ageing battery cell shows as deeper discharge and a bus that sags further under the same load.\n"
            "Attitude errors build up in eclipse; the array current then rises early or late and is lopsided about\n"
            "noon, while sunrise and sunset stay where the orbit puts them.\n"
            "Campaign orbits with the imager on all day side are normal.\n"
        ),
        routine=(
            "pass over Svalbard, {n} frames retransmitted, all complete",
            "orbit determination updated",
            "imaging plan uploaded, {n} targets",
            "wheel momentum dumped, nominal",
        ),
        incidents=(
            "sister satellite: array section {n} open after eclipse exit, array current down for good",
            "flight model {n}: imager heater on without a break, switched to the redundant branch",
            "last year: current sensor board silent for {n} min, read 0 A in full sunlight",
            "sister satellite: battery end-of-discharge voltage sank over {n} weeks, one cell weak",
            "last year: attitude off by {n} deg after eclipse, array current lopsided till Sun sensors were back",
        ),
        misleading=(
            "array current zero for half an hour reported by a new operator; that was the eclipse",
            "imager {n} deg warmer than last orbit, campaign in progress",
            "battery limit check triggered during simulation on ground, {n} alarms",
        ),
    ),
    confirmation=True,
)
