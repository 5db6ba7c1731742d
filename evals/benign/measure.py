"""Enhance a detector of a scenario with and without benign rules, and count the alarms on other runs of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ape import detectors, posttrain
from ape.detectors import Detector
from ape.evals.benign.truth import benign_rules
from ape.evals.metrics import average_precision
from ape.evals.metrics.checks import fill_unscored
from ape.evals.timeanomalybench import SCENARIOS, Instance, Scenario, make
from ape.evals.timeanomalybench.texts import START, draw_texts
from ape.graphs import mine
from ape.monitor import Answer, Threshold, answer, threshold_for
from ape.posttrain import EnhancedDetector
from ape.posttrain.channels import assess
from ape.series import Series, from_array
from ape.series.series import runs

BACKBONE = "vae"  # the one that trains fastest
LENGTH = 6_000  # points of a run; one half is trained on, the other halves of other runs are scored
FAULTS = 3  # of a scenario, each in a run of its own
EVENTS = 3  # of the fault of a run
NORMAL_EVENTS = 3  # rare normal events of the scored part of a run, or as many as any of the tried runs has
TRIES = 100  # runs among which one is chosen by its rare normal events
PAD = 10  # points around the truth in which an alarm belongs to it
Spans = list[tuple[int, int]]  # begin and end, exclusive
WITHOUT, TRUTH, MINED = "without", "from the truth", "from the manual"


def measure_scenario(job: str) -> dict[str, Any]:
    """Return ``rows``: the figures of one scenario with benign rules of the truth, or of the manual, and without.

    The rules of failures are mined from the manual, and the same for all. The training part has no rare normal event,
    if one run of the first 100 has none there. For each fault another run is scored, on the same clock: the first whose
    scored part has three rare normal events, or the one with most. "Without" is
    the score of the detector with the rules of the truth before these are applied, so that one training serves both.

    Parameters
    ----------
    job : str
        ``SCENARIO--SEED``.
    """
    name, seed = job.split("--")
    scenario, first = SCENARIOS[name], int(seed) * 10_000
    seeds = range(1_000_000 + first, 1_000_000 + first + TRIES)
    trained = _first_run(
        scenario, scenario.faults[0].name, seeds, lambda run: _normal_events(run, slice(run.train_end))
    )
    text = draw_texts(scenario.texts, len(trained.values) * scenario.step, int(seed))
    series = _series(scenario, trained, slice(0, None), trained.train_end, f"{text['measured']}\n{text['manual']}")
    mined = mine(series, seed=int(seed))
    arms = {TRUTH: benign_rules(scenario)} | ({MINED: mined.benign} if mined.benign else {})
    detector = detectors.create(BACKBONE, device="cpu").fit(series, seed=int(seed))
    scored = [
        _first_run(
            scenario,
            fault.name,
            range(first + 1 + k * TRIES, first + 1 + (k + 1) * TRIES),
            lambda run: NORMAL_EVENTS - _normal_events(run, slice(run.train_end, None)),
            EVENTS,
        )
        for k, fault in enumerate(scenario.faults[:FAULTS])
    ]
    rows = []
    for arm, benign in arms.items():
        started = time.perf_counter()
        result = posttrain.enhance(detector, mined.model_copy(update={"benign": benign}), series, int(seed))
        threshold = threshold_for(result.detector, series)
        pairs = [_figures(result.detector, threshold, scenario, run) for run in scored]
        about = {
            "scenario": name,
            "confirmation": scenario.confirmation,
            "seed": int(seed),
            "kept": result.report["kept"],
            "trained on": _normal_events(trained, slice(trained.train_end)),
            "seconds": round(time.perf_counter() - started, 1),
        }
        timed = any(each.context.hours or each.context.weekdays for each in benign)
        for which, rules, figures in (
            (WITHOUT, 0, [plain for plain, _ in pairs]),
            (arm, len(benign), [quieted for _, quieted in pairs]),
        ):
            if which == WITHOUT and arm != TRUTH:
                continue
            sums = {key: float(np.sum([each[key] for each in figures])) for key in figures[0] if key != "ap"}
            mean = float(np.mean([each["ap"] for each in figures]))
            rows.append({**about, "benign rules": which, "rules": rules, "timed": timed, **sums, "ap": mean})
    return {"rows": rows}


def _normal_events(run: Instance, part: slice) -> int:
    return len(runs(run.benign[part] & ~run.labels[part])[0])


def _first_run(
    scenario: Scenario, fault: str, seeds: range, missing: Callable[[Instance], int], events: int = 1
) -> Instance:
    """Return the first run of some seeds in which nothing is missing, or else the one with the least missing."""
    best, least = None, np.inf
    for seed in seeds:
        run = make(scenario, fault, seed, LENGTH, events=events)
        if (count := missing(run)) < least:
            best, least = run, count
        if count <= 0:
            break
    assert best is not None
    return best


def _series(scenario: Scenario, run: Instance, part: slice, train_end: int | None, text: str | None = None) -> Series:
    clock = START + (scenario.step * 1e6 * np.arange(len(run.values))).astype("timedelta64[us]")
    return from_array(
        run.values[part], list(scenario.units), train_end, timestamps=clock[part], text=text, scoring=train_end is None
    )


def _figures(
    detector: Detector | EnhancedDetector, threshold: Threshold, scenario: Scenario, run: Instance
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the figures of the test part of another run, without benign rules and with them."""
    part = slice(run.train_end, None)
    series = _series(scenario, run, part, None)
    benign, labels = run.benign[part], run.labels[part]
    normal = list(zip(*runs(benign & ~labels), strict=True))
    faults = [(each.onset - run.train_end, each.recovery - run.train_end) for each in run.events]
    unusual = list(zip(*runs(benign | labels), strict=True))
    assessment = assess(detector, series)
    without = assessment
    if assessment.quiet is not None:
        without = replace(assessment, score=assessment.quiet.score, quiet=None)
    bank = detector.bank if isinstance(detector, EnhancedDetector) else None
    no_benign = bank and bank.model_copy(update={"benign": []})
    plain, quieted = (
        _counts(answer(detector, series, threshold, known, assessment=each), normal, faults, unusual, labels)
        for each, known in ((without, no_benign), (assessment, bank))
    )
    return plain, quieted


def _counts(found: Answer, normal: Spans, faults: Spans, unusual: Spans, labels: np.ndarray) -> dict[str, float]:
    """Count what an answer makes of rare normal events and of faults; ``unusual`` are both."""
    alarms = [(event.begin, event.end) for event in found.events]
    quiet = [(each.begin, each.end) for each in found.quiet]
    return {
        "normal events": len(normal),
        "raised": sum(_meets(span, alarms) for span in normal),
        "quiet": sum(_meets(span, quiet) for span in normal),
        "faults": len(faults),
        "found": sum(_meets(span, alarms, 0) for span in faults),
        "false alarms": sum(not _meets(alarm, unusual) for alarm in alarms),
        "ap": average_precision(labels, fill_unscored(found.score)),
    }


def _meets(span: tuple[int, int], others: Spans, pad: int = PAD) -> bool:
    return any(span[0] < end + pad and begin - pad < span[1] for begin, end in others)
