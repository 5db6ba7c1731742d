"""Detectors before and after post-training on labelled UCR series: ``python -m ape.evals.before_after --out DIR``.

Every series is mined once (seed 0); every backbone is trained and post-trained once a seed. Labels are read for the
metrics only, on the part after ``train_end``. Finished series are kept in ``DIR``, one JSON file each, so that an
interrupted call goes on where it stopped.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ape.core.errors import InputError
from ape.evals.jobs import measure_all, options, publish
from ape.series import Series

RUNS = {"vae": (0, 1, 2), "lstm-ae": (0,)}
SHORTER_THAN = 20_000


def main() -> int:
    """Measure all series shorter than a length, and print the tables."""
    parser = options("before_after", __doc__.splitlines()[0])
    parser.add_argument(
        "--shorter-than", type=int, default=SHORTER_THAN, metavar="N", help=f"points; default: {SHORTER_THAN}"
    )
    arguments = parser.parse_args()
    try:
        return report(arguments.out, arguments.shorter_than, arguments.workers)
    except InputError as error:
        sys.stderr.write(f"before_after: {error}\n")
        return 2


def report(out: Path, shorter_than: int, workers: int) -> int:
    """Measure what is not in ``out`` yet and write the tables there."""
    from ape.evals.devdata import index

    lengths = index("ucr")["length"]
    names = list(lengths[lengths < shorter_than].index)
    publish(out, tables(measure_all(names, partial(measure, out), out, workers)))
    return 0


def measure(out: Path, name: str) -> dict[str, Any]:
    """Measure one series; its bank is mined in ``out/NAME``."""
    from ape.evals.devdata import labelled

    case = labelled("ucr", name)
    bank, verdicts = mined(case.series, out / name)
    rows = []
    for backbone, seeds in RUNS.items():
        for seed in seeds:
            rows.append(
                {"backbone": backbone, "seed": seed, **before_and_after(case.series, case.labels, bank, backbone, seed)}
            )
    return {"series": name, "family": case.family, "rules": verdicts, "runs": rows}


def mined(series: Series, folder: Path) -> tuple[Any, dict[str, int]]:
    """The bank, and how often rules were proposed, sent back, rejected and accepted."""
    from ape import graphs

    bank = graphs.mine(series, seed=0, folder=folder)
    entries = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    counts = Counter(entry["decision"] for entry in entries if entry["rule"])
    revised = {entry["rule"] for entry in entries if entry["decision"] == "revise"}
    return bank, {
        "proposed": counts["proposed"],
        "revised": len(revised),
        "rejected": counts["reject"],
        "accepted": len(bank.rules),
    }


def before_and_after(series: Series, labels: Any, bank: Any, backbone: str, seed: int) -> dict[str, Any]:
    """Metrics of the detector as trained, as post-trained (kept or not), and as `enhance` gives it back."""
    from ape import detectors, posttrain
    from ape.evals.metrics import average_precision, ucr_accuracy

    test = slice(series.train_end, None)
    started = time.perf_counter()
    detector = detectors.create(backbone, device="cpu").fit(series, seed=seed)
    trained = time.perf_counter()
    result = posttrain.enhance(detector, bank, series, seed=seed)
    figures: dict[str, Any] = {
        "accepted": result.accepted,
        "reason": result.report["reason"],
        "seconds": {"train": trained - started, "enhance": time.perf_counter() - trained},
    }
    models = {"before": detector, "after": result.candidate or detector, "kept": result.detector}
    for name, model in models.items():
        scores = model.score(series)[test]
        figures[name] = {"ap": average_precision(labels[test], scores), "ucr": ucr_accuracy(labels[test], scores)}
    return figures


def tables(results: list[dict[str, Any]]) -> str:
    """Plain text: one row a series and backbone, means over all, and the rules."""
    rows = [
        {"series": result["series"], "family": result["family"], "backbone": run["backbone"], "kept": run["accepted"]}
        | {f"{metric} {when}": run[when][metric] for metric in ("ap", "ucr") for when in ("before", "after", "kept")}
        for result in results
        for run in result["runs"]
    ]
    frame = pd.DataFrame(rows).rename(columns={"ap kept": "ap given back", "ucr kept": "ucr given back"})
    by_series = frame.groupby(["series", "backbone"], sort=False).mean(numeric_only=True)
    spread = frame.groupby(["series", "backbone"], sort=False)["ap after"].std().rename("sd of ap after")
    means = frame.groupby("backbone", sort=False).mean(numeric_only=True)
    rules = pd.DataFrame([{"series": result["series"], **result["rules"]} for result in results]).set_index("series")
    rules.loc["all"] = rules.sum()
    parts = [("Series", by_series.join(spread)), ("Means", means), ("Rules", rules)]
    return "\n".join(f"{title}\n\n{table.reset_index().round(3).to_string(index=False)}\n" for title, table in parts)


if __name__ == "__main__":
    sys.exit(main())
