"""The load of a server over a week, made up: working days, a nightly backup, and three faults at the end."""

from __future__ import annotations

import numpy as np
import pandas as pd

NOTES = """\
Load of a web server in percent. Normal: it is highest in the early afternoon and lowest at night.
Sometimes an import job runs away, and the load jumps by 20 percentage points for 30 to 60 minutes.
The agent that sends the values freezes now and then: the same value for 30 to 60 minutes.
A backup every night at 02:00 is normal, do not alert on it.
Der Dienst wurde im Januar umgezogen.
"""
STEP = 2  # minutes
DAY = 24 * 60 // STEP  # points
DAYS, TRAINING_DAYS = 7, 5
BACKUP = slice(2 * 60 // STEP, 150 // STEP)  # points of each day
RUNAWAY = slice(5 * DAY + 400, 5 * DAY + 422)
STUCK = slice(6 * DAY + 300, 6 * DAY + 325)
SMALL = slice(6 * DAY + 520, 6 * DAY + 540)


def server_load() -> pd.DataFrame:
    """Return the times and the load, a value every two minutes; the faults are after the fifth day."""
    rng = np.random.default_rng(26)
    steps = np.arange(DAYS * DAY)
    of_day = 2 * np.pi * steps / DAY
    load = 35 - 16 * np.cos(of_day - 0.4) - 3 * np.cos(2 * of_day) + 1.2 * rng.normal(size=len(steps))
    backup = load.reshape(DAYS, DAY)[:, BACKUP]
    backup += 12 + rng.normal(size=(DAYS, 1))
    load[RUNAWAY] += 20
    load[STUCK] = load[STUCK.start]
    load[SMALL] += 7
    times = pd.Timestamp("2026-03-02") + pd.to_timedelta(steps * STEP, unit="min")
    return pd.DataFrame({"time": times, "load_pct": load.clip(0, 100).round(2)})
