"""A lithium-ion cell on a test bench, charged and discharged on a fixed schedule.

The equivalent circuit has a series resistance and one RC pair. Its open-circuit voltage is from Chen and Rincon-Mora,
"Accurate electrical battery model capable of predicting runtime and I-V performance", IEEE Transactions on Energy
Conversion 21 (2006). The single thermal mass follows Bernardi, Pawlikowski and Newman, J. Electrochem. Soc. 132 (1985).
Charging ends at constant voltage, so the cell reaches the same state in every cycle.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ape.evals.timeanomalybench.processes import freeze, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

CYCLE = 150  # samples: charge, rest, discharge, rest
CHARGED, RESTED, DISCHARGED = 75, 85, 135  # samples into the cycle at which each part ends
CAPACITY = 3.0  # Ah
CHARGE, DISCHARGE, LIMIT = 3.0, 2.75, 4.08  # A, A, V
EMPTY = 0.15  # state of charge at which the weakest cell ends a discharge
SERIES, PAIR, RELAXATION = 0.035, 0.02, 180.0  # ohm, ohm, s
COOLING, INERTIA = 0.08, 720.0  # W/K, s


@njit(cache=True)
def _cell(mode, wanted, ambient, short, contact, imbalance, step):
    """Return voltage in V, current in A and temperature in °C at each time step."""
    length = len(mode)
    voltage, current, temperature = np.empty(length), np.empty(length), np.empty(length)
    charge, slow, warm, ended = 0.5, 0.0, ambient[0], False
    keep, cooled = np.exp(-step / RELAXATION), np.exp(-step / INERTIA)
    for t in range(length):
        open_circuit = 3.685 - 1.031 * np.exp(-35 * charge) + charge * (0.2156 + charge * (0.3201 * charge - 0.1178))
        series = SERIES + contact[t]
        amps = 0.0
        if mode[t] > 0:
            amps = max(0.0, min(CHARGE, (LIMIT - open_circuit - slow) / series))
            ended = False
        elif mode[t] < 0:
            ended = ended or charge - imbalance[t] < EMPTY
            if not ended:
                amps = -wanted[t]
        slow = keep * slow + (1 - keep) * PAIR * amps
        voltage[t], current[t] = open_circuit + slow + series * amps, amps
        heat = (SERIES + 0.3 * contact[t]) * amps**2 + slow**2 / PAIR + short[t] * open_circuit
        warm = cooled * warm + (1 - cooled) * (ambient[t] + heat / COOLING)
        temperature[t] = warm
        charge = min(max(charge + (amps - short[t]) * step / 3600.0 / CAPACITY, 0.0), 1.0)
    return voltage, current, temperature


def simulate(world: World) -> Simulation:
    """Simulate the cell."""
    samples = np.arange(world.length)
    number, place = samples // CYCLE, samples % CYCLE
    reference = (world.rng.random(number.max() + 1) < 0.08)[number]  # cycles at half the load, to check the capacity
    size = world.rng.normal(1.0, 0.02, number.max() + 1)[number] * np.where(reference, 0.5, 1.0)
    wanted = DISCHARGE * size * np.maximum(0.2, 1 + 0.15 * smooth_noise(world, 240.0))
    ambient = 25.0 + 0.6 * smooth_noise(world, 4 * 3600.0)
    noise = world.rng.normal(size=(4, world.length))

    mode = np.select([place < CHARGED, (place >= RESTED) & (place < DISCHARGED)], [1.0, -1.0], 0.0)
    voltage, current, temperature = _cell(
        mode, wanted, ambient, 0.15 * world.strength("internal_short"), 0.04 * world.strength("contact_resistance"),
        0.35 * world.strength("early_cutoff"), world.step,
    )  # fmt: skip
    voltage = voltage + 0.002 * noise[0]
    grid = 0.2 * world.strength("coarse_voltage")
    voltage = np.where(grid > 0, np.round(voltage / np.maximum(grid, 1e-9)) * grid, voltage)
    return Simulation(
        {
            "voltage": voltage,
            "current": current + 0.01 * noise[1],
            "temperature": freeze(temperature + 0.05 * noise[2], world.strength("thermistor_freeze")),
            "chamber_temperature": ambient + 0.05 * noise[3],
        },
        reference & (mode < 0),
    )


SCENARIO = Scenario(
    name="battery_cycles",
    domain="battery testing",
    units={"voltage": "V", "current": "A", "temperature": "°C", "chamber_temperature": "°C"},
    step=60.0,
    cycle=CYCLE,
    simulate=simulate,
    faults=(
        Fault(
            "internal_short",
            "gradual_drift",
            "altered_shape",
            "a soft short inside the cell drains it, warms it, and keeps the charger busy",
            duration=(300, 900),
            scale=(0.9, 4.5),
            shows=("voltage", "current", "temperature"),
            root=("voltage",),
            onset=0.6,
            precondition="while the cell is being charged",
            when=lambda channels, world: channels["current"] > 0.5,
        ),
        Fault(
            "contact_resistance",
            "gain_change",
            "scaled_cycles",
            "a loosened clamp adds resistance: the voltage swings wider under the same load",
            duration=(150, 700),
            scale=(0.1, 1.5),
            shows=("voltage", "current", "temperature"),
            root=("voltage",),
            onset=0.1,
            precondition="under full discharge, when the clamp is hot",
            when=lambda channels, world: channels["current"] < -2.0,
        ),
        Fault(
            "thermistor_freeze",
            "stuck_sensor",
            "plateau",
            "the thermistor's channel keeps its last reading",
            duration=(30, 300),
            scale=(0.3, 3.0),
            shows=("temperature",),
            root=("temperature",),
        ),
        Fault(
            "early_cutoff",
            "timing_disturbance",
            "missing_cycle",
            "a cell out of balance trips the protection before the discharge is done",
            duration=(300, 900),
            scale=(0.7, 3.0),
            shows=("voltage", "current", "temperature"),
            root=("current",),
        ),
        Fault(
            "coarse_voltage",
            "damping",
            "stepped_values",
            "the converter of the voltage loses its lower bits",
            duration=(30, 600),
            scale=(0.1, 0.6),
            shows=("voltage",),
            root=("voltage",),
        ),
    ),
    texts=Texts(
        measured=(
            "Cell in a module on a cycling bench, sampled once a minute; a cycle takes 150 minutes by the clock:\n"
            "charge at constant current and then constant voltage, rest, discharge with a varying load, rest.\n"
            "voltage: at the clamps, V.\n"
            "current: A, positive when it charges.\n"
            "temperature: of the cell's can, °C.\n"
            "chamber_temperature: °C.\n"
        ),
        manual=(
            "Typical failures. A soft internal short, often born during charge: the voltage falls at rest, the\n"
            "current at the end of charge does not go down to zero, the cell stays warm with no load.\n"
            "A loosened clamp: more voltage drop for the same current, and constant voltage is reached too soon; it\n"
            "gives way under discharge, when it is hot.\n"
            "A thermistor channel may hang at its last reading while the load comes and goes.\n"
            "When balancing fails the weakest cell trips the protection and the discharge ends before its time; the\n"
            "next full charge starts by the clock as ever.\n"
            "The voltage converter may lose bits and read in coarse steps.\n"
            "Reference cycles at half the load are normal.\n"
        ),
        routine=(
            "cycle counter read, {n} cycles since the last capacity check",
            "chamber door opened for {n} s, temperature steady",
            "data logger synchronised",
            "reference cycle scheduled",
        ),
        incidents=(
            "cell {n}: voltage sank at rest and the can was warm, separator pierced, cell removed",
            "rig {n}: clamp retightened, voltage drop had doubled under load",
            "rig {n}: cell temperature the same to the digit for two hours, thermistor multiplexer reset",
            "module {n}: discharge stopped a quarter of an hour too soon, balancing board replaced",
            "rig {n}: voltage read in steps of 0.1 V after firmware update, rolled back",
        ),
        misleading=(
            "cell only half discharged, reference cycle {n}",
            "chamber {n} deg warmer during filter change on the floor below, cells not affected",
            "protection test on an empty channel, trip as expected",
        ),
    ),
    confirmation=True,
)
