"""A water tower that a variable-speed pump fills and a town empties, with a level controller.

The mass balance of a tank under proportional level control follows Franklin, Powell and Emami-Naeini, "Feedback control
of dynamic systems". Pump power follows the affinity laws. The daily profile of demand, with peaks in the morning and
the evening, follows Walski et al., "Advanced water distribution modeling and management" (2003).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ape.evals.timeanomalybench.processes import bump, freeze, rare_days, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

AREA, FULL = 150.0, 5.0  # m2, m
RATED_FLOW = 0.18  # m3/s
RATED_POWER = 45.0  # kW
USUAL_SPEED = 0.5  # share of the rated speed
GAIN = 0.8  # share of the rated speed per metre below the set level


@njit(cache=True)
def _tank(demand, target, capacity, leak, bias, stuck, step):
    """Return the level in m and the pump speed as a share of the rated speed, at each time step."""
    length = len(demand)
    level, speed = np.empty(length), np.empty(length)
    height = last = target[0]
    for t in range(length):
        seen = height + bias[t]
        if stuck[t] > 0:  # with a frozen sensor the controller keeps using the last reading
            seen += stuck[t] * (last - seen)
        else:
            last = seen
        speed[t] = min(max(USUAL_SPEED + GAIN * (target[t] - seen), 0.0), 1.0)
        height += step * (speed[t] * capacity[t] * RATED_FLOW - demand[t] - leak[t] * np.sqrt(height)) / AREA
        height = min(max(height, 0.05), FULL)
        level[t] = height
    return level, speed


def simulate(world: World) -> Simulation:
    """Simulate the tank."""
    festival = rare_days(world, 0.04)
    day = world.day
    size = world.rng.normal(1.0, 0.05, day.max() + 1)[day] + 0.35 * festival
    course = (
        0.03 + 0.07 * bump(world.hour, 7.5, 1.5) + 0.06 * bump(world.hour, 19.5, 2.0) + 0.02 * bump(world.hour, 13, 3)
    )
    demand = course * size * np.exp(0.1 * smooth_noise(world, 1800.0))
    noise = world.rng.normal(size=(5, world.length))

    demand = demand + 0.03 * world.strength("main_burst")
    wear, bias = world.strength("impeller_wear"), 0.2 * world.strength("level_sensor_drift")
    stuck = world.strength("level_sensor_freeze")
    target = 3.0 + 0.6 * bump(world.hour, 4.0, 2.5)  # cheap power fills the tower at night
    level, speed = _tank(demand, target, 1 - 0.12 * wear, 0.012 * world.strength("tank_leak"), bias, stuck, world.step)
    flow = 1000 * RATED_FLOW * speed * (1 - 0.12 * wear)
    return Simulation(
        {
            "level": freeze(level + bias + 0.01 * noise[0], stuck),
            "pump_flow": np.maximum(0.0, flow + 1.0 * noise[1]),
            "demand": np.maximum(0.0, 1000 * demand + 1.0 * noise[2]),
            "outlet_pressure": 9.81 * (30.0 + level) - 0.15 * (1000 * demand / 50) ** 2 + 0.1 * noise[4],
            "pump_power": RATED_POWER * (0.1 + 0.9 * speed**3) * (1 + 0.2 * wear) + 0.3 * noise[3],
        },
        festival,
    )


SCENARIO = Scenario(
    name="pumped_tank",
    domain="water supply",
    units={"level": "m", "pump_flow": "l/s", "demand": "l/s", "outlet_pressure": "kPa", "pump_power": "kW"},
    step=300.0,
    cycle=288,
    simulate=simulate,
    faults=(
        Fault(
            "main_burst",
            "abrupt_change",
            "step",
            "a water main bursts and the outflow jumps until it is shut off",
            duration=(12, 96),
            scale=(0.4, 9.0),
            shows=("level", "pump_flow", "demand", "outlet_pressure", "pump_power"),
            root=("demand",),
            precondition="at night, when the pressure is highest",
            when=lambda channels, world: world.hour < 6,
        ),
        Fault(
            "tank_leak",
            "gradual_drift",
            "altered_shape",
            "the tank leaks: it empties faster and the pump runs longer",
            duration=(300, 900),
            scale=(1.0, 7.5),
            shows=("level", "pump_flow", "outlet_pressure", "pump_power"),
            root=("level",),
            onset=0.5,
        ),
        Fault(
            "impeller_wear",
            "gain_change",
            "altered_shape",
            "a worn impeller moves less water for more power",
            duration=(300, 900),
            scale=(1.0, 12.0),
            shows=("level", "pump_flow", "outlet_pressure", "pump_power"),
            root=("pump_flow",),
            onset=0.6,
        ),
        Fault(
            "level_sensor_freeze",
            "stuck_sensor",
            "plateau",
            "the level sensor keeps its last reading, and the controller with it",
            duration=(12, 60),
            scale=(0.05, 35.0),
            shows=("level", "pump_flow", "outlet_pressure", "pump_power"),
            root=("level",),
        ),
        Fault(
            "level_sensor_drift",
            "gradual_drift",
            "ramp",
            "scale on the level sensor lifts its reading little by little",
            duration=(300, 900),
            scale=(0.3, 12.0),
            shows=("level", "pump_flow", "outlet_pressure", "pump_power"),
            root=("level",),
            onset=1.0,
        ),
    ),
    texts=Texts(
        measured=(
            "Elevated water tank of a small town, sampled every five minutes.\n"
            "level: water level in m; it is kept near 3 m, higher at night.\n"
            "pump_flow: what the pump delivers, l/s.\n"
            "demand: what the town draws, l/s; peaks in the morning and in the evening.\n"
            "outlet_pressure: at the foot of the tower, kPa.\n"
            "pump_power: electrical power of the pump, kW.\n"
        ),
        manual=(
            "Typical failures. A burst main shows as a sudden jump of the demand, mostly at night, when pressure is "
            "high.\n"
            "A leaking tank empties faster than demand explains; the pump runs longer, slowly more so.\n"
            "Impeller wear lowers the flow over weeks while the power rises.\n"
            "The level sensor may freeze at its last reading, or drift upwards as scale builds up.\n"
        ),
        routine=(
            "shift handover, nothing to report",
            "chlorine dosing checked, {n} mg/l",
            "telemetry link restarted, {n} s without data, backfilled",
            "pump bearing greased",
        ),
        incidents=(
            "last year: burst main in the old town, demand jumped at 03:10, shut off after {n} h",
            "tank no. {n}: leak at the drain valve found, level fell overnight",
            "station {n}: impeller replaced, flow had sunk by a third",
            "station {n}: level sensor stuck at its reading, tank overflowed",
            "level sensor cleaned, had read {n} cm too high",
        ),
        misleading=(
            "citizen reports low pressure on the third floor; house valve was closed",
            "alarm test of level sensor, {n} alarms, all expected",
        ),
    ),
)
