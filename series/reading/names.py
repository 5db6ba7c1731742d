"""The usual names of columns, in lower case without spaces and signs."""

from __future__ import annotations

import re

# Times.
TIMES = {
    "createdat", "dataora", "date", "dateandtime", "dateheure", "datetime", "datetimelocal", "datetimeutc", "datum",
    "datumzeit", "dt", "elapsed", "elapsedtime", "epoch", "eventtime", "fecha", "fechahora", "heure", "hora",
    "horodatage", "localtime", "measuredat", "recordedat", "t", "tijd", "time", "timelocal", "timeofday", "times",
    "timestamp", "timestamplocal", "timestampms", "timestampns", "timestamps", "timestampus", "timestamputc",
    "timeutc", "ts", "tstamp", "uhrzeit", "unix", "unixtime", "unixtimestamp", "utc", "utctime", "zeit",
    "zeitpunkt", "zeitstempel",
}  # fmt: skip
# Of `TIMES`: names that channels have too.
WEAK_TIMES = {
    "dt", "elapsed", "elapsedtime", "t",
}  # fmt: skip
SURE_TIMES = TIMES - WEAK_TIMES
# Of `TIMES`: dates.
DATES = {"date", "datum", "fecha"}
# Times of day beside dates.
TIMES_OF_DAY = {
    "clock", "heure", "hhmm", "hhmmss", "hora", "orario", "tijd", "time", "timeofday", "tmstamp", "uhrzeit", "zeit",
}  # fmt: skip
# Hours beside dates.
HOURS = {"heure", "hh", "hora", "hour", "hours", "hr", "ora", "stunde", "timme", "uur"}
# Words in the names of times.
TIME_WORD = re.compile(
    r"time|date|datum|zeit|stamp|epoch|unix|clock|uhr|fecha|hora|heure|tijd|yyyymm|(?<![a-z])(?:ts|at|when)(?![a-z])",
    re.IGNORECASE,
)
# Counts of days.
DAY_NUMBERS = {"bjd", "datenum", "hjd", "jd", "juliandate", "matlabtime", "mjd", "serialdate"}
# Years, which may have a fraction.
YEARS = {"annee", "año", "decimaldate", "decimalyear", "decyear", "fractionalyear", "jahr", "year", "years", "yr"}
# Zones of the times in another column.
ZONES = {"offset", "timezone", "timezoneoffset", "tz", "tzoffset", "utcoffset", "zeitzone", "zone"}
# Row numbers, if they rise by one; `counters.py` is about channels.
ROW_NUMBERS = {
    "", "count", "entryid", "id", "idx", "index", "n", "no", "nr", "number", "record", "recordid", "row", "rownumber",
    "sample", "step", "unnamed0",
}  # fmt: skip
# Columns of long tables that name the series.
SERIES_NAMES = {
    "channel", "device", "deviceid", "entity", "host", "id", "item", "itemid", "key", "kpi", "kpiid", "location",
    "machine", "machineid", "measurement", "metric", "name", "parameter", "sensor", "sensorid", "sensorname",
    "series", "seriesid", "signal", "station", "symbol", "tag", "tagname", "type", "uniqueid", "unit", "variable",
}  # fmt: skip
# Of `SERIES_NAMES`: names whose series may be numbered.
NUMBERED_SERIES = {"deviceid", "id", "itemid", "machineid", "sensorid", "uniqueid"}


def key_of(name: str) -> str:
    """Return the name of a column in lower case without spaces and signs."""
    return re.sub(r"[\W_]", "", name.casefold())


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without numbers: ``isFraud_1`` is "is", "fraud"."""
    spaced = re.sub(r"(?<=[a-z\u00df-\u00ff])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", spaced.casefold())


def counted(number: int, what: str) -> str:
    """Return a number and what it counts, with its plural: ``1 row``, ``2 rows``."""
    return f"{number} {what}{'s' * (number != 1)}"
