"""Generate sets of series and store them with their texts, their truth and a data card.

A set contains ``series/<id>.npz`` (values float32 [T, C], train_end, channels), ``texts/<id>/measured|manual|log.txt``,
``truth/<id>.npz`` (twin, mask, benign, where), ``truth/<id>.json`` (semantics, events, difficulty), ``card.md`` and
``bench.json`` (seed and configuration). The ids are neutral. The same seed and configuration give the same bytes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict

from ape.core.errors import InputError
from ape.core.files import atomic_folder, read_json, write_json, write_text
from ape.core.processes import require_shared_memory, start_worker, starting_workers
from ape.core.validation import validated
from ape.evals.timeanomalybench.difficulty import difficulty
from ape.evals.timeanomalybench.injection import Instance, make
from ape.evals.timeanomalybench.scenarios import SCENARIOS
from ape.evals.timeanomalybench.supplement import OUTPUT_FAULTS, supplement
from ape.evals.timeanomalybench.texts import draw_texts
from ape.series import Series

RECORD = "bench.json"


@dataclass(frozen=True)
class Config:
    """Size and difficulty of a set.

    Attributes
    ----------
    series_per_scenario : int
    length : int
        Time steps of each series, at least 2000.
    train_share : float
        Share of each series, at its beginning, without any fault. From 0.2 to 0.8.
    events : (int, int)
        Fewest and most occurrences of a series' fault.
    severity : (float, float)
        Lowest and highest severity, above 0 and at most 1. A lower range makes a harder set.
    scenarios : tuple of str
        Names of the scenarios; all by default.
    """

    series_per_scenario: int = 10
    length: int = 10_000
    train_share: float = 0.5
    events: tuple[int, int] = (1, 3)
    severity: tuple[float, float] = (0.3, 1.0)
    scenarios: tuple[str, ...] = tuple(SCENARIOS)

    __pydantic_config__ = ConfigDict(extra="forbid")

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read a JSON file with any of these fields.

        Raises
        ------
        InputError
            The file cannot be read, a field is unknown, or a value is out of range.
        """
        obj, hint = read_json(path, "bench configuration"), "see bench.json of an existing set"
        return validated(cls, obj, "invalid bench configuration", path, hint)

    def __post_init__(self) -> None:
        unknown = set(self.scenarios) - set(SCENARIOS)
        if unknown:
            raise InputError(
                f"unknown scenario '{min(unknown)}'", "configuration", f"choose from {', '.join(SCENARIOS)}"
            )
        if not (self.series_per_scenario >= 1 and self.length >= 2000 and 0.2 <= self.train_share <= 0.8):
            raise InputError(
                "sizes out of range",
                "configuration",
                "give at least 1 series of 2000 points and train_share 0.2 to 0.8",
            )
        if not (1 <= self.events[0] <= self.events[1] and 0 < self.severity[0] <= self.severity[1] <= 1):
            raise InputError(
                "events or severity out of range",
                "configuration",
                "give events of at least 1, and severities above 0 and at most 1, the lower first",
            )


@dataclass(frozen=True)
class StoredSeries:
    """One series of a set with its texts and its truth."""

    name: str
    values: np.ndarray
    train_end: int
    channels: tuple[str, ...]
    texts: dict[str, str]
    truth: dict[str, Any]
    mask: np.ndarray
    twin: np.ndarray


