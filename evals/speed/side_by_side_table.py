"""Results of `ape.evals.speed.side_by_side`, what need not be run, and the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from ape.core.files import write_text

RUN = "ape run"  # whose time is 1 in ratios
LIMIT = "limit"  # why there is no result: the time limit
ONE_CHANNEL = "one channel only"  # another reason
START = 5.0  # seconds until a process begins its work, which do not grow with a series


@dataclass(frozen=True)
class Result:
    """One method on one series.

    Parameters
    ----------
    series : str
    size : int
        Points times channels.
    method, version, settings : str
    limit : float or None
        Seconds after which it is ended.
    seconds, processor, memory, others : float
        See `ape.evals.speed.processes.Cost`; 0 if it was not started.
    ap, vus : float or None
        Average precision and VUS-PR after the training part.
    failed : str
        Why there are no scores; empty if there are.
    """

    series: str
    size: int
    method: str
    version: str
    settings: str
    limit: float | None
    seconds: float = 0.0
    processor: float = 0.0
    memory: float = 0.0
    others: float = 0.0
    ap: float | None = None
    vus: float | None = None
    failed: str = ""


def reason_to_skip(results: Sequence[Result], planned: Result, calls: str = "") -> str:
    """Return why a method need not be started on a series; empty if it must be.

    Parameters
    ----------
    results : sequence of Result
        So far.
    planned : Result
        Without figures.
    calls : str
        Method whose function does nearly all of its work.
    """
    for done in results:
        if done.method == calls and done.series == planned.series and done.failed not in ("", ONE_CHANNEL):
            return f"calls the same function as '{calls}'"
        if done.method != planned.method or done.size > planned.size:
            continue
        if done.failed == LIMIT:
            return f"over the limit on {done.series}"
        expected = (done.seconds - START) * planned.size / done.size
        if not done.failed and planned.limit is not None and expected > planned.limit:
            return f"{expected:.0f} s expected, if it grows in proportion from {done.series}"
    return ""


def cell(result: Result, reference: float | None) -> str:
    """Return seconds, ratio to the seconds of `RUN`, and average precision."""
    if result.failed == LIMIT:
        return f"> {result.limit:.0f} s"
    if result.failed or result.ap is None:
        return "–"
    ratio = "" if reference is None else f", {result.seconds / reference:.2f}"
    return f"{result.seconds:.1f} s{ratio}, **{result.ap:.2f}**"


def overview(results: Sequence[Result]) -> str:
    """Return a Markdown table with a row for each method and a column for each series."""
    series = list(dict.fromkeys(result.series for result in results))
    reference = {result.series: result.seconds for result in results if result.method == RUN and not result.failed}
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for result in results:
        row = rows.setdefault((result.method, result.version, result.settings), {})
        row[result.series] = cell(result, reference.get(result.series))
    return markdown(
        ["method", "version", "settings", *series],
        [[*method, *(cells.get(each, "") for each in series)] for method, cells in rows.items()],
    )


def details(results: Sequence[Result]) -> str:
    """Return a Markdown table with a row for each method and series."""
    titles = ["series", "method", "s", "processor s", "MiB", "others' processors", "AP", "VUS-PR", "no scores because"]
    rows = []
    for result in results:
        started = result.seconds > 0
        costs = (f"{result.seconds:.1f}", f"{result.processor:.1f}", f"{result.memory:.0f}", f"{result.others:.1f}")
        quality = ("" if value is None else f"{value:.3f}" for value in (result.ap, result.vus))
        rows.append([result.series, result.method, *(costs if started else [""] * 4), *quality, result.failed])
    return markdown(titles, rows)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_tables(results: Sequence[Result], about: Mapping[str, str], out: Path) -> None:
    """Write ``side_by_side.md`` and ``side_by_side.csv``.

    Parameters
    ----------
    results : sequence of Result
    about : mapping of str to str
        Machine and conditions, for the first lines.
    out : Path
        Folder.
    """
    said = "".join(f"- {name}: {value}\n" for name, value in about.items())
    explained = (
        "Each cell: seconds from the start of the process to scores on disk, as a multiple of those of "
        f"`{RUN}`, and in bold the average precision. `>`: ended at the limit. `–`: not run, or no scores; "
        "the table below says why.\n"
    )
    parts = ["# Side by side\n", said, explained, overview(results), "## Details\n", details(results)]
    write_text(out / "side_by_side.md", "\n".join(parts))
    write_text(out / "side_by_side.csv", pd.DataFrame(map(asdict, results)).to_csv(index=False))
