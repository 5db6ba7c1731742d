"""An automatic weather station in a mid-latitude valley, from the end of winter into spring.

Sun height and clear-sky radiation follow Haurwitz, "Insolation in relation to cloudiness and cloud density", J.
Meteorol. 2 (1945). Humidity by the Magnus formula and typical sensor errors (radiation error against ventilation, iced
cups) follow WMO, "Guide to instruments and methods of observation" (No. 8). The daily profile of temperature is the
lagged response of the surface layer to sunshine: Stull, "An introduction to boundary layer meteorology" (1988).
"""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench.processes import lagged, smooth_noise
from ape.evals.timeanomalybench.scenario import DAY, Fault, Scenario, Simulation, Texts, World

LATITUDE = np.radians(47.0)
FIRST_DAY = 45  # of the year


def _vapour_pressure(temperature: np.ndarray) -> np.ndarray:
    """Return the vapour pressure in hPa of saturated air at a temperature in °C."""
    return 6.112 * np.exp(17.62 * temperature / (243.12 + temperature))


def _clear_sky(world: World) -> np.ndarray:
    """Return the global radiation without clouds, W/m2 [T]."""
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (FIRST_DAY + world.seconds / DAY + 10) / 365)
    hour_angle = np.pi * (world.hour - 12) / 12
    height = np.sin(LATITUDE) * np.sin(declination) + np.cos(LATITUDE) * np.cos(declination) * np.cos(hour_angle)
    height = np.maximum(height, 1e-3)
    return 1098 * height * np.exp(-0.057 / height)


def _after(world: World, begins: np.ndarray, hours: float) -> np.ndarray:
    """Return 1 where ``begins`` is set, decaying with a time constant in hours afterwards, float64 [T]."""
    reach = np.arange(int(6 * hours * 3600 / world.step))
    return np.convolve(begins, np.exp(-reach * world.step / (3600 * hours)))[: world.length]


def simulate(world: World) -> Simulation:
    """Simulate the weather and the station."""
    front = (world.rng.random(world.length) < world.step / (9 * DAY)).astype(float)  # cold fronts, each with a squall
    squall, cooling = _after(world, front, 1.0), _after(world, front, 8.0)
    air_mass, high = (lagged(smooth_noise(world, days * DAY), world, 5 * 3600.0) for days in (2.5, 2.0))
    sky, small_clouds = smooth_noise(world, 9 * 3600.0), smooth_noise(world, 1500.0)
    breeze, gusts = smooth_noise(world, 8 * 3600.0), smooth_noise(world, 1200.0)
    dryness, turbulence = smooth_noise(world, 12 * 3600.0), smooth_noise(world, 1800.0)
    noise = world.rng.normal(size=(5, world.length))

    cover = 1 / (1 + np.exp(-(1.5 * (sky - 0.5 * high) + 0.5 * small_clouds + 3 * squall - 0.5)))
    sun = _clear_sky(world) * (1 - 0.75 * cover)
    warmth = lagged(sun / 45.0, world, 2.5 * 3600.0)
    clear_night = lagged(2.5 * (1 - cover) * (sun < 5), world, 2 * 3600.0)
    season = 0.08 * world.seconds / DAY
    temperature = -1.5 + season + 3.0 * air_mass + warmth - clear_night - 4.0 * cooling + 0.15 * turbulence
    dew_point = -2.5 + season + 2.7 * air_mass + 0.2 * warmth - 1.2 * dryness - 2.0 * cooling
    vapour = np.minimum(_vapour_pressure(dew_point), _vapour_pressure(temperature))
    wind = 2.2 * np.exp(0.45 * breeze + 0.25 * gusts - 0.2 * high) * (1 + sun / 900) + 7.0 * squall
    tide = 0.5 * np.cos(4 * np.pi * (world.hour - 10) / 24)
    pressure = 965.0 + 7.0 * high - 1.0 * air_mass + tide + 2.0 * squall

    heating = 8.0 * world.strength("radiation_shield_loss") * sun / 700 / (1 + wind / 4)
    probe = temperature + heating + 0.05 * noise[0]
    humidity = 100 * vapour / _vapour_pressure(temperature + heating)
    top = 100 - 22 * world.strength("humidity_sensor_saturation")
    ice = world.strength("anemometer_icing")
    iced = (1 - 0.5 * ice) * (wind + ice * (lagged(wind, world, 2 * 3600.0) - wind))
    late = 2.0 * 3600.0 / world.step * world.strength("solar_clock_drift")
    steps = np.arange(world.length)
    return Simulation(
        {
            "temperature": probe,
            "humidity": np.minimum(np.minimum(humidity, top) + 0.4 * noise[1], 100.0),
            "pressure": pressure + 12.0 * world.strength("pressure_spike") + 0.08 * noise[2],
            "wind_speed": np.maximum(0.0, iced + 0.1 * (1 - ice) * noise[3]),
            "solar_radiation": np.maximum(0.0, np.interp(steps - late, steps, sun) + 1.0 * noise[4]),
        },
        cooling > 0.3,
    )


