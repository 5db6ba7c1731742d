"""Front bearing of a drying cylinder in a board machine, 30 turns per minute, with vibration and process sensors.

Shaft harmonics, and the effect of imbalance and looseness on them, follow Randall, "Vibration-based condition
monitoring" (2011). Impacts of an outer race defect, with slightly random spacing, follow McFadden and Smith, "Model for
the vibration produced by a single point defect in a rolling element bearing", J. Sound Vib. 96 (1984), and Randall and
Antoni, "Rolling element bearing diagnostics - a tutorial", MSSP 25 (2011).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from ape.evals.timeanomalybench.processes import lagged, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

SPEED = 0.5  # turns per second
BPFO = 3.58  # balls that pass a point of the outer race, per turn
FOLLOWING = 3.0  # s, time constant with which the drive catches up with the line


def _sheet_breaks(world: World) -> np.ndarray:
    """Draw sheet breaks: bool [T], where no sheet is on the cylinder, about every two minutes for some 10 s."""
    begins = world.rng.random(world.length) < world.step / 110.0
    lasts = world.rng.integers(120, 300, world.length)
    change = np.zeros(world.length + 1)
    first = np.flatnonzero(begins)
    np.add.at(change, first, 1)
    np.add.at(change, np.minimum(first + lasts[first], world.length), -1)
    return np.cumsum(change)[:-1] > 0


def simulate(world: World) -> Simulation:
    """Simulate the cylinder."""
    breaks = _sheet_breaks(world)
    load = lagged(0.8 - 0.4 * breaks, world, 1.0) + 0.05 * smooth_noise(world, 15.0)
    line = SPEED * (1 + 0.02 * smooth_noise(world, 20.0))
    jitter, roughness = smooth_noise(world, 2.0), smooth_noise(world, 5.0)
    noise = world.rng.normal(size=(6, world.length))

    slip = world.strength("speed_slip")
    # turns behind the line, bounded by the position loop of the drive
    lag = lagged(lagged(0.35 * slip, world, FOLLOWING), world, FOLLOWING)
    turns = world.step * np.cumsum(line) - lag
    speed = line - np.diff(lag, prepend=lag[0]) / world.step
    angle = 2 * np.pi * turns

    uneven, loose = world.strength("imbalance"), world.strength("looseness")
    once = (1.6 + 1.8 * uneven) * (speed / SPEED) ** 2
    vibration = once * np.sin(angle) + (0.5 + 0.2 * load) * np.sin(2 * angle + 0.8) + 0.25 * np.sin(3 * angle + 2.0)
    vibration += loose * load * (np.sin(2 * angle + 1.5) + 0.8 * np.sin(3 * angle) + 0.6 * np.sin(angle / 2))
    vibration += 0.15 * noise[0]
    over = world.strength("sensor_saturation")
    ceiling = np.where(over > 0, 0.62 / np.maximum(over, 1e-9), np.inf)

    pitting = world.strength("bearing_defect")
    passage = (BPFO * turns + 0.06 * jitter) % 1.0
    ringing = lfilter([0.5], [1.0, -0.5], np.exp(-passage / 0.12))
    floor = 0.35 * (1 + 0.12 * np.sin(angle + 1.0)) * (0.6 + 0.5 * load) * np.exp(0.12 * noise[1] + 0.08 * roughness)
    heat = 9.0 * load * line / SPEED
    return Simulation(
        {
            "vibration": np.clip(vibration, -ceiling, ceiling),
            "envelope": floor + 0.9 * pitting * load * ringing * np.exp(0.2 * noise[2]),
            "speed": 60 * speed + 0.05 * noise[3],
            "bearing_temperature": 62.0
            + lagged(heat, world, 30.0)
            + lagged(0.4 * pitting, world, 6.0)
            + 0.04 * noise[4],
            "motor_current": (25 + 60 * load) * (1 - 0.12 * slip) * (1 + 0.01 * np.sin(angle)) + 0.4 * noise[5],
        },
        breaks,
    )


SCENARIO = Scenario(
    name="rotating_machine",
    domain="condition monitoring",
    units={"vibration": "mm/s", "envelope": "g", "speed": "rpm", "bearing_temperature": "°C", "motor_current": "A"},
    step=0.05,
    cycle=40,
    simulate=simulate,
    faults=(
        Fault(
            "bearing_defect",
            "noise_increase",
            "rough_stretch",
            "balls strike a pit in the outer race and the bearing warms a little",
            duration=(200, 800),
            scale=(1.5, 9.0),
            shows=("envelope", "bearing_temperature"),
            root=("envelope",),
            onset=0.3,
            precondition="under load, with the sheet on the cylinder",
            when=lambda channels, world: channels["motor_current"] > 65,
        ),
        Fault(
            "imbalance",
            "gain_change",
            "scaled_cycles",
            "condensate gathers on one side of the cylinder and turns with it",
            duration=(200, 900),
            scale=(0.4, 1.6),
            shows=("vibration",),
            root=("vibration",),
            onset=0.5,
        ),
        Fault(
            "looseness",
            "waveform_change",
            "altered_shape",
            "the bearing housing works loose on its foot and adds harmonics and half orders",
            duration=(120, 700),
            scale=(0.4, 1.7),
            shows=("vibration",),
            root=("vibration",),
        ),
        Fault(
            "sensor_saturation",
            "saturation",
            "clipped_peaks",
            "the charge amplifier of the vibration sensor is overdriven and cuts the peaks",
            duration=(100, 700),
            scale=(0.3, 1.8),
            shows=("vibration",),
            root=("vibration",),
        ),
        Fault(
            "speed_slip",
            "timing_disturbance",
            "shifted_cycles",
            "the drive belt slips under load and the cylinder falls behind the line until it is caught up",
            duration=(100, 500),
            scale=(1.3, 5.5),
            shows=("vibration", "envelope", "speed", "motor_current"),
            root=("speed",),
            onset=0.4,
            precondition="at high load",
            when=lambda channels, world: channels["motor_current"] > np.quantile(channels["motor_current"], 0.6),
        ),
    ),
    texts=Texts(
        measured=(
            "Front bearing of a steam-heated drying cylinder, sampled 20 times a second; one turn takes about 2 s.\n"
            "vibration: velocity of the bearing housing, mm/s.\n"
            "envelope: demodulated acceleration, g; shows impacts in the bearing.\n"
            "speed: of the cylinder, rpm; the line sets it.\n"
            "bearing_temperature: thermocouple at the outer ring, °C.\n"
            "motor_current: of the section drive, A; follows the load.\n"
        ),
        manual=(
            "Typical failures. Pitting of the outer race knocks 3.6 times a turn in the envelope, only under load.\n"
            "Condensate that is not drawn off makes the cylinder run out of balance: 1x grows, the rest stays.\n"
            "Loose foot bolts: 2x, 3x and half orders come up. An overdriven charge amplifier shows flat tops.\n"
            "When the belt slips at high load the cylinder falls behind; the current drops, and the drive catches up.\n"
            "During a sheet break the load and the current fall at once; this is no failure of the machine.\n"
        ),
        routine=(
            "sheet break, threaded again after {n} min",
            "steam pressure of group {n} trimmed",
            "felt washed, no findings",
            "oil level at gauge {n} in order",
        ),
        incidents=(
            "cylinder {n}: outer race pitted, clear 3.6x in the envelope, bearing exchanged",
            "cylinder {n}: siphon blocked, heavy 1x until drained",
            "cylinder {n}: two foot bolts loose, tightened",
            "cylinder {n}: flat tops in vibration, amplifier range set wrongly",
            "group {n}: belt squealed at full load, cylinder behind the line",
        ),
        misleading=(
            "operator hears knocking; it was a trolley on the gallery",
            "vibration alarm at cylinder {n} during crane work, none afterwards",
        ),
    ),
)
