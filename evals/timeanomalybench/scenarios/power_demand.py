"""The electrical load of a city in a cool climate, and the outdoor temperature.

The load has a daily and a weekly profile and depends on heating and cooling degrees: Hong and Fan, "Probabilistic
electric load forecasting: A tutorial review" (International Journal of Forecasting, 2016). The rebound after an outage
follows Lang, Anderson and Fannin, "An analytical method for quantifying the electrical space heating component of a
cold load pick up" (IEEE Transactions on Power Apparatus and Systems, 1982).
"""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench.processes import bump, freeze, lagged, rare_days, smooth_noise
from ape.evals.timeanomalybench.scenario import DAY, Fault, Scenario, Simulation, Texts, World

HOUSEHOLDS = 640.0  # MW
MILL = 50.0  # MW, of the rolling mill while it is rolling
BATCH = 9000.0  # s between batches of the mill
HEATING, COOLING = 8.0, 8.0  # MW per degree


def _course(hour: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Return the daily profile of households and offices as a share of their load; ``off`` [T] marks free days."""
    working = 0.58 + 0.34 * bump(hour, 8.5, 1.8) + 0.28 * bump(hour, 13.0, 2.5) + 0.42 * bump(hour, 19.0, 2.2)
    free = 0.54 + 0.22 * bump(hour, 11.0, 2.4) + 0.12 * bump(hour, 14.0, 2.5) + 0.36 * bump(hour, 19.0, 2.4)
    return np.where(off, free, working)


def simulate(world: World) -> Simulation:
    """Simulate the city."""
    holiday = rare_days(world, 0.05)
    weather, clouds, habits = (smooth_noise(world, seconds) for seconds in (300_000.0, 10_800.0, 14_400.0))
    day = world.day
    size = world.rng.normal(1.0, 0.012, day.max() + 1)[day]
    noise = world.rng.normal(size=(3, world.length))

    season = 6.0 - 6.0 * np.cos(2 * np.pi * world.seconds / (365 * DAY))
    temperature = season + 3.5 * weather + 3.0 * bump(world.hour, 15.0, 3.5) + 0.6 * clouds
    felt = lagged(temperature, world, 28_800.0)  # walls store heat
    off = holiday | (world.weekday >= 5)
    rolling = np.clip(1.5 * np.sin(2 * np.pi * world.seconds / BATCH) + 0.5, 0.0, 1.0)
    mill = np.where(world.weekday >= 5, 0.1, 1.0) * rolling * (1 - world.strength("industrial_trip"))
    load = HOUSEHOLDS * _course(world.hour, off) * size * (1 + 0.012 * habits)
    load = load + HEATING * np.maximum(0.0, 16 - felt) + COOLING * np.maximum(0.0, felt - 20)
    load = load + MILL * mill + 2.5 * noise[0]

    outage = world.strength("feeder_outage")
    lost = 0.2 * outage * load
    pick_up = np.where(outage > 0, 0.0, 0.6 * lagged(lost, world, 4500.0))  # all cold houses heat at once
    load = load - lost + pick_up

    clock = np.arange(world.length)
    load = np.interp(clock - 6.0 * world.strength("load_shift"), clock, load)
    load = freeze(load, world.strength("meter_freeze"))
    grid = 90.0 * world.strength("coarse_telemetry")  # MW
    load = np.where(grid > 0, np.round(load / np.maximum(grid, 1e-9)) * grid, load)
    return Simulation({"load": load, "temperature": temperature + 0.1 * noise[1]}, holiday)


SCENARIO = Scenario(
    name="power_demand",
    domain="power grid",
    units={"load": "MW", "temperature": "degC"},
    step=900.0,
    cycle=96,
    simulate=simulate,
    faults=(
        Fault(
            "feeder_outage",
            "abrupt_change",
            "step",
            "a feeder trips and its part of the city is dark; when it is back all heaters start at once",
            duration=(2, 16),
            scale=(0.3, 1.3),
            shows=("load",),
            root=("load",),
            precondition="when the feeders are heavily loaded",
            when=lambda channels, world: channels["load"] > np.quantile(channels["load"], 0.75),
        ),
        Fault(
            "meter_freeze",
            "stuck_sensor",
            "plateau",
            "the remote terminal keeps sending the last value",
            duration=(8, 40),
            scale=(0.05, 2.5),
            shows=("load",),
            root=("load",),
        ),
        Fault(
            "load_shift",
            "timing_disturbance",
            "shifted_cycles",
            "the clock of the metering point is slow, and its values arrive under later times",
            duration=(96, 480),
            scale=(0.2, 1.6),
            shows=("load",),
            root=("load",),
        ),
        Fault(
            "industrial_trip",
            "timing_disturbance",
            "missing_cycle",
            "the drive of the rolling mill trips and its batches do not come",
            duration=(12, 48),
            scale=(0.1, 0.5),
            shows=("load",),
            root=("load",),
            precondition="from Monday to Thursday, when the mill rolls",
            when=lambda channels, world: (world.weekday < 4) & (world.hour < 18),
        ),
        Fault(
            "coarse_telemetry",
            "damping",
            "stepped_values",
            "a wrong dead band at the remote terminal lets only coarse changes through",
            duration=(96, 480),
            scale=(0.1, 0.4),
            shows=("load",),
            root=("load",),
        ),
    ),
    texts=Texts(
        measured=(
            "Electrical load of a city in a cool climate, averages over a quarter of an hour.\n"
            "load: what the city draws from the transmission grid, MW; less at night, on Sundays and on holidays.\n"
            "temperature: outdoors, degC.\n"
        ),
        manual=(
            "Typical failures. A tripped feeder: the load falls by its part within one interval, mostly at high\n"
            "load; at reclosing expect more than before for an hour or two, more so in frost (cold load pickup).\n"
            "Remote terminal: it may send the last value on and on; after work on it the dead band may be too\n"
            "wide, and the load then jumps between few values. A slow clock at the metering point: morning and\n"
            "evening peak come late though the weather is on time. Rolling mill: draws 50 MW in batches of two\n"
            "and a half hours from Monday to Friday, holidays too; when its drive trips, the humps are absent. A\n"
            "holiday looks like a Sunday.\n"
        ),
        routine=(
            "public holiday, schedule of a Sunday",
            "transformer {n} taken out for maintenance, load moved",
            "forecast updated, {n} degrees colder tomorrow",
            "protection test done in substation {n}",
        ),
        incidents=(
            "last winter: feeder {n} tripped at the evening peak, restored after an hour, strong pickup",
            "substation {n}: terminal sent the same value all night",
            "substation {n}: clock battery empty, values came late",
            "neighbouring city: steelworks lost its drive, {n} h without rolling",
            "substation {n}: dead band was wrong after an update, values in coarse jumps",
        ),
        misleading=(
            "citizen reports street lamps off in quarter {n}; time switch replaced",
            "mill announces a new shift plan from next year, {n} shifts",
        ),
    ),
)
