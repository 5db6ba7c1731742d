"""Post-training against its controls on labelled series: ``python -m ape.evals.posttraining --out DIR``.

Each backbone is trained once a series and seed, and post-trained by every arm: by the mined bank, by other banks, by
negatives that know nothing of anomalies, and without any. UCR series are split by recording into a half to tune on and
a half to confirm on; see ``docs/results/posttraining.md``. Labels are read for the metrics only, on the part after
``train_end``, on all of a series that has none. Measures of every arm are kept in ``DIR`` too, so that other fusions of
them can be tried.
"""

from __future__ import annotations

import io
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ape.core.errors import InputError
from ape.core.files import write_bytes
from ape.evals.arms import SHORTER_THAN, scene_of
from ape.evals.cases import case, names, recording, tuned_on
from ape.evals.jobs import measure_all, options, publish
from ape.evals.report import interval
from ape.evals.simple import discords
from ape.series import Series
from ape.series.windows import sliding, start_batches, streamed_overlap_mean

CONTROLS = (
    "point_error",
    "error",
    "residual",
    "mahalanobis",
    "raw_nearest",
    "nearest",
)  # the last one is FINDINGS' nnsat


def main() -> int:
    """Measure one part of the series, and print the tables."""
    parser = options("posttraining", __doc__.splitlines()[0])
    parser.add_argument("--on", choices=("tuning", "confirmation", "nab", "asd", "skab", "bench"), default="tuning")
    parser.add_argument("--backbone", action="append", metavar="NAME", help="may be repeated; default: vae")
    parser.add_argument("--arm", action="append", metavar="NAME", help="may be repeated; default: all")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    arguments = parser.parse_args()
    try:
        data_set, chosen = chosen_series(arguments.on)
        jobs = [
            f"{backbone}--{name}--{seed}"
            for seed in range(arguments.seeds)
            for backbone in arguments.backbone or ["vae"]
            for name in chosen
        ]
        measured = partial(measure, arguments.out, data_set, arguments.arm)
        text = tables(measure_all(jobs, measured, arguments.out, arguments.workers))
    except InputError as error:
        sys.stderr.write(f"posttraining: {error}\n")
        return 2
    publish(arguments.out, text)
    return 0


def chosen_series(part: str) -> tuple[str, list[str]]:
    """Data set and names of the series: those of one half of UCR, or of all of another set."""
    if part not in ("tuning", "confirmation"):
        return part, names(part)
    return "ucr", [name for name in names("ucr", longest=SHORTER_THAN) if tuned_on(name) == (part == "tuning")]


def measure(out: Path, data_set: str, chosen: list[str] | None, job: str) -> dict[str, Any]:
    """Metrics of the chosen arms for one backbone, series and seed; their measures go to ``out/JOB.npz``."""
    from ape import detectors

    backbone, name, seed = job.split("--")
    found = case(data_set, name)
    series, labels = found.labelled.series, found.labelled.labels
    test = slice(series.train_end, None)
    detector = detectors.create(backbone, device="cpu").fit(series, seed=int(seed))
    arrays: dict[str, np.ndarray] = {}
    profile = discords(series, detector.window, 0)[test]
    rows: dict[str, Any] = {"no model": judged(labels[test], {"matrix profile": profile})}
    for arm, post_train in scene_of(found, out / "banks", int(seed)).arms().items():
        if chosen and arm not in chosen:
            continue
        began = time.perf_counter()
        result = post_train(detector)
        row: dict[str, Any] = {"seconds": time.perf_counter() - began, "kept": result.report["kept"]}
        if result.candidate is not None:
            calibration = result.candidate.require_calibration()
            curves = result.candidate.curves(series.values)[test]
            arrays |= {f"{arm}.curves": curves.astype(np.float32), f"{arm}.knots": calibration.knots}
            arrays |= {f"{arm}.excess": calibration.excess}
            row["trial"] = result.report["acceptance"]
            scores = scores_of(arm, curves, calibration)
            scores |= with_memory(result.candidate, series, result.report["candidates"]["held_out_from"], scores)
            row |= judged(labels[test], scores)
        rows[arm] = row
    stored = io.BytesIO()
    np.savez_compressed(stored, labels=labels[test], **arrays)  # type: ignore[arg-type]
    write_bytes(out / f"{job}.npz", stored.getvalue())
    return {
        "series": name,
        "family": found.labelled.family,
        "backbone": backbone,
        "seed": int(seed),
        "window": detector.window,
        "arms": rows,
    }


