"""A continuous stirred-tank reactor with a cooling jacket, under PI control of its temperature.

The first-order exothermic reaction has the constants of Seborg, Edgar, Mellichamp and Doyle, "Process dynamics and
control" (3rd ed., 2011), chapter 2. Here the feed is diluted to 0.3 mol/l and the coolant is tempered, which makes the
operating point stable in open loop. The stick-slip of the valve follows Choudhury, Thornhill and Shah, "Modelling valve
stiction", Control Engineering Practice 13 (2005).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.signal import lfilter

from ape.evals.timeanomalybench.processes import lagged, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

VOLUME, JACKET = 100.0, 10.0  # l
HEAT, WATER = 239.0, 4184.0  # J/l K, of the reactor's contents and of the coolant
REACTION = 5e4  # J/mol
FREQUENCY, ACTIVATION = 7.2e10, 8750.0  # 1/min, K
TRANSFER = 5e4  # J/min K
FULL_FLOW = 20.0  # l/min of coolant
SET, COOLANT = 350.0, 315.0  # K
GAIN, RESET = 0.04, 4.0  # valve opening per K, min
BATCH = 3600.0  # s, of the plant upstream
SUBSTEPS = 10


@njit(cache=True)
def _reactor(feed, strength, inlet, activity, transfer, error, friction, step):
    """Return temperatures of reactor and jacket in K, coolant flow in l/min and concentration in mol/l."""
    length = len(feed)
    hot, cold, coolant, left = np.empty(length), np.empty(length), np.empty(length), np.empty(length)
    warm, cool, rest, integral, stem = SET, 335.0, 0.15, 0.45, 0.45
    dt = step / 60.0 / SUBSTEPS
    for t in range(length):
        off = warm + error[t] - SET
        integral = min(max(integral + GAIN / RESET * step / 60.0 * off, 0.1), 0.8)
        valve = min(max(integral + GAIN * off, 0.0), 1.0)
        if abs(valve - stem) >= friction[t]:  # otherwise the stem does not move
            stem = valve
        flow = FULL_FLOW * stem
        for _ in range(SUBSTEPS):
            rate = activity[t] * FREQUENCY * np.exp(-ACTIVATION / warm) * rest
            passed = transfer[t] * (warm - cool)
            rest += dt * (feed[t] / VOLUME * (strength[t] - rest) - rate)
            warm += dt * (feed[t] / VOLUME * (inlet[t] - warm) + REACTION * rate / HEAT - passed / (VOLUME * HEAT))
            cool += dt * (flow / JACKET * (COOLANT - cool) + passed / (JACKET * WATER))
        hot[t], cold[t], coolant[t], left[t] = warm, cool, flow, rest
    return hot, cold, coolant, left


def simulate(world: World) -> Simulation:
    """Simulate the reactor."""
    hurry = lfilter(np.ones(80), [1.0], world.rng.random(world.length) < 0.0006) > 0  # orders for more throughput
    phase = world.seconds / BATCH % 1
    batch = world.rng.normal(1.0, 0.1, int(world.seconds[-1] // BATCH) + 1)[(world.seconds // BATCH).astype(int)]
    feed = 96.0 + 14.0 * batch * np.sin(np.pi * phase**0.7) ** 2 + 8.0 * hurry + 1.0 * smooth_noise(world, 300.0)
    strength = 0.3 + 0.004 * smooth_noise(world, 1800.0)
    inlet = SET + 1.5 * smooth_noise(world, 3600.0)
    dosing = 1 + 0.02 * smooth_noise(world, 5400.0)  # of the catalyst
    noise = world.rng.normal(size=(6, world.length))

    feed = feed - world.strength("feed_blockage") * np.maximum(0.0, feed - 98.0)
    activity = dosing * (1 - 0.12 * lagged(world.strength("catalyst_deactivation"), world, 300.0))
    transfer = TRANSFER * (1 - 0.15 * lagged(world.strength("jacket_fouling"), world, 600.0))
    error = 0.06 * noise[0] + 0.4 * world.strength("thermocouple_noise") * noise[1]
    hot, cold, coolant, left = _reactor(
        feed, strength, inlet, activity, transfer, error, 0.08 * world.strength("coolant_valve_sticking"), world.step
    )
    return Simulation(
        {
            "reactor_temperature": hot + error - 273.15,
            "jacket_temperature": cold + 0.1 * noise[2] - 273.15,
            "coolant_flow": np.maximum(0.0, coolant + 0.03 * noise[3]),
            "concentration": left + 0.0006 * noise[4],
            "feed_flow": feed + 0.3 * noise[5],
        },
        hurry,
    )


ALL = ("reactor_temperature", "jacket_temperature", "coolant_flow", "concentration", "feed_flow")

SCENARIO = Scenario(
    name="stirred_reactor",
    domain="chemical process",
    units={
        "reactor_temperature": "°C",
        "jacket_temperature": "°C",
        "coolant_flow": "l/min",
        "concentration": "mol/l",
        "feed_flow": "l/min",
    },
    step=30.0,
    cycle=120,
    simulate=simulate,
    faults=(
        Fault(
            "jacket_fouling",
            "gradual_drift",
            "ramp",
            "deposits on the jacket wall hinder the heat, and it takes more and colder coolant",
            duration=(300, 900),
            scale=(0.7, 4.5),
            shows=ALL[:4],
            root=("jacket_temperature",),
            onset=0.9,
        ),
        Fault(
            "coolant_valve_sticking",
            "damping",
            "stepped_values",
            "the stem of the coolant valve sticks and slips, and the controller hunts",
            duration=(60, 400),
            scale=(0.9, 7.0),
            shows=ALL[:4],
            root=("coolant_flow",),
            precondition="when the valve is far open",
            when=lambda channels, world: channels["coolant_flow"] > np.median(channels["coolant_flow"]),
        ),
        Fault(
            "catalyst_deactivation",
            "abrupt_change",
            "step",
            "a poison in a new batch of feed deactivates part of the catalyst",
            duration=(120, 600),
            scale=(0.5, 2.5),
            shows=ALL[:4],
            root=("concentration",),
            precondition="at the beginning of a batch of feed",
            when=lambda channels, world: world.seconds / BATCH % 1 < 0.08,
        ),
        Fault(
            "thermocouple_noise",
            "noise_increase",
            "rough_stretch",
            "a loose terminal makes the reactor thermocouple noisy, and the controller follows it",
            duration=(60, 500),
            scale=(0.7, 4.5),
            shows=ALL[:4],
            root=("reactor_temperature",),
        ),
        Fault(
            "feed_blockage",
            "saturation",
            "clipped_peaks",
            "a clogged strainer holds back the feed when much of it is wanted",
            duration=(60, 500),
            scale=(0.4, 4.0),
            shows=ALL,
            root=("feed_flow",),
            precondition="when the feed is above its middle",
            when=lambda channels, world: channels["feed_flow"] > np.median(channels["feed_flow"]),
        ),
    ),
    texts=Texts(
        measured=(
            "Cooled stirred-tank reactor with an exothermic reaction, sampled twice a minute.\n"
            "reactor_temperature: °C, held at 76.85 by the coolant valve.\n"
            "jacket_temperature: of the coolant in the jacket, °C.\n"
            "coolant_flow: through the jacket, l/min.\n"
            "concentration: of the reactant in the outlet, mol/l.\n"
            "feed_flow: l/min; swells with each hourly batch of the plant upstream.\n"
        ),
        manual=(
            "Typical failures. Fouling of the jacket: the reactor keeps its temperature, but the valve has to open\n"
            "further for the same feed and the jacket gets colder, little by little.\n"
            "The coolant valve sticks, mostly when far open: the coolant stays where it is and then jumps, while\n"
            "the reactor temperature swings up and down.\n"
            "Catalyst poison arrives with a fresh batch of feed: unreacted feed in the outlet, less heat to remove.\n"
            "A loose thermocouple terminal gives a nervous temperature and a valve that hunts.\n"
            "A clogged feed strainer lets the base load through and takes the top off the hourly swell.\n"
            "Throughput is raised for some forty minutes now and then by order of planning; that is normal.\n"
        ),
        routine=(
            "outlet sample taken, lab confirms analyser within {n} %",
            "upstream column reports batch change on time",
            "agitator seal topped up, {n} ml",
            "shift change, all loops in automatic",
        ),
        incidents=(
            "unit {n}: jacket acid-washed, heat transfer had sunk by a quarter",
            "unit {n}: coolant valve packing too tight, stem moved in jumps of {n} %, repacked",
            "last spring: sulphur in feed batch {n}, conversion fell at once",
            "unit {n}: thermocouple terminal retightened, reading had jumped about",
            "strainer basket {n} cleaned, feed had not come above base load",
        ),
        misleading=(
            "feed up by {n} l/min, order from planning",
            "operator saw coolant flow swing, followed the feed as it should",
            "high-temperature trip tested, {n} s response, test signal only",
        ),
    ),
)
