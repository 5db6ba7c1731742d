"""Recognise names that differ only in their unit, such as ``temp_C`` and ``temp [F]``."""

from __future__ import annotations

import re

# Units by what they measure, in lower case.
DIMENSIONS = {
    "temperature": "c f k degc degf degk celsius fahrenheit kelvin",
    "pressure": "pa hpa kpa mpa bar mbar psi atm torr mmhg inhg",
    "length": "nm um µm mm cm m km in inch inches ft feet mi mile miles",
    "speed": "m/s mm/s cm/s km/h kmh kph mph ft/s kn kt knots",
    "mass": "mg g kg t lb lbs oz",
    "time": "ns us µs ms s sec seconds min minutes h hours d days",
    "current": "ua µa ma a ka",
    "voltage": "uv µv mv v kv",
    "power": "mw w kw gw hp va kva mva",
    "energy": "j kj mj wh kwh mwh cal kcal btu",
    "volume": "ml l liter liters litre litres m3 gal gallons ft3",
    "flow": "l/s l/min l/h lpm m3/s m3/h gpm cfm",
    "frequency": "hz khz mhz ghz rpm rps",
    "share": "% pct percent fraction ratio ppm ppb",
    "data": "b kb mb gb tb kib mib gib bytes bits kbit mbit",
    "rate of data": "b/s kb/s mb/s gb/s bps kbps mbps gbps",
    "angle": "deg degrees rad radians °",
    "force": "n kn lbf",
    "torque": "nm lbft",
}
OF_UNIT = {unit: kind for kind, units in DIMENSIONS.items() for unit in units.split()}
BRACKETED = re.compile(r"^(?P<name>.+?)[\s_]*[(\[](?P<unit>[^()\[\]]+)[)\]]$")
SUFFIXED = re.compile(r"^(?P<name>.+?)[\s_.\-](?P<unit>[^\s_.\-]+(?:_(?:s|h|min))?)$")


def without_unit(name: str) -> tuple[str, str] | None:
    """Split the name of a channel into its base and what its unit measures; None if it has no known unit."""
    for pattern in (BRACKETED, SUFFIXED):
        if match := pattern.match(name.strip()):
            unit = match["unit"].strip().lower().removeprefix("°" if len(match["unit"].strip()) > 1 else "")
            kind = OF_UNIT.get(unit) or OF_UNIT.get(unit.replace("_", "/"))
            if kind is not None:
                return match["name"].strip().lower(), kind
    return None