def scores_of(arm: str, curves: np.ndarray, calibration: Any) -> dict[str, np.ndarray]:
    """Scores that an arm stands for: the fused one, the head's, and of the untrained one all controls."""
    from ape.posttrain.score import HEADS_ALONE, MEASURES, WITHOUT_HEADS

    scores = {"fused": calibration.fuse(curves), "without heads": calibration.fuse(curves, WITHOUT_HEADS)}
    scores["heads"] = calibration.fuse(curves, HEADS_ALONE)
    if arm == "untrained":
        scores |= {control: curves[:, MEASURES.index(control)] for control in CONTROLS}
    return scores


def with_memory(model: Any, series: Series, held_out: int, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cosine distance to the nearest vector of the training part, alone and in the place of the heads.

    With heads that never saw a pseudo-anomaly it is a contrastive memory without any: a control.
    """
    from ape.posttrain.score import HEADS, WEIGHTS, Calibration, tails

    distance = memory_distance(model, series)
    knots = tails(distance[held_out : series.train_end, None])
    memory = Calibration(model.calibration.bounds, *knots, np.ones(1)).fuse(distance[series.train_end :, None])
    share = WEIGHTS[:HEADS].sum()
    return {"memory": memory, "with memory": share * memory + (1 - share) * scores["without heads"]}


@torch.no_grad()
def memory_distance(model: Any, series: Series) -> np.ndarray:
    """Cosine distance of windows to the nearest non-overlapping one of the training part, mean over a point, [T]."""
    from ape.posttrain.parts import parts_of

    views = sliding(series.values, model.window)
    references, _ = model.references_for(series.values)

    def vectors(at: torch.Tensor) -> torch.Tensor:
        x = torch.from_numpy(views[at.numpy()])
        return model.vectors(parts_of(model.backbone, x, references.neighbours(model.standardised(x), at).pooled())[0])

    trained = model.memory.starts
    known = torch.cat([vectors(at) for at in trained.split(256)])

    def distances(at: torch.Tensor) -> np.ndarray:
        overlap = (at[:, None] - trained).abs() < model.window
        nearest = (vectors(at) @ known.T).masked_fill(overlap, -1).max(1).values
        return np.repeat((1 - nearest).numpy()[:, None], model.window, axis=1)

    batches = start_batches(series.length, model.window, size=256)
    return streamed_overlap_mean(((at, distances(torch.from_numpy(at))) for at in batches), series.length)


def judged(labels: np.ndarray, scores: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Metrics of each score; UCR accuracy where there is one event, as it asks."""
    from ape.evals.metrics import average_precision, ucr_accuracy, vus_pr
    from ape.evals.metrics.checks import segments

    metrics = {"ap": average_precision, "vus": vus_pr}
    if len(segments(labels)) == 1:
        metrics["ucr"] = ucr_accuracy
    return {name: {metric: f(labels, score) for metric, f in metrics.items()} for name, score in scores.items()}


def tables(results: list[dict[str, Any]]) -> str:
    """Plain text: means of all arms and controls a backbone, and the mined bank against each of them."""
    rows = [
        {
            "backbone": result["backbone"],
            "recording": recording(result["series"]),
            "series": result["series"],
            "seed": result["seed"],
            "arm": f"{arm}: {score}",
            **row[score],
        }
        for result in results
        for arm, row in result["arms"].items()
        for score in row
        if score not in ("seconds", "kept", "trial")
    ]
    frame = pd.DataFrame(rows)
    metrics = [metric for metric in ("ap", "vus", "ucr") if metric in frame]
    means = frame.groupby(["backbone", "arm"], sort=False)[metrics].mean()
    parts = [("Means", means)]
    for backbone, group in frame.groupby("backbone", sort=False):
        wide = group.groupby(["series", "arm"])["ap"].mean().unstack()
        recordings = pd.Series({name: recording(name) for name in wide.index})
        mined = wide["mined bank: fused"]
        against = {other: paired(mined - wide[other], recordings) for other in wide if other != "mined bank: fused"}
        parts.append((f"{backbone}: mined bank, fused, less", pd.DataFrame(against).T))
    return "\n".join(f"{title}\n\n{table.round(3).to_string()}\n" for title, table in parts)


def paired(difference: pd.Series, recordings: pd.Series) -> dict[str, float]:
    """Mean over series, with a 95 % bootstrap interval over recordings."""
    mean, low, high = interval(difference, recordings)
    return {
        "mean": mean,
        "low": low,
        "high": high,
        "better": float((difference > 0.05).sum()),
        "worse": float((difference < -0.05).sum()),
    }


if __name__ == "__main__":
    sys.exit(main())
