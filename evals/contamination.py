"""Anomalies in the training part, and what filtering makes of them: ``python -m ape.evals.contamination --out DIR``.

1, 5 and 10 % of the training points become anomalous: in UCR series of the half to tune on by pseudo-anomalies of
broad rules, in simulated scenarios by the very fault that the test part holds. Which windows the filter leaves out is
measured on all of them; on some a VAE is trained and post-trained with the filter, without it and with a perfect one,
and judged on the test part, which stays as it was. See ``docs/results/contamination.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from ape.core.errors import InputError
from ape.evals.devdata import Labelled, labelled
from ape.evals.jobs import measure_all, options, publish
from ape.posttrain.candidates import profile
from ape.posttrain.filtering import Suspect, unlike_others
from ape.posttrain.memory import Memory
from ape.series import Series, from_array
from ape.series.numerics import robust_scale

SHARES = (0, 1, 5, 10)  # % of the training points
FAULTS = {
    "network_traffic": "link_saturation",
    "power_demand": "meter_freeze",
    "pumped_tank": "level_sensor_freeze",
    "rotating_machine": "sensor_saturation",
    "stirred_reactor": "thermocouple_noise",
    "weather_station": "anemometer_icing",
    "web_service": "slow_dependency",
    "web_shop": "bot_traffic",
}
POST_TRAINED = (
    "114_CIMIS44AirTemperature2",
    "139_InternalBleeding20",
    "156_TkeepFifthMARS",
    "power_demand",
    "rotating_machine",
    "weather_station",
)
LENGTH, EVENTS, TEST_EVENTS = 8000, 40, 3  # of a simulated series
HOST_STEP = 1.25  # windows from one host of a pseudo-anomaly to the next
HALF = 0.5  # of an event, or of the window where that is shorter: a window that holds so much is contaminated


@dataclass(frozen=True)
class Case:
    """A series with anomalies in its training part.

    Parameters
    ----------
    series : Series
    planted : list of (int, int)
        Begin and end of each anomaly in the training part.
    labels : ndarray, bool [T]
        Anomalies of the test part.
    """

    series: Series
    planted: list[tuple[int, int]]
    labels: np.ndarray


def main() -> int:
    """Measure all series at all shares, and print the tables."""
    arguments = options("contamination", __doc__.splitlines()[0]).parse_args()
    try:
        from ape.evals.posttraining import chosen_series

        jobs = [f"{name}--{share}" for name in [*chosen_series("tuning")[1], *FAULTS] for share in SHARES]
        text = tables(measure_all(jobs, measure, arguments.out, arguments.workers))
    except InputError as error:
        sys.stderr.write(f"contamination: {error}\n")
        return 2
    publish(arguments.out, text)
    return 0


def measure(job: str) -> dict[str, Any]:
    """Figures of one series at one share, ``NAME--PERCENT``."""
    name, percent = job.split("--")
    share = float(percent) / 100
    case = simulated(name, FAULTS[name], share) if name in FAULTS else pseudo(labelled("ucr", name), share)
    row: dict[str, Any] = {"series": name, "share": float(percent), "filters": filtered(case)}
    if name in POST_TRAINED:
        row["ap"] = post_trained(case)
    return row


def pseudo(case: Labelled, share: float, seed: int = 0) -> Case:
    """A labelled series with pseudo-anomalies of broad rules in its training part."""
    from ape.detectors.detector import automatic_window
    from ape.rules import build_context, generic_bank

    series = case.series
    window, end = automatic_window(series.train), len(series.train)
    generator = np.random.default_rng([seed, 11])
    hosts = np.arange(generator.integers(window // 2), end - window, int(HOST_STEP * window))
    hosts = generator.permutation(hosts)
    windows = torch.from_numpy(np.stack([series.values[at : at + window].T for at in hosts]))
    made = generic_bank(build_context(series)).sample(
        windows, torch.Generator().manual_seed(seed), torch.from_numpy(hosts)
    )
    changed = [np.flatnonzero(mask) for mask in made.mask.any(1).numpy()]
    spans = [(int(at + where[0]), int(at + where[-1] + 1)) for at, where in zip(hosts, changed, strict=True)]
    values, planted = series.values.copy(), list(up_to(spans, share * end))
    for at, anomaly, span in zip(hosts, made.pseudo.numpy(), spans, strict=True):
        if span in planted:
            values[at : at + window] = anomaly.T
    return Case(replace(series, values=values), planted, case.labels)


def simulated(scenario: str, fault: str, share: float, seed: int = 0) -> Case:
    """A run of a scenario whose fault happens in the training part too; elsewhere it is its twin without the fault."""
    from ape.evals.timeanomalybench import SCENARIOS, make

    run, end = make(SCENARIOS[scenario], fault, seed, LENGTH, 0.0, EVENTS), LENGTH // 2
    spans = [(event.onset, event.recovery) for event in run.events]
    order = np.random.default_rng([seed, 12]).permutation(len(spans))
    planted = list(up_to([spans[i] for i in order if spans[i][1] <= end], share * end))
    tested = [span for span in spans if span[0] >= end][:TEST_EVENTS]
    values, labels = run.twin.copy(), np.zeros(LENGTH, dtype=bool)
    for begin, stop in planted + tested:
        values[begin:stop] = run.values[begin:stop]
    for begin, stop in tested:
        labels[begin:stop] = run.labels[begin:stop]
    return Case(from_array(values, train_end=end, name=scenario), planted, labels)


def up_to(spans: list[tuple[int, int]], points: float) -> Iterator[tuple[int, int]]:
    """The first spans that together hold so many points."""
    held = 0
    for begin, end in spans:
        if held >= points:
            return
        held += end - begin
        yield begin, end


def nearest_only(memory: Memory, vouched: bool) -> np.ndarray:
    """Control: windows far from their nearest other one by the plain distance, with the cuts of the first filter."""
    index = memory.distinct_neighbours(1)[0]
    log = (memory.windows - memory.windows[index]).square().mean((1, 2)).sqrt().add(1e-9).log().numpy()
    excess = (log - np.median(log)) / robust_scale(log)
    return excess > max(6.0 if vouched else 3.5, float(np.quantile(excess, 0.8)))


def nothing(memory: Memory, vouched: bool) -> np.ndarray:
    """No filter: no window is suspicious."""
    return np.zeros(len(memory.starts), dtype=bool)


def contaminated(case: Case, starts: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Which windows hold half of an anomaly or are half anomaly, and which are clean of any, bool [R] each."""
    held, clean = np.zeros(len(starts), dtype=bool), np.ones(len(starts), dtype=bool)
    for begin, end in case.planted:
        overlap = np.minimum(end, starts + window) - np.maximum(begin, starts)
        held |= overlap >= HALF * min(end - begin, window)
        clean &= overlap <= 0
    return held, clean


