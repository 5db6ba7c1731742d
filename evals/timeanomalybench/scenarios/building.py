"""A school in winter with a heating controller and demand-controlled ventilation.

The grey-box thermal network of air, envelope and heater is model TiTeTh of Bacher and Madsen, "Identifying suitable
models for the heat dynamics of buildings", Energy and Buildings 43 (2011). PI control with a clamped integral follows
Åström and Hägglund, "Advanced PID control" (2006). Carbon dioxide follows the mass balance of a well-mixed room, ASTM
D6245.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ape.evals.timeanomalybench.processes import bump, freeze, lagged, rare_days, smooth_noise
from ape.evals.timeanomalybench.scenario import DAY, Fault, Scenario, Simulation, Texts, World

AIR, ENVELOPE, HEATER = 6.0, 25.0, 0.6  # kWh/K
AIR_ENVELOPE, ENVELOPE_OUTSIDE, HEATER_AIR = 3.0, 0.7, 2.0  # kW/K
RATED_POWER = 50.0  # kW
GAIN, RESET = 0.2, 3.0  # valve opening per K; h
VOLUME = 3000.0  # m3
OUTSIDE_CO2 = 420.0  # ppm
BREATHED = 5.0  # ppm m3/s per person
SUBSTEPS = 5


@njit(cache=True)
def _building(outside, sun, people, target, stuck, window, bias, frozen, step):
    """Return indoor temperature in °C, share of the rated heating power and CO2 in ppm at each time step."""
    length = len(outside)
    indoor, valve, co2 = np.empty(length), np.empty(length), np.empty(length)
    air, wall, gas, integral = target[0], target[0] - 2.0, 500.0, 0.4
    heater = air + 5.0
    position, seen_gas = 0.4, gas
    hours = step / 3600.0 / SUBSTEPS
    for t in range(length):
        for _ in range(SUBSTEPS):
            error = target[t] - air - bias[t]
            integral = min(max(integral + hours / RESET * GAIN * error, 0.0), 1.0)
            wanted = min(max(GAIN * error + integral, 0.0), 1.0)
            if stuck[t] == 0:
                position = wanted
            opened = wanted + stuck[t] * (position - wanted)
            if frozen[t] == 0:
                seen_gas = gas
            sensed = gas + frozen[t] * (seen_gas - gas)
            fan = 0.8 * min(max((sensed - 550.0) / 800.0, 0.0), 1.0)  # m3/s
            leaks = 0.12 + 0.4 * window[t]
            exchange = 0.5 * fan + 1.2 * leaks  # kW/K; the fan has heat recovery
            to_air = HEATER_AIR * (heater - air)
            to_wall = AIR_ENVELOPE * (air - wall)
            heater += hours * (RATED_POWER * opened - to_air) / HEATER
            gains = 0.08 * people[t] + 0.6 * sun[t] - exchange * (air - outside[t])
            air += hours * (to_air - to_wall + gains) / AIR
            wall += hours * (to_wall - ENVELOPE_OUTSIDE * (wall - outside[t]) + 0.4 * sun[t]) / ENVELOPE
            gas += 3600.0 * hours * (BREATHED * people[t] - (fan + leaks) * (gas - OUTSIDE_CO2)) / VOLUME
        indoor[t], valve[t], co2[t] = air, opened, gas
    return indoor, valve, co2


def simulate(world: World) -> Simulation:
    """Simulate the building."""
    day = (world.seconds // DAY).astype(int)
    holiday = rare_days(world, 0.08) & (world.weekday < 5)
    pupils = world.rng.normal(110.0, 6.0, day.max() + 1)[day]
    cloud = 1 / (1 + np.exp(-1.5 * smooth_noise(world, 6 * 3600.0)))
    weather = 3.0 * smooth_noise(world, 3 * DAY) + 0.8 * smooth_noise(world, 4 * 3600.0)
    coming = 0.06 * smooth_noise(world, 2 * 3600.0)
    noise = world.rng.normal(size=(4, world.length))

    sun = 14.0 * np.maximum(0.0, np.sin(np.pi * (world.hour - 7.5) / 9.5)) * (world.hour < 17) * (1 - 0.8 * cloud)
    outside = 3.0 + weather + lagged(0.35 * sun, world, 2 * 3600.0) - 1.0 * bump(world.hour, 5.0, 3.0)
    school = (world.weekday < 5) & ~holiday
    there = 1 / (1 + np.exp(-(world.hour - 7.8) / 0.15)) - 0.75 / (1 + np.exp(-(world.hour - 13.5) / 0.3))
    there -= 0.25 / (1 + np.exp(-(world.hour - 16.0) / 0.3))
    people = np.maximum(0.0, np.round(pupils * there * (1 + coming) * school * (1 - 0.1 * bump(world.hour, 10.0, 0.2))))

    clock = world.seconds - 3.0 * 3600.0 * world.strength("schedule_shift")
    hour, weekday = clock % DAY / 3600.0, (clock // DAY).astype(int) % 7
    comfort = (hour >= 5.5) & (hour < 16.5) & (weekday < 5) & ~holiday
    bias, frozen = 1.8 * world.strength("sensor_offset_drift"), world.strength("co2_sensor_freeze")
    indoor, valve, co2 = _building(
        outside, sun, people, 17.5 + 3.5 * comfort, world.strength("stuck_valve"), world.strength("window_open"),
        bias, frozen, world.step,
    )  # fmt: skip
    return Simulation(
        {
            "indoor_temperature": indoor + bias + 0.05 * noise[0],
            "outdoor_temperature": outside + 0.1 * noise[1],
            "heating_power": RATED_POWER * valve * (1 + 0.01 * noise[2]),
            "co2": freeze(co2 + 6.0 * noise[3], frozen),
            "occupancy": people,
        },
        holiday,
    )


SCENARIO = Scenario(
    name="building",
    domain="building services",
    units={
        "indoor_temperature": "°C",
        "outdoor_temperature": "°C",
        "heating_power": "kW",
        "co2": "ppm",
        "occupancy": "persons",
    },
    step=900.0,
    cycle=96,
    simulate=simulate,
    faults=(
        Fault(
            "stuck_valve",
            "damping",
            "plateau",
            "the heating valve sticks where it is and no longer follows the controller",
            duration=(24, 150),
            scale=(0.4, 10.0),
            shows=("indoor_temperature", "heating_power"),
            root=("heating_power",),
            precondition="while heating at part load",
            when=lambda channels, world: (channels["heating_power"] > 6) & (channels["heating_power"] < 18),
        ),
        Fault(
            "window_open",
            "transient",
            "altered_shape",
            "windows are left open after school until the caretaker closes them",
            duration=(16, 60),
            scale=(0.5, 3.2),
            shows=("indoor_temperature", "heating_power", "co2"),
            root=("indoor_temperature",),
            precondition="from the afternoon of a school day",
            when=lambda channels, world: (world.hour >= 12) & (world.hour < 16) & (channels["occupancy"] > 10),
        ),
        Fault(
            "sensor_offset_drift",
            "gradual_drift",
            "ramp",
            "the room sensor comes to read too high, so that the rooms are heated too little",
            duration=(300, 900),
            scale=(0.6, 4.0),
            shows=("indoor_temperature", "heating_power"),
            root=("indoor_temperature",),
            onset=1.0,
        ),
        Fault(
            "co2_sensor_freeze",
            "stuck_sensor",
            "plateau",
            "the carbon dioxide sensor keeps its last reading, and the ventilation with it",
            duration=(24, 200),
            scale=(0.3, 13.0),
            shows=("indoor_temperature", "heating_power", "co2"),
            root=("co2",),
            precondition="on a school day",
            when=lambda channels, world: (world.hour < 12) & (world.weekday < 5),
        ),
        Fault(
            "schedule_shift",
            "timing_disturbance",
            "shifted_cycles",
            "the time switch of the heating runs late after a power cut",
            duration=(192, 900),
            scale=(7.0, 9.5),
            shows=("indoor_temperature", "heating_power"),
            root=("heating_power",),
        ),
    ),
    texts=Texts(
        measured=(
            "A school of some 110 pupils in winter, sampled every quarter of an hour.\n"
            "indoor_temperature: room sensor of the heating controller, °C.\n"
            "outdoor_temperature: north wall, °C.\n"
            "heating_power: heat meter, kW; the control valve sets it.\n"
            "co2: carbon dioxide in the extract air, ppm; the ventilation follows it.\n"
            "occupancy: people counted at the doors.\n"
        ),
        manual=(
            "Typical failures. A valve that has seized gives the same heat day and night, whatever the rooms need.\n"
            "Windows left open after lessons: heat demand stays up through the evening and CO2 falls quickly.\n"
            "An ageing room sensor reads too high; the display shows the set value and the pupils complain of cold.\n"
            "A CO2 sensor that hangs shows the same value with the building full or empty.\n"
            "After a power cut the time switch may run hours late: warm-up begins when lessons do.\n"
            "On holidays the building stays at setback.\n"
        ),
        routine=(
            "filter of ventilation unit {n} changed",
            "boiler inspected, flue gas in order",
            "parents' evening announced for next week",
            "radiator bled in room {n}",
        ),
        incidents=(
            "gym: control valve seized, heated all weekend, actuator exchanged",
            "room {n}: windows open overnight, 14 degrees in the morning",
            "annex: room sensor compared, reads {n} tenths of a degree too high",
            "kindergarten: CO2 display on the same value for {n} days",
            "after power cut: time switch {n} h late, set again",
        ),
        misleading=(
            "teacher of room {n} finds it too cold; others are content",
            "fire drill, everybody outside for {n} min",
        ),
    ),
    confirmation=True,
)
