"""Events of a finished run at another rate of accepted false alarms: counted from the scores, or found and saved."""

from __future__ import annotations

from dataclasses import asdict, replace

from ape import posttrain
from ape.core.alert_rates import TRAINING, AlertRate
from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.run_files import BANK, DETECTOR, ENHANCED, POSTTRAIN, THRESHOLD
from ape.monitor import Answer, Threshold, answer, threshold_for, write_events
from ape.monitor.alarms import alarms
from ape.posttrain.report_file import read_report
from ape.rules import RuleBank
from ape.runs.changing import changing
from ape.runs.folder import Run, update_record
from ape.runs.report import write_report
from ape.runs.result import Result, read_scores

STEPS = (  # from many to few
    AlertRate(10, "day"), AlertRate(5, "day"), AlertRate(2, "day"), AlertRate(1, "day"), AlertRate(3, "week"),
    AlertRate(1, "week"), AlertRate(0.5, "week"), AlertRate(0.25, "week"), AlertRate(0.1, "week"),
    AlertRate(0.02, "week"),
)  # fmt: skip
SHARES = (20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.02)  # alarms in a time as long as the training part


def count_at(result: Result, rate: AlertRate) -> int:
    """Return the number of alarms at another rate, from the scores."""
    return len(alarms(result.series, result.score, result.threshold.at(rate).level))


def steps_of(result: Result) -> list[AlertRate]:
    """Return rates from many to few accepted false alarms that the series can have."""
    timed = result.threshold.step is not None
    steps = STEPS if timed else tuple(AlertRate(share, TRAINING) for share in SHARES)
    return [rate for rate in steps if _possible(result.threshold, rate)]


def next_step(result: Result, *, fewer: bool) -> AlertRate | None:
    """Return the next stricter or looser rate at which the number of alarms differs; None if there is none."""
    level, now = result.threshold.level, count_at(result, result.threshold.rate)
    steps = steps_of(result) if fewer else steps_of(result)[::-1]
    beyond = [rate for rate in steps if (result.threshold.at(rate).level > level) == fewer]
    beyond = [rate for rate in beyond if result.threshold.at(rate).level != level]
    return next(
        (rate for rate in beyond if (count_at(result, rate) < now) == fewer and count_at(result, rate) != now), None
    )


def why_no_step(result: Result, *, fewer: bool) -> str:
    """Return why `next_step` finds no rate with fewer or more alarms, in words."""
    now, steps = len(result.events), steps_of(result)
    if fewer and not now:
        return "there is no event, so there cannot be fewer"
    rate = steps[-1 if fewer else 0] if steps else result.threshold.rate
    at = f"not even {rate} (a threshold of {result.threshold.at(rate).level:.2f})"
    instead = ". If an event is normal, say so, for example 'event 1 is normal'" if fewer else ""
    return (
        f"no rate that the training part supports gives {'fewer' if fewer else 'more'} alerts than {now}, {at}{instead}"
    )


def find_again(run: Run, rate: AlertRate | None) -> Answer:
    """Score the series of a run again with its enhanced detector, and find its events at a rate.

    Raises
    ------
    InputError
        The run has no detector yet, or the rate is not possible.
    """
    folder = run.folder
    if not (folder / ENHANCED).is_dir():
        raise InputError("the run has no detector yet", str(folder), f"ape run --resume {folder}")
    detector, wanted = posttrain.load(folder / ENHANCED), rate or run.request.alerts
    if is_expected(folder / ENHANCED / THRESHOLD):
        threshold = Threshold.load(folder / ENHANCED).at(wanted)
    else:
        threshold = threshold_for(detector, run.series, wanted)
    return answer(detector, run.series, threshold, RuleBank.load(folder / BANK), run.request.text_file)


def save_found(run: Run, found: Answer) -> None:
    """Write events and thresholds into the run folder, record the rate, and write the report again."""
    read_scores(run.folder, run.series)  # nothing is written if the report cannot be
    read_report(run.folder / POSTTRAIN)
    rate = found.threshold.rate
    with changing(run.folder):
        for name in (DETECTOR, ENHANCED):
            if is_expected(run.folder / name / THRESHOLD):
                Threshold.load(run.folder / name).at(rate).save(run.folder / name)
        found.threshold.save(run.folder / ENHANCED)
        write_events(run.folder, found)
        update_record(run.folder, arguments=asdict(replace(run.request, alerts=rate)))
        write_report(run.folder, run.series)


def _possible(threshold: Threshold, rate: AlertRate) -> bool:
    try:
        threshold.at(rate)
    except InputError:
        return False
    return True