def perfect(case: Case) -> Suspect:
    """The filter that knows where the anomalies are: it leaves out every window that holds any of their points."""
    return lambda memory, _: ~contaminated(case, memory.starts.numpy(), memory.window)[1]


def filtered(case: Case) -> dict[str, dict[str, float | None]]:
    """Precision and recall over windows, and the share of clean windows lost, with `train_end` and without it."""
    from ape.detectors.detector import automatic_window

    train = case.series.train
    shift, scale = (torch.from_numpy(x).float() for x in (train.mean(0), train.std(0).clip(1e-6)))
    window = automatic_window(train)
    alone = from_array(train, name=case.series.name)
    rows = {}
    for name, suspect in {"filter": unlike_others, "nearest only": nearest_only}.items():
        for guard, series in {"": case.series, ", unguarded": alone}.items():
            found = profile(series, window, shift, scale, suspect)
            starts = np.concatenate([found.memory.starts.numpy(), found.suspicious])
            out = np.arange(len(starts)) >= len(found.memory.starts)
            held, clean = contaminated(case, starts, window)
            told = out & (held | clean)
            rows[name + guard] = {
                "contaminated": float(held.mean()),
                "precision": float(held[told].mean()) if told.any() and held.any() else None,
                "recall": float(out[held].mean()) if held.any() else None,
                "clean_lost": float(out[clean].mean()),
            }
    return rows


def post_trained(case: Case) -> dict[str, float]:
    """Average precision on the test part of the detector, and of what post-training makes of it, kept or not."""
    from ape import detectors, posttrain
    from ape.evals.metrics import average_precision
    from ape.rules import build_context, generic_bank

    series, test = case.series, slice(case.series.train_end, None)
    detector = detectors.create("vae", device="cpu").fit(series)
    bank = generic_bank(build_context(series))
    filters: dict[str, Suspect] = {"filter": unlike_others, "no filter": nothing}
    if case.planted:
        filters["perfect filter"] = perfect(case)
    models: dict[str, Any] = {"before": detector}
    for name, suspect in filters.items():
        result = posttrain.enhance(detector, bank, series, suspect=suspect)
        models[name] = result.candidate or result.detector
    return {name: average_precision(case.labels[test], model.score(series)[test]) for name, model in models.items()}


def tables(results: list[dict[str, Any]]) -> str:
    """Plain text: what filters leave out, means over series, and average precision a series and share."""
    found = pd.DataFrame(
        [
            {"planted": kind(result["series"]), "filter": name, "share": result["share"], **figures}
            for result in results
            for name, figures in result["filters"].items()
        ]
    )
    ap = pd.DataFrame([row["ap"] | {name: row[name] for name in ("series", "share")} for row in results if "ap" in row])
    means = found.groupby(["planted", "filter", "share"], sort=False).mean()
    parts = {"Windows": means.astype(float).round(3).to_string()}
    if len(ap):
        ap = ap.fillna({"perfect filter": ap["no filter"]}) if "perfect filter" in ap else ap
        parts["Average precision"] = ap.set_index(["series", "share"]).round(3).to_string()
        ap["planted"] = ap.pop("series").map(kind)
        parts["Means"] = ap.groupby(["planted", "share"], sort=False).mean().round(3).to_string()
    return "\n".join(f"{title}\n\n{text}\n" for title, text in parts.items())


def kind(name: str) -> str:
    """What is planted into a series."""
    return "fault" if name in FAULTS else "pseudo-anomalies"


if __name__ == "__main__":
    sys.exit(main())