def make_set(
    out: Path, seed: int, config: Config | None = None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Generate a set in the folder ``out``, on all cores.

    Parameters
    ----------
    out : Path
        A folder that does not exist or is empty.
    seed : int
    config : Config, optional
    progress : callable, optional
        Gets the number of finished series and the total.

    Returns
    -------
    Path
        ``out``.
    """
    config = config or Config()
    jobs = list(_jobs(seed, config))
    require_shared_memory()
    with atomic_folder(out, RECORD) as folder:
        truths = []
        with ProcessPoolExecutor(max_workers=os.cpu_count(), initializer=start_worker) as pool:
            with starting_workers():
                made = pool.map(_generate, [(folder, config, *job) for job in jobs])
            for done, truth in enumerate(made, 1):
                truths.append(truth)
                progress(done, len(jobs))
        write_text(folder / "card.md", _card(seed, config, truths))
        write_json(folder / RECORD, {"format": 1, "seed": seed, "config": asdict(config)})
    return out


def supplement_set(out: Path, series: Series, seed: int, events: tuple[int, int] = (1, 3)) -> Path:
    """Generate a set in the folder ``out`` from one real series without anomalies: one copy per output fault.

    Parameters
    ----------
    out : Path
        A folder that does not exist or is empty.
    series : Series
    seed : int
    events : (int, int)
        Fewest and most occurrences of a fault.

    Returns
    -------
    Path
        ``out``.
    """
    with atomic_folder(out, RECORD) as folder:
        order = np.random.default_rng([seed, 4]).permutation(len(OUTPUT_FAULTS)) + 1
        for number, fault in zip(order, OUTPUT_FAULTS, strict=True):
            own = int(np.random.SeedSequence([seed, int(number)]).generate_state(1)[0])
            count = int(np.random.default_rng([own, 5]).integers(events[0], events[1] + 1))
            instance = supplement(series, fault, own, count)
            _store(folder, f"s{number:04d}", instance, {"measured": series.text or ""}, own)
        write_json(folder / RECORD, {"format": 1, "seed": seed, "series": series.name, "events": list(events)})
    return out


def read_set(folder: Path) -> Iterator[StoredSeries]:
    """Yield the series of a set in the order of their names."""
    read_json(folder / RECORD, "bench record")
    for path in sorted((folder / "series").glob("*.npz")):
        with np.load(path, allow_pickle=False) as series, np.load(folder / "truth" / path.name) as truth:
            yield StoredSeries(
                name=path.stem,
                values=series["values"],
                train_end=int(series["train_end"]),
                channels=tuple(map(str, series["channels"])),
                texts={
                    text.stem: text.read_text(encoding="utf-8") for text in (folder / "texts" / path.stem).glob("*.txt")
                },
                truth=read_json(folder / "truth" / f"{path.stem}.json", "truth"),
                mask=truth["mask"],
                twin=truth["twin"],
            )


def _jobs(seed: int, config: Config) -> Iterator[tuple[str, str, str, int]]:
    """Yield name, scenario, fault and seed of each series. Names are assigned at random and reveal nothing."""
    total = len(config.scenarios) * config.series_per_scenario
    numbers = iter(np.random.default_rng([seed, 4]).permutation(total) + 1)
    for name in config.scenarios:
        faults = SCENARIOS[name].faults
        for index in range(config.series_per_scenario):
            own = np.random.SeedSequence([seed, list(SCENARIOS).index(name), index]).generate_state(1)[0]
            yield f"s{next(numbers):04d}", name, faults[index % len(faults)].name, int(own)


def _generate(job: tuple[Path, Config, str, str, str, int]) -> dict[str, Any]:
    folder, config, name, scenario, fault, seed = job
    rng = np.random.default_rng([seed, 5])
    instance = make(
        SCENARIOS[scenario],
        fault,
        seed,
        config.length,
        config.train_share,
        int(rng.integers(config.events[0], config.events[1] + 1)),
        float(rng.uniform(*config.severity)),
    )
    seconds = config.length * instance.scenario.step
    return _store(folder, name, instance, draw_texts(instance.scenario.texts, seconds, seed), seed)


def _store(folder: Path, name: str, instance: Instance, texts: dict[str, str], seed: int) -> dict[str, Any]:
    """Write one series with its texts and its truth into a set's folder, and return the truth."""
    for part in ("series", "truth", f"texts/{name}"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "series" / f"{name}.npz",
        values=instance.values,
        train_end=instance.train_end,
        channels=np.array(list(instance.scenario.units)),
    )
    np.savez_compressed(
        folder / "truth" / f"{name}.npz",
        twin=instance.twin,
        mask=instance.mask,
        benign=instance.benign,
        where=instance.where,
    )
    for level, text in texts.items():
        write_text(folder / "texts" / name / f"{level}.txt", text)
    truth = _truth(name, instance, seed)
    write_json(folder / "truth" / f"{name}.json", truth)
    return truth


def _truth(name: str, instance: Instance, seed: int) -> dict[str, Any]:
    fault = instance.events[0].fault
    return {
        "series": name,
        "scenario": instance.scenario.name,
        "confirmation": instance.scenario.confirmation,
        "seed": seed,
        "fault": fault.name,
        "mechanism": fault.mechanism,
        "morphology": fault.morphology,
        "note": fault.note,
        "precondition": fault.precondition,
        "onset_share": fault.onset,
        "root": list(fault.root),
        "shows": [name for name, mask in zip(instance.scenario.units, instance.mask.T, strict=True) if mask.any()],
        "peak_effect": round(instance.peak_effect, 6),
        "events": [
            {
                "severity": round(event.severity, 6),
                "onset": event.onset,
                "end": event.end,
                "recovery": event.recovery,
            }
            for event in instance.events
        ],
        "difficulty": {
            key: round(value, 6) if isinstance(value, float) else value for key, value in difficulty(instance).items()
        },
    }


def _card(seed: int, config: Config, truths: list[dict[str, Any]]) -> str:
    levels = Counter(truth["difficulty"]["level"] for truth in truths)
    rows = [
        f"| {name} | {SCENARIOS[name].domain} | {len(SCENARIOS[name].units)} | {SCENARIOS[name].step:g} s | "
        f"{len(SCENARIOS[name].faults)} | {'yes' if SCENARIOS[name].confirmation else ''} |"
        for name in config.scenarios
    ]
    return "\n".join(
        [
            "# A set of TimeAnomaly-Bench",
            "",
            f"{len(truths)} series of {config.length} points, generated with seed {seed}. The first "
            f"{config.train_share:.0%} of each series are normal. Each series contains {config.events[0]} to "
            f"{config.events[1]} occurrences of one fault at severities {config.severity[0]:g} to "
            f"{config.severity[1]:g}. The fault acts in the simulated process. The twin of a series is the same "
            "simulation with the same random numbers and without the fault. A point is labelled as anomalous where a "
            "channel differs from the twin by more than 0.05 of its robust standard deviation.",
            "",
            f"Difficulty, by the best of three simple detectors: {levels['easy']} easy, {levels['medium']} medium, "
            f"{levels['hard']} hard.",
            "",
            "| scenario | domain | channels | step | faults | confirmation |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "Do not tune anything on the confirmation scenarios. `series/` and `texts/` do not reveal where an "
            "anomaly is or of what kind. `truth/` does, and is for evaluation only.",
            "",
        ]
    )
