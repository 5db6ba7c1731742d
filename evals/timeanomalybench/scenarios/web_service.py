"""A web service on a pool of containers: traffic, queue, response time, processors and heap.

Waiting times below the limit follow Sakasegawa's formula for M/M/c ("An approximation formula Lq = a rho^b / (1 -
rho)", Annals of the Institute of Statistical Mathematics, 1977). Overload follows the fluid model of many-server queues
with impatient clients: Whitt, "Efficiency-driven heavy-traffic approximations for many-server queues with abandonments"
(Management Science, 2004). Retries, slow dependencies and throttling follow Beyer et al., "Site reliability
engineering" (2016).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.signal import lfilter

from ape.evals.timeanomalybench.processes import bump, lagged, rare_days, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

CORES = 48
WORK = 0.04  # s of processor time per request
QUOTA = 0.9  # share of the cores that the containers may use
PATIENCE = 0.1  # s until a client gives up
RESENT = 0.4  # share of abandoned requests that are sent again in the next step
FULLEST = 0.97  # highest load for which the waiting formula is used; the fluid model covers overload
COLLECTION = 7200.0  # s between full garbage collections, at fixed times


@njit(cache=True)
def _queue(arrivals, quota):
    """Return requests and responses per second and the waiting time in s at each time step."""
    length = len(arrivals)
    offered, served, wait = np.empty(length), np.empty(length), np.empty(length)
    resent = 0.0
    for t in range(length):
        offered[t] = arrivals[t] + resent
        servers = quota[t] * CORES
        capacity = servers / WORK
        served[t] = min(offered[t], capacity)
        load = min(offered[t] / capacity, FULLEST)
        wait[t] = WORK * load ** (np.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - load))
        wait[t] += PATIENCE * (offered[t] - served[t]) / capacity
        resent = RESENT * (offered[t] - served[t])
    return offered, served, wait


def simulate(world: World) -> Simulation:
    """Simulate the service."""
    day = world.day
    flash, deploy = rare_days(world, 0.1), rare_days(world, 0.2)
    flash_hour, deploy_hour = (
        9 + 11 * world.rng.random(day.max() + 1)[day],
        9 + 7 * world.rng.random(day.max() + 1)[day],
    )
    size = world.rng.normal(1.0, 0.03, day.max() + 1)[day]
    busy = 0.06 * smooth_noise(world, 1800.0) + 0.03 * world.rng.normal(size=world.length)
    backend = np.exp(0.16 * smooth_noise(world, 3600.0) + 0.06 * world.rng.normal(size=world.length))
    noise, wave = world.rng.normal(size=(5, world.length)), world.rng.uniform(0.5, 1.0, world.length)

    course = 180 + 480 * bump(world.hour, 11.5, 3.2) + 680 * bump(world.hour, 20.0, 2.6)
    share = np.exp(busy) * size * np.where(world.weekday >= 5, 0.88, 1.0)
    visits = course * share * (1 + 0.2 * flash * bump(world.hour, flash_hour, 0.7))
    storm = world.strength("retry_storm") * wave
    offered, served, wait = _queue(visits * (1 + 0.7 * storm), QUOTA - 0.3 * world.strength("cpu_throttling"))

    leak, seen = world.strength("memory_leak"), 1 - world.strength("metrics_gap")
    cold = deploy & (world.hour >= deploy_hour) & (world.hour < deploy_hour + world.step / 3600)
    cold = lfilter([1.0], [1.0, -np.exp(-world.step / 3600)], cold.astype(float))  # empty caches after a deployment
    allocated = np.cumsum(visits) * world.step
    last = ((world.seconds // COLLECTION) * COLLECTION / world.step).astype(int)
    garbage = 5e-7 * (allocated - allocated[last])
    heap = 6.0 + 2.0 * lagged(visits / 1000, world, 3600.0) - 1.5 * cold + garbage + 5.0 * leak
    used = 100 * served * WORK / CORES + 3.0 + 6.0 * leak**2  # a full heap keeps the collector busy
    answer = 1000 * (WORK + wait) + 25 * backend * (1 + 0.8 * world.strength("slow_dependency")) + 10.0 * cold
    return Simulation(
        {
            "requests": seen * np.maximum(0.0, offered + 4.0 * noise[0]),
            "responses": seen * np.maximum(0.0, served + 4.0 * noise[1]),
            "latency": np.maximum(0.0, answer + 0.8 * noise[2]),
            "cpu": np.clip(used + 0.5 * noise[3], 0.0, 100.0),
            "memory": seen * np.maximum(0.0, heap + 0.05 * noise[4]),
        },
        (cold > 0.05) | (flash & (np.abs(world.hour - flash_hour) < 1.5)),
    )


SCENARIO = Scenario(
    name="web_service",
    domain="information technology",
    units={"requests": "1/s", "responses": "1/s", "latency": "ms", "cpu": "%", "memory": "GiB"},
    step=300.0,
    cycle=288,
    simulate=simulate,
    faults=(
        Fault(
            "memory_leak",
            "gradual_drift",
            "ramp",
            "a new release never frees some objects, until it is restarted",
            duration=(150, 700),
            scale=(1.5, 5.5),
            shows=("cpu", "memory"),
            root=("memory",),
            onset=1.0,
            precondition="after a release, on a working day",
            when=lambda channels, world: (world.weekday < 5) & (world.hour > 8) & (world.hour < 18),
        ),
        Fault(
            "retry_storm",
            "transient",
            "spike",
            "clients without back-off send failed requests again and again, in waves",
            duration=(1, 5),
            scale=(0.3, 20.0),
            shows=("requests", "responses", "latency", "cpu"),
            root=("requests",),
            precondition="under high load",
            when=lambda channels, world: channels["cpu"] > 55,
        ),
        Fault(
            "slow_dependency",
            "abrupt_change",
            "step",
            "the shared database answers later while traffic and processors stay as they are",
            duration=(9, 96),
            scale=(1.3, 9.0),
            shows=("latency",),
            root=("latency",),
            precondition="in office hours, when others run reports on it",
            when=lambda channels, world: (world.hour > 8) & (world.hour < 18),
        ),
        Fault(
            "cpu_throttling",
            "saturation",
            "clipped_peaks",
            "a wrong quota keeps the containers below the processor time they need",
            duration=(24, 96),
            scale=(0.1, 25.0),
            shows=("requests", "responses", "latency", "cpu"),
            root=("cpu",),
            precondition="before the evening peak",
            when=lambda channels, world: (world.hour > 17) & (world.hour < 19.5),
        ),
        Fault(
            "metrics_gap",
            "signal_loss",
            "gap",
            "the exporter of some or all containers is silent and their share of every sum is zero",
            duration=(2, 18),
            scale=(2.0, 12.0),
            shows=("requests", "responses", "memory"),
            root=("requests", "responses", "memory"),
        ),
    ),
    texts=Texts(
        measured=(
            "Web service on a pool of containers, sampled every five minutes.\n"
            "requests: what arrives, 1/s, sum over the containers; peaks before noon and in the evening.\n"
            "responses: what is answered in time, 1/s, sum over the containers.\n"
            "latency: mean time to answer, ms.\n"
            "cpu: use of the processors by the containers, %, read from the hosts.\n"
            "memory: heap of all containers, GiB; collected in full every two hours.\n"
        ),
        manual=(
            "Typical failures. A leak: the heap after each full collection is a little higher than after the\n"
            "last; it starts with a release and ends with a restart. A retry storm: under high load requests\n"
            "shoot up for some minutes and the response time with them. A slow database: response time rises\n"
            "while requests and CPU do not; look at the reporting jobs of other teams in office hours. CPU quota\n"
            "too low: in the evening the CPU graph has a flat top, and fewer responses leave than requests come.\n"
            "Lost exporters: all sums sink at once and come back at once, while latency and the CPU of the hosts\n"
            "know nothing of it.\n"
        ),
        routine=(
            "deployment finished, caches are warming up",
            "certificate renewed, valid for {n} months",
            "marketing sent a push message, more traffic expected for an hour",
            "log rotation done, {n} GiB archived",
        ),
        incidents=(
            "payment cluster: heap grew for {n} days after the release, restarted",
            "mobile client {n}.2 resent failed requests without delay, load doubled for ten minutes",
            "staging: database locked by a report for {n} h, answers slow, CPU idle",
            "region {n}: CPU quota was still that of the test system, flat at the limit all evening",
            "search cluster: exporter crashed, graphs at zero for {n} intervals, users saw nothing",
        ),
        misleading=(
            "load test on staging, {n} thousand requests, production not touched",
            "alert rule for memory changed, fired {n} times during the test",
        ),
    ),
)
