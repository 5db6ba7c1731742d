"""Units in the names of channels, and names that differ only in their unit, such as ``temp_C`` and ``temp [F]``."""

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
    "flow": "l/s l/min l/h lpm m3/s m3/h m3h gpm cfm",
    "frequency": "hz khz mhz ghz rpm rps",
    "share": "% pct percent fraction ratio ppm ppb",
    "data": "b kb mb gb tb kib mib gib bytes bits kbit mbit",
    "rate of data": "b/s kb/s mb/s gb/s bps kbps mbps gbps",
    "angle": "deg degrees rad radians °",
    "force": "n kn lbf",
    "torque": "nm lbft",
}
OF_UNIT = {unit: kind for kind, units in DIMENSIONS.items() for unit in units.split()}
WRITTEN = {"pct": "%", "percent": "%", "degc": "°C", "degf": "°F", "celsius": "°C", "fahrenheit": "°F", "m3h": "m3/h"}
UNSURE = {"min", "in", "mi", "hp", "days", "ratio", "fraction", "bytes"}  # as the end of a name
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


def unit_text(name: str) -> str | None:
    """Return the unit that the name of a channel gives, as people write it; None if it has none that is sure.

    Units in brackets count if they are known. After a separator, as in ``vibration_mm_s``, single letters and words
    that often mean something else do not count, except for ``C`` and ``F`` after a temperature.
    """
    name = name.strip()
    if match := BRACKETED.match(name):
        unit = match["unit"].strip()
        return WRITTEN.get(unit.lower(), unit) if _known(unit) else None
    if match := SUFFIXED.match(name):
        unit = match["unit"].replace("_", "/")
        if unit.lower() in ("c", "f"):
            return WRITTEN[f"deg{unit.lower()}"] if "temp" in match["name"].lower() else None
        if (len(unit) > 1 or not unit.isalpha()) and unit.lower() not in UNSURE and _known(unit):
            return WRITTEN.get(unit.lower(), unit)
    return None


def _known(unit: str) -> bool:
    lower = unit.lower()
    return lower in OF_UNIT or lower.removeprefix("°") in OF_UNIT
