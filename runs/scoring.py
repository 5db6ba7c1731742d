"""Score series with one saved detector: one into a folder, or many in parallel, each into a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ape import posttrain
from ape.core.alert_rates import AlertRate
from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.files import folder_digest, read_json, write_json
from ape.core.progress import Progress
from ape.core.run_files import SCORES, THRESHOLD
from ape.detectors import Detector
from ape.detectors.inputs import prepared, require_window, required_by
from ape.monitor import Answer, Threshold, answer, write_events
from ape.posttrain import EnhancedDetector
from ape.posttrain.steps import channel_scores, write_scores
from ape.runs.attempts import DEFAULT_POLICY, RetryPolicy, attempt
from ape.runs.batch import ITEMS, failures_of, record_requests
from ape.runs.folder import Request, read_request
from ape.runs.jobs import OnDone, connect, map_jobs
from ape.series import Series, load

RECORD = "scoring.json"  # what scored the series of a folder
RESULTS = "results/scored"


@dataclass(frozen=True)
class Scoring:
    """How series are scored.

    Parameters
    ----------
    folder : Path
        Of the detector.
    own : bool
        Whether the score is that of the paper, which has no threshold.
    alerts : AlertRate or None
        Accepted false alarms; None stands for the rate that was saved with the detector.
    """

    folder: Path
    own: bool = False
    alerts: AlertRate | None = None

    @property
    def no_events(self) -> str:
        """Why no events can be listed; empty if they can."""
        if self.own:
            return "the score of the paper has no threshold"
        return "" if is_expected(self.folder / THRESHOLD) else "no threshold was saved with the detector"


def score_series(
    scoring: Scoring,
    detector: Detector | EnhancedDetector,
    series: Series,
    out: Path,
    progress: Progress | None = None,
) -> Answer | None:
    """Write ``scores.csv``, and the events if the score has a threshold; return what was found, or None."""
    threshold = None if scoring.no_events else Threshold.load(scoring.folder)
    series = prepared(detector, series)
    assessment, found = posttrain.assess(detector, series, own=scoring.own, progress=progress), None
    if threshold is not None:
        threshold = threshold if scoring.alerts is None else threshold.at(scoring.alerts)
        text = _notes_of(scoring.folder.parent)
        found = answer(detector, series, threshold, text=text, assessment=assessment)
    write_scores(out / SCORES, series, {"score": assessment.score, **channel_scores(assessment, series.channels)})
    if found is not None:
        write_events(out, found)
    return found


def score_items(
    requests: Mapping[str, Request],
    scoring: Scoring,
    out: Path,
    workers: int = 2,
    ray: str | None = None,
    policy: RetryPolicy = DEFAULT_POLICY,
    on_done: OnDone = lambda name, error: None,
) -> dict[str, str]:
    """Score every item into ``out/items/NAME``; finished items are not repeated.

    Parameters
    ----------
    requests : mapping of str to Request
        By item, see `ape.runs.manifest.read_manifest`. Only what says how to read the file is used.
    scoring : Scoring
    out : Path
    workers, ray, on_done
        See `ape.runs.jobs.map_jobs`.
    policy : RetryPolicy

    Returns
    -------
    dict of str to str
        The reason for each item that failed.

    Raises
    ------
    InputError
        The detector cannot be loaded, the cluster cannot be reached, or ``out`` has results of another detector or of
        other series.
    """
    posttrain.load(scoring.folder)
    if ray is not None:
        connect(ray)
    record = {
        "detector": folder_digest(scoring.folder).hex(),
        "own": scoring.own,
        "alerts": None if scoring.alerts is None else str(scoring.alerts),
    }
    if (out / RECORD).is_file() and read_json(out / RECORD, "record of a scoring") != record:
        raise InputError(
            "another detector, or other options, scored the series there", str(out), "choose another --out"
        )
    record_requests(out, requests)
    write_json(out / RECORD, record)
    work = partial(score_item, out.resolve(), dict(requests), scoring, policy)
    map_jobs(list(requests), work, out / RESULTS, workers, ray, on_done)
    return failures_of(out / RESULTS, requests)


def score_item(
    out: Path, requests: dict[str, Request], scoring: Scoring, policy: RetryPolicy, name: str
) -> dict[str, Any]:
    """Score one item into its folder; return a summary."""
    return attempt(_score, policy, scoring, requests[name], out / ITEMS / name)


def _score(scoring: Scoring, request: Request, folder: Path) -> dict[str, Any]:
    detector = _loaded(scoring.folder)
    series = load(
        request.data,
        column=request.column or None,
        options=request.reading,
        required=required_by(detector),
        scoring=True,
    )
    require_window(detector, series, request.data)
    folder.mkdir(parents=True, exist_ok=True)
    found = score_series(scoring, detector, series, folder)
    return {"points": series.length, "events": None if found is None else len(found.events)}


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Detector | EnhancedDetector:
    """Load the detector once in each process."""
    return posttrain.load(folder)


def _notes_of(folder: Path) -> str | None:
    """Return the name of the text that the rules of a run quote; None if it is not known, as without a run folder."""
    with suppress(InputError):
        return read_request(folder).text_file
    return None