SCENARIO = Scenario(
    name="weather_station",
    domain="meteorology",
    units={"temperature": "°C", "humidity": "%", "pressure": "hPa", "wind_speed": "m/s", "solar_radiation": "W/m2"},
    step=600.0,
    cycle=144,
    simulate=simulate,
    faults=(
        Fault(
            "radiation_shield_loss",
            "gain_change",
            "scaled_cycles",
            "a storm took plates of the radiation shield: the sun warms the probe, most in calm air",
            duration=(288, 900),
            scale=(0.3, 1.3),
            shows=("temperature", "humidity"),
            root=("temperature",),
            precondition="shows by day only",
            when=lambda channels, world: (world.hour > 7) & (world.hour < 12),
        ),
        Fault(
            "humidity_sensor_saturation",
            "saturation",
            "clipped_peaks",
            "a fouled capacitive sensor no longer reaches high humidity",
            duration=(144, 900),
            scale=(0.3, 1.3),
            shows=("humidity",),
            root=("humidity",),
            precondition="shows in damp air",
            when=lambda channels, world: channels["humidity"] > 92,
        ),
        Fault(
            "anemometer_icing",
            "damping",
            "smooth_stretch",
            "ice makes the cups heavy: they turn slower and follow no gusts",
            duration=(36, 200),
            scale=(0.4, 5.6),
            shows=("wind_speed",),
            root=("wind_speed",),
            onset=0.3,
            precondition="in frost and damp air",
            when=lambda channels, world: (channels["temperature"] < 1) & (channels["humidity"] > 80),
        ),
        Fault(
            "pressure_spike",
            "transient",
            "spike",
            "a disturbed transmission adds to the pressure reading for a moment",
            duration=(1, 4),
            scale=(0.5, 2.3),
            shows=("pressure",),
            root=("pressure",),
        ),
        Fault(
            "solar_clock_drift",
            "timing_disturbance",
            "shifted_cycles",
            "the clock of the pyranometer's logger falls behind until it is set again",
            duration=(300, 900),
            scale=(4.0, 10.0),
            shows=("solar_radiation",),
            root=("solar_radiation",),
            onset=1.0,
        ),
    ),
    texts=Texts(
        measured=(
            "Automatic weather station in a valley, from February on, sampled every ten minutes.\n"
            "temperature: at 2 m in a radiation shield, °C.\n"
            "humidity: relative, capacitive sensor in the same shield, %.\n"
            "pressure: at the station, not reduced to sea level, hPa.\n"
            "wind_speed: cup anemometer at 10 m, m/s.\n"
            "solar_radiation: pyranometer with a logger of its own, W/m2.\n"
        ),
        manual=(
            "Typical failures. A damaged radiation shield makes the air seem too warm in sunshine, most in calm air;\n"
            "nights are right. A fouled humidity sensor no longer comes up to 100 % in fog and stays at its limit.\n"
            "In freezing fog the cups ice up and turn slowly or not at all. Disturbed transmission gives single wrong\n"
            "pressures. The logger of the pyranometer has no time signal: if noon of the radiation comes late while\n"
            "the temperature is on time, set its clock. Cold fronts with squall, sharp fall of temperature and kink\n"
            "of pressure are weather.\n"
        ),
        routine=(
            "grass cut around the mast",
            "pyranometer dome wiped, level checked",
            "battery {n}.1 V, solar panel clean",
            "cold front with squall passed, {n} mm of rain",
        ),
        incidents=(
            "station {n}: shield plates broken by hail, temperature too high at noon",
            "station {n}: humidity never above 8{n} % in fog, sensor exchanged",
            "pass station: cups iced in freezing fog, {n} h of low wind",
            "station {n}: single wrong pressure values, radio interference",
            "station {n}: radiation logger {n} h behind, clock set",
        ),
        misleading=(
            "caller doubts the frost reported at {n} o'clock; confirmed by hut thermometer",
            "snow on the fence posts, instruments free",
        ),
    ),
)
