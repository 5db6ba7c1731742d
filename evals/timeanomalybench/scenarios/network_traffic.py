"""The internet uplink of a company: packets, bytes, flows, DNS requests and retransmissions.

Bursts on all time scales are a sum of noises with increasing memory, after Willinger et al., "Self-similarity through
high-variability" (IEEE/ACM Transactions on Networking, 1997). The attacks follow the patterns in flow data described by
Lakhina, Crovella and Diot, "Characterization of network-wide anomalies in traffic flows" (IMC, 2004).
"""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench.processes import bump, rare_days, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

CAPACITY = 700.0  # Mbit/s
SMALL, LARGE = 800.0, 1400.0  # mean packet size in bytes, of users and of bulk copies
BACKUP = 260.0  # Mbit/s
BACKUP_HOUR = 2.0
SCALES = (600.0, 3600.0, 21_600.0, 129_600.0)  # s


def _packets(rate: np.ndarray, size: float) -> np.ndarray:
    """Convert ``rate`` in Mbit/s to thousand packets per second."""
    return 1000 * rate / 8 / size


def simulate(world: World) -> Simulation:
    """Simulate the uplink."""
    day = world.day
    patch = rare_days(world, 0.05)
    patch_hour = 9 + 8 * world.rng.random(day.max() + 1)[day]
    volume = world.rng.uniform(0.8, 1.2, day.max() + 1)[day] * np.where(world.weekday == 6, 1.4, 1.0)
    bursts = 0.13 * sum(smooth_noise(world, seconds) for seconds in SCALES)
    browsing, copying = smooth_noise(world, 900.0), smooth_noise(world, 1200.0)
    waves = np.minimum(world.rng.exponential(size=world.length), 3.0)
    noise = world.rng.normal(size=(5, world.length))

    people = 0.10 + np.where(world.weekday < 5, 1.0, 0.2) * (
        bump(world.hour, 10.3, 1.6) + 0.9 * bump(world.hour, 14.8, 1.9) + 0.15 * bump(world.hour, 20.0, 2.5)
    )
    activity = people * np.exp(bursts)
    late = 2.5 * world.strength("backup_clock_shift")  # hours
    bulk = BACKUP * volume * bump(world.hour - late, BACKUP_HOUR, 0.6)
    bulk = bulk + 220 * world.strength("exfiltration") * np.exp(0.15 * copying)
    update = 110 * patch * bump(world.hour, patch_hour, 0.8)
    users = 330 * activity * np.exp(0.12 * noise[0])
    flood = world.strength("ddos") * (0.6 + 0.2 * waves)
    scan = world.strength("port_scan") * waves

    offered = users + update + bulk + flood * 30
    capacity = CAPACITY / (1 + 2.2 * world.strength("link_saturation"))
    carried = np.minimum(offered, capacity) / offered
    excess = np.maximum(0.0, offered / capacity - 1)
    packets = carried * (_packets(users, SMALL) + _packets(update + bulk, LARGE) + 45 * flood) + 0.15 * scan
    flows = 420 * activity * np.exp(0.08 * browsing) + 800 * flood + 100 * scan
    loss = 1.5 + 0.004 * excess / (1 + excess) * 1000 + 2.0 * flood  # lost packets per thousand
    return Simulation(
        {
            "packets": packets * (1 + 0.01 * noise[1]),
            "bytes": carried * offered * (1 + 0.004 * noise[2]),
            "flows": np.maximum(0.0, flows + 8.0 * noise[3]),
            "dns_requests": np.maximum(0.0, 90 * activity * np.exp(0.10 * browsing) + 4 * waves),
            "retransmissions": packets * loss * np.exp(0.12 * noise[4]),
        },
        patch & (np.abs(world.hour - patch_hour) < 1.6),
    )


SCENARIO = Scenario(
    name="network_traffic",
    domain="computer networks",
    units={"packets": "1000/s", "bytes": "Mbit/s", "flows": "1/s", "dns_requests": "1/s", "retransmissions": "1/s"},
    step=300.0,
    cycle=288,
    simulate=simulate,
    faults=(
        Fault(
            "ddos",
            "transient",
            "spike",
            "a flood of small packets from many sources fills the tables of the firewall",
            duration=(1, 6),
            scale=(1.5, 18.0),
            shows=("packets", "bytes", "flows", "retransmissions"),
            root=("packets", "flows"),
        ),
        Fault(
            "exfiltration",
            "misplaced_pattern",
            "foreign_pattern",
            "somebody copies files out at night, as a backup would but when none is due",
            duration=(10, 24),
            scale=(0.6, 5.0),
            shows=("packets", "bytes", "retransmissions"),
            root=("bytes",),
            onset=0.3,
            precondition="at night after the backup",
            when=lambda channels, world: (world.hour > 3.5) & (world.hour < 5),
        ),
        Fault(
            "link_saturation",
            "saturation",
            "clipped_peaks",
            "a part of the bundled link is down and the rest runs at its limit",
            duration=(24, 96),
            scale=(0.5, 7.0),
            shows=("packets", "bytes", "retransmissions"),
            root=("bytes",),
            precondition="in the busy hours of a working day",
            when=lambda channels, world: (channels["bytes"] > 450) & (world.weekday < 5) & (world.hour > 8),
        ),
        Fault(
            "port_scan",
            "transient",
            "rough_stretch",
            "a host inside tries the ports of others in rounds: flows of one packet",
            duration=(8, 48),
            scale=(0.5, 5.0),
            shows=("flows",),
            root=("flows",),
        ),
        Fault(
            "backup_clock_shift",
            "timing_disturbance",
            "shifted_cycles",
            "the backup server's clock is slow and the nightly job comes late",
            duration=(110, 400),
            scale=(1.5, 4.0),
            shows=("packets", "bytes", "retransmissions"),
            root=("bytes",),
            precondition="from an evening on",
            when=lambda channels, world: (world.hour > 20) & (world.hour < 23),
        ),
    ),
    texts=Texts(
        measured=(
            "Internet uplink of a company, averages over five minutes, both directions together.\n"
            "packets: thousand packets per second.\n"
            "bytes: bandwidth used, Mbit/s, of 700; the nightly backup peaks at two o'clock, most on Sundays.\n"
            "flows: new flows per second.\n"
            "dns_requests: queries at the resolver, 1/s.\n"
            "retransmissions: TCP segments sent again, 1/s.\n"
        ),
        manual=(
            "Typical failures. A SYN flood: packets and flows shoot up for minutes, the bandwidth hardly moves\n"
            "and the resolver does not. Data theft: in the small hours, after the backup, large packets leave on\n"
            "few flows. Congestion: in office hours the bandwidth graph has a flat top below the 700 Mbit/s of\n"
            "the bundle and retransmissions rise; look for a dead member of the bundle. A port scan: flows\n"
            "flicker, yet packets, bytes and name requests stay. A backup that comes at the wrong hour: check the\n"
            "clock of the backup server.\n"
        ),
        routine=(
            "software updates released, downloads expected today",
            "backup finished, {n} TB",
            "firewall rules reviewed, {n} removed",
            "new wireless access points on floor {n}",
        ),
        incidents=(
            "branch {n}: SYN flood, firewall table full for some minutes",
            "partner company: {n} GB copied to an unknown cloud store before dawn",
            "branch {n}: one of three fibres down, uplink at its limit until the evening",
            "printer in branch {n} was infected and scanned the server network",
            "backup server came up with a wrong clock, job ran {n} h late",
        ),
        misleading=(
            "user reports slow network; cable on desk {n} was damaged",
            "penetration test announced for next month, {n} days",
        ),
    ),
)
