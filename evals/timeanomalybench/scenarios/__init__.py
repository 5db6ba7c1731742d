"""The scenarios of TimeAnomaly-Bench by name. Each is defined in the module of that name."""

from __future__ import annotations

from importlib import import_module

from ape.evals.timeanomalybench.scenario import Scenario

NAMES = (
    "battery_cycles",
    "building",
    "ecg",
    "network_traffic",
    "power_demand",
    "pumped_tank",
    "rotating_machine",
    "satellite",
    "stirred_reactor",
    "weather_station",
    "web_service",
    "web_shop",
)
SCENARIOS: dict[str, Scenario] = {name: import_module(f"{__name__}.{name}").SCENARIO for name in NAMES}
