"""Units in texts, and factors between units of one dimension."""

from __future__ import annotations

from ape.agents.understanding.quantities import any_of

# units in words, as in `DIMENSIONS`; "degrees" without a scale are those of the channel
SPELLED = {
    "degrees celsius": "degc", "degree celsius": "degc", "degrees fahrenheit": "degf", "degree fahrenheit": "degf",
    "degrees c": "degc", "degree c": "degc", "degrees f": "degf", "degree f": "degf",
    "degrees": "°", "degree": "°", "degs": "°", "kelvin": "k", "kelvins": "k", "volts": "v", "volt": "v",
    "millivolts": "mv", "amps": "a", "amp": "a", "amperes": "a", "ampere": "a", "milliamps": "ma", "watts": "w",
    "watt": "w", "kilowatts": "kw", "kilowatt": "kw", "megawatts": "MW", "megawatt": "MW", "metres": "m",
    "meters": "m", "metre": "m", "meter": "m", "centimetres": "cm", "centimeters": "cm", "centimetre": "cm",
    "millimetres": "mm", "millimeters": "mm", "millimetre": "mm", "microns": "µm", "kilometres per hour": "km/h",
    "metres per second": "m/s", "meters per second": "m/s", "metres a second": "m/s", "litres": "l", "liters": "l",
    "litre": "l", "liter": "l", "litres per second": "l/s", "liters per second": "l/s", "litres a second": "l/s",
    "litres per minute": "l/min", "liters per minute": "l/min", "litres a minute": "l/min", "litres per hour": "l/h",
    "litres an hour": "l/h", "cubic metres per hour": "m3/h", "cubic meters per hour": "m3/h",
    "cubic metres an hour": "m3/h", "cubic metres": "m3", "bars": "bar", "millibar": "mbar", "millibars": "mbar",
    "pascals": "pa", "pascal": "pa", "revolutions per minute": "rpm", "turns per minute": "rpm", "hertz": "hz",
    "kilograms": "kg", "kilogram": "kg", "grams": "g", "tonnes": "t", "tons": "t", "newtons": "n", "joules": "j",
    "gigabytes": "gb", "megabytes": "mb", "kilobytes": "kb", "percentage points": "pp", "percentage point": "pp",
    "percent points": "pp", "%-points": "pp", "points": "pp", "pp": "pp", "percent": "%", "per cent": "%", "pct": "%",
    "milliseconds": "ms", "millisecond": "ms",
}  # fmt: skip
# factors to one unit of each dimension
FACTOR = {
    "pa": 1.0, "hpa": 1e2, "kpa": 1e3, "mpa": 1e6, "mbar": 1e2, "bar": 1e5, "psi": 6894.76, "atm": 101_325.0,
    "torr": 133.322, "mmhg": 133.322, "inhg": 3386.39, "c": 1.0, "degc": 1.0, "celsius": 1.0, "k": 1.0, "degk": 1.0,
    "kelvin": 1.0, "f": 5 / 9, "degf": 5 / 9, "fahrenheit": 5 / 9, "nm": 1e-9, "um": 1e-6, "µm": 1e-6, "mm": 1e-3,
    "cm": 1e-2, "m": 1.0, "km": 1e3, "inch": 0.0254, "ft": 0.3048, "feet": 0.3048, "m/s": 1.0, "mm/s": 1e-3,
    "cm/s": 1e-2, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704, "kn": 0.514444, "knots": 0.514444,
    "mg": 1e-6, "g": 1e-3, "kg": 1.0, "t": 1e3, "lb": 0.453592, "lbs": 0.453592, "us": 1e-6, "µs": 1e-6, "ms": 1e-3,
    "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "ua": 1e-6, "µa": 1e-6, "ma": 1e-3, "a": 1.0, "ka": 1e3,
    "uv": 1e-6, "µv": 1e-6, "mv": 1e-3, "v": 1.0, "kv": 1e3, "w": 1.0, "kw": 1e3, "gw": 1e9, "hp": 745.7, "va": 1.0,
    "kva": 1e3, "j": 1.0, "kj": 1e3, "mj": 1e6, "wh": 3600.0, "kwh": 3.6e6, "ml": 1e-3, "l": 1.0, "liter": 1.0,
    "litre": 1.0, "m3": 1e3, "gal": 3.78541, "l/s": 1.0, "l/min": 1 / 60, "lpm": 1 / 60, "l/h": 1 / 3600,
    "m3/s": 1e3, "m3/h": 1 / 3.6, "m3h": 1 / 3.6, "gpm": 0.0630902, "cfm": 0.471947, "hz": 1.0, "khz": 1e3,
    "mhz": 1e6, "ghz": 1e9, "rpm": 1 / 60, "rps": 1.0, "%": 1.0, "pct": 1.0, "percent": 1.0, "ppm": 1e-4, "b": 1.0,
    "bytes": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3,
    "kbit": 125.0, "mbit": 1.25e5, "b/s": 1.0, "kb/s": 1e3, "mb/s": 1e6, "gb/s": 1e9, "n": 1.0,
}  # fmt: skip
MILLI_OR_MEGA = {"MW": 1e6, "mW": 1e-3, "MPa": 1e6, "mPa": 1e-3, "MV": 1e6, "MWh": 3.6e9, "mWh": 3.6}
_LETTER_UNITS = "CFKAVWNgmtls"  # of one letter, in the case in which people write them
_SYMBOLS = [
    "m3/h", "m³/h", "m3/s", "m³/s", "l/s", "l/min", "l/h", "mm/s", "cm/s", "m/s", "km/h", "mbar", "bar", "hPa", "kPa",
    "MPa", "Pa", "psi", "mmHg", "°C", "°F", "degC", "degF", "deg C", "deg F", "°", "mV", "kV", "mA", "kA", "kW", "MW",
    "GW", "mW", "kWh", "MWh", "rpm", "kHz", "MHz", "GHz", "Hz", "mm", "cm", "km", "µm", "kg", "mg", "ms", "GiB", "MiB",
    "KiB", "GB", "MB", "kB", "TB", "Mbit/s", "MB/s", "kB/s", "GB/s", "Mbps", "Gbps", "ppm", "%", "ml", "m3", "gpm",
    "mph", "kN", "Nm", "g",
]  # fmt: skip
UNIT = rf"(?P<unit>(?i:{any_of(SPELLED)})(?![\w/])|(?:{any_of(_SYMBOLS)})(?![\w/])|[{_LETTER_UNITS}](?![\w/'’°]))"


def factor(unit: str, other: str | None) -> float:
    """Return the factor from a unit to another one of its dimension; 1 if one of them has no known factor."""
    if other is None or unit == "°":
        return 1.0
    ours, theirs = _base_factor(unit), _base_factor(other)
    return ours / theirs if ours and theirs else 1.0


def _base_factor(unit: str) -> float | None:
    plain = unit.strip().lower().replace("³", "3").replace("²", "2")
    return MILLI_OR_MEGA.get(unit) or FACTOR.get(plain) or FACTOR.get(plain.removeprefix("°"))
