"""The scenarios of TimeAnomaly-Bench, by name."""

from __future__ import annotations

from ape.evals.timeanomalybench.scenario import Scenario
from ape.evals.timeanomalybench.scenarios import (
    battery_cycles,
    building,
    ecg,
    network_traffic,
    power_demand,
    pumped_tank,
    rotating_machine,
    satellite,
    stirred_reactor,
    weather_station,
    web_service,
    web_shop,
)

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        battery_cycles,
        building,
        ecg,
        network_traffic,
        power_demand,
        pumped_tank,
        rotating_machine,
        satellite,
        stirred_reactor,
        weather_station,
        web_service,
        web_shop,
    )
}
