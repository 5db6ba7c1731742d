"""Two leads of an electrocardiogram on a cardiac monitor, with RR intervals and respiration.

Waves are Gaussian bells over the phase of the beat. Their angles and widths, and the effect of breathing on rate and
baseline, are from McSharry, Clifford, Tarassenko and Smith, "A dynamical model for generating synthetic
electrocardiogram signals", IEEE Trans. Biomed. Eng. 50 (2003). The closed phase form is from Sameni et al., "A
nonlinear Bayesian filtering framework for ECG denoising" (2007). The sinus node is an independent clock. Conduction
block is of the Wenckebach type.
"""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench.processes import smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

USUAL_RR = 0.8  # s
ANGLES = np.array([-np.pi / 3, -np.pi / 12, 0.0, np.pi / 12, np.pi / 2])  # of P, Q, R, S and T around R
WIDTHS = np.array([0.25, 0.1, 0.1, 0.1, 0.4])  # rad
LEADS = {"lead_ii": (0.14, -0.12, 1.4, -0.2, 0.3), "lead_v5": (0.08, -0.15, 1.6, -0.4, 0.4)}  # mV
ST_ANGLE, ST_WIDTH = 0.85, 0.35  # rad


def _beats(world: World, breath: np.ndarray, effort: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return when the sinus node fires, and the interval before each beat, both in s."""
    count = int(world.length * world.step / 0.45) + 12
    scatter = world.rng.normal(size=count)
    sinus, interval = np.empty(count), np.empty(count)
    now = -4.0
    for beat in range(count):
        t = min(max(int(now / world.step), 0), world.length - 1)
        rr = USUAL_RR + 0.05 * breath[t] - 0.05 * effort[t] + 0.01 * scatter[beat]
        interval[beat] = max(rr, 0.5)
        now += interval[beat]
        sinus[beat] = now
    return sinus, interval


def _conduction(world: World, sinus: np.ndarray, interval: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how early each beat comes, the delay of its ventricles (both in s), and whether they follow at all."""
    early, delay, conducted = np.zeros(len(sinus)), np.zeros(len(sinus)), np.ones(len(sinus), dtype=bool)
    begin = np.clip(((sinus - 0.6 * interval) / world.step).astype(int), 0, world.length - 1)
    premature, block = world.strength("premature_beat")[begin], world.strength("dropped_beat")[begin]
    tired = 0
    for beat in range(1, len(sinus)):
        if early[beat - 1] == 0:  # a pause follows each premature beat, so at most every second beat is premature
            early[beat] = 0.3 * premature[beat] * interval[beat]
        tired = tired + 1 if block[beat] > 0 else 0
        if tired:
            ratio = 2 + round(2 * (1 - block[beat]))
            conducted[beat] = tired <= ratio
            delay[beat] = 0.12 * block[beat] * tired / ratio
            tired = tired if conducted[beat] else 0
    return early, delay, conducted


def simulate(world: World) -> Simulation:
    """Simulate the heart and the monitor."""
    time = world.seconds
    rate = 0.25 * (1 + 0.12 * smooth_noise(world, 15.0))
    depth = 1 + 0.2 * smooth_noise(world, 10.0)
    breath = depth * np.sin(2 * np.pi * world.step * np.cumsum(rate))
    effort, baseline = smooth_noise(world, 12.0), (smooth_noise(world, 3.0), smooth_noise(world, 3.0))
    sinus, interval = _beats(world, breath, effort)
    aberrant = world.rng.random(len(sinus)) < 0.04
    noise = world.rng.normal(size=(4, world.length))

    early, delay, conducted = _conduction(world, sinus, interval)
    atria, ventricles = sinus - early, sinus - early + delay
    elevation = world.strength("st_elevation") * np.array([[-0.08], [0.35]])
    leads = np.zeros((2, world.length))
    current = np.searchsorted(atria, time, side="right") - 1
    for beat in (current - 1, current, current + 1):
        turn = 2 * np.pi / np.sqrt(USUAL_RR * interval[beat])  # rad/s: the QT interval scales with the root of RR
        broad = np.where(aberrant[beat], 1.8, 1.0)
        for wave in range(5):
            since = time - (atria if wave == 0 else ventricles)[beat]
            width = WIDTHS[wave] * (broad if 0 < wave < 4 else 1.0)
            bell = np.exp(-0.5 * ((turn * since - ANGLES[wave]) / width) ** 2)
            bell *= 1.0 if wave == 0 else conducted[beat]
            bell *= np.where(aberrant[beat], -0.5, 1.0) if wave == 4 else 1.0
            for lead, waves in enumerate(LEADS.values()):
                leads[lead] += waves[wave] * bell
        since = time - ventricles[beat]
        leads += elevation * conducted[beat] * np.exp(-0.5 * ((turn * since - ST_ANGLE) / ST_WIDTH) ** 2)
    leads *= 1 + 0.05 * breath

    loose, limited = world.strength("lead_loosening"), world.strength("amplifier_saturation")
    ii = leads[0] + 0.08 * breath + 0.06 * baseline[0] + 0.015 * noise[0]
    ceiling = np.where(limited > 0, 0.36 / np.maximum(limited, 1e-9), np.inf)
    v5 = (1 - 0.3 * loose) * leads[1] - 0.05 * breath + 0.06 * baseline[1] + (0.015 + 0.08 * loose) * noise[1]
    v5 += 0.08 * loose * np.sin(2 * np.pi * 50.0 * time)  # mains hum that the electrode no longer cancels
    seen = ventricles[conducted]
    last = np.searchsorted(seen, time, side="right") - 1
    nearest = np.searchsorted((sinus[1:] + sinus[:-1]) / 2, time)
    return Simulation(
        {
            "lead_ii": np.minimum(ii, ceiling),
            "lead_v5": v5,
            "rr_interval": 1000 * (seen[last] - seen[last - 1]),
            "respiration": breath + 0.03 * noise[2],
        },
        aberrant[nearest],
    )


SCENARIO = Scenario(
    name="ecg",
    domain="cardiology",
    units={"lead_ii": "mV", "lead_v5": "mV", "rr_interval": "ms", "respiration": "ohm"},
    step=0.008,
    cycle=100,
    simulate=simulate,
    faults=(
        Fault(
            "premature_beat",
            "timing_disturbance",
            "shifted_cycles",
            "a supraventricular beat comes early and a compensatory pause follows",
            duration=(150, 500),
            scale=(10.0, 15.0),
            shows=("lead_ii", "lead_v5", "rr_interval"),
            root=("rr_interval",),
        ),
        Fault(
            "dropped_beat",
            "timing_disturbance",
            "missing_cycle",
            "Wenckebach block: conduction tires until a P wave stays without a QRS",
            duration=(450, 900),
            scale=(11.0, 20.0),
            shows=("lead_ii", "lead_v5", "rr_interval"),
            root=("rr_interval",),
        ),
        Fault(
            "st_elevation",
            "waveform_change",
            "altered_shape",
            "too little blood for the front wall lifts the ST segment in V5, a little reciprocal in II",
            duration=(300, 900),
            scale=(0.7, 3.5),
            shows=("lead_ii", "lead_v5"),
            root=("lead_v5",),
            onset=0.4,
            precondition="under effort, when the heart beats faster",
            when=lambda channels, world: channels["rr_interval"] < 780,
        ),
        Fault(
            "lead_loosening",
            "noise_increase",
            "rough_stretch",
            "the V5 electrode comes loose: weaker signal, muscle noise and mains hum",
            duration=(60, 600),
            scale=(0.9, 5.5),
            shows=("lead_v5",),
            root=("lead_v5",),
            precondition="starts at a deep breath, when the chest stretches the skin",
            when=lambda channels, world: channels["respiration"] > 0.8,
        ),
        Fault(
            "amplifier_saturation",
            "saturation",
            "clipped_peaks",
            "the input amplifier of lead II runs out of headroom and cuts the R waves",
            duration=(250, 900),
            scale=(2.0, 10.0),
            shows=("lead_ii",),
            root=("lead_ii",),
        ),
    ),
    texts=Texts(
        measured=(
            "Bedside monitor of one patient in sinus rhythm, 125 samples a second.\n"
            "lead_ii: limb lead II, mV.\n"
            "lead_v5: chest lead V5, mV.\n"
            "rr_interval: time between the last two QRS complexes found, ms; shorter when breathing in.\n"
            "respiration: change of the impedance of the chest, ohm.\n"
        ),
        manual=(
            "Typical findings. A premature supraventricular beat comes before its turn, QRS as narrow as the others,\n"
            "with a pause after it. In second-degree AV block of the Wenckebach type PR grows from beat to beat until\n"
            "a P wave is not followed by a QRS. Ischaemia under effort lifts ST in the leads over the front wall;\n"
            "the timing stays as it was. A loose electrode gives a thick trace with 50 Hz hum in that lead,\n"
            "often beginning with a deep breath. A weak battery of the input stage flattens tall R waves.\n"
            "This patient has intermittent bundle branch block: single broad QRS complexes on time need no alarm.\n"
        ),
        routine=(
            "patient turned to the left side, trace good",
            "blood pressure taken, 12{n}/80",
            "broad beat seen, on time, known bundle branch block",
            "alarm limits checked by night shift",
        ),
        incidents=(
            "bed {n}: several premature beats after coffee, harmless",
            "bed {n}: Wenckebach 4:3 during sleep, cardiologist informed",
            "bed {n}: ST up 0.{n} mV in V5 on the treadmill, test stopped",
            "bed {n}: V5 electrode half off after coughing, replaced",
            "monitor {n}: R waves cut flat in lead II, input module exchanged",
        ),
        misleading=(
            "patient felt palpitations during visit; rhythm regular on the strip",
            "asystole alarm from the test plug, {n} s, technician present",
        ),
    ),
    confirmation=True,
)
