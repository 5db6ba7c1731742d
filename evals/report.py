"""Report of an experiment: means with intervals, paired differences, tests and ranks, as Parquet, Markdown and HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, select_autoescape

from ape.core.errors import InputError
from ape.core.files import write_bytes, write_text
from ape.evals.alarms import PROMISED
from ape.evals.bootstrap import interval, interval_text
from ape.evals.differences import (
    NOTABLE,
    differences_of_pairs,
    intervals_of_pairs,
    lead,
    losses_of_pairs,
    recordings_of,
)
from ape.evals.experiment import ALONE, OURS
from ape.evals.report_pictures import picture_of_differences, picture_of_means, rank_diagram

METRICS = ("ap", "vus", "ucr")  # average precision, VUS-PR, UCR accuracy; with intervals
IN_TIME = ("outside", "found", "delay", "early")  # see `ape.evals.metrics.in_time`
ALARMS = ("caught", "fitting", "f1", "affiliation", "pieces", "covered")  # see `ape.evals.alarms`
TEXTS = {
    "false alarms for each promised one": {f"false {number}": f"{number} promised" for number in PROMISED},
    "share of events": {
        "named": "first rule is right",
        "located": "first channel is at fault",
        "chance": "a random channel is",
        "above chance": "difference",
    },
}  # tables of means with intervals, by heading; for the second see `ape.evals.attributed`
PAGE = """<!doctype html><meta charset="utf-8"><title>{{ title }}</title>
<style>body{font:14px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}img{max-width:100%}</style>
<h1>{{ title }}</h1><p>{{ summary }}</p>
{% for heading, table in parts %}<h2>{{ heading }}</h2>{{ table }}{% endfor %}
{% for heading, picture in pictures %}<h2>{{ heading }}</h2>
<img alt="{{ heading }}" src="data:image/png;base64,{{ picture }}">{% endfor %}"""


def write_report(
    out: Path, title: str, reference: str, cells: list[dict[str, Any]], differences: Sequence[Sequence[str]] = ()
) -> None:
    """Write ``cells.parquet``, ``differences.csv``, ``report.md``, ``report.html`` and a picture into ``out``.

    ``differences.png`` shows the pairs to compare; without any, of one data set, all systems next to the reference.
    ``means.png`` takes its place if there are several data sets and no pairs.

    Parameters
    ----------
    out : Path
    title : str
    reference : str
        The system that all others are compared with.
    cells : list of dict
        Results of `ape.evals.cells.measure_cell`.
    differences : sequence of (str, str)
        Pairs of systems to compare.
    """
    rows = _rows(cells)
    stored = io.BytesIO()
    rows.to_parquet(stored)
    write_bytes(out / "cells.parquet", stored.getvalue())
    write_text(out / "differences.csv", _differences_by_series(rows, reference).to_csv())
    parts, summary = _tables(rows, reference, differences), _summary(rows)
    markdown = "\n\n".join(f"## {heading}\n\n{_markdown(table)}" for heading, table in parts)
    write_text(out / "report.md", f"# {title}\n\n{summary}\n\n{markdown}\n")
    page = Environment(autoescape=select_autoescape(default=True)).from_string(PAGE)
    shown = [(heading, _Safe(table.round(3).to_html(border=0, na_rep=""))) for heading, table in parts]
    main = _main_picture(rows, reference, differences)
    for name in ("differences.png", "means.png"):
        (out / name).unlink(missing_ok=True)
    for heading, picture in main.items():
        write_bytes(out / f"{heading.lower()}.png", picture)
    pictures = main | {"Critical differences of ranks": rank_diagram(rows)}
    encoded = [(heading, base64.b64encode(picture).decode()) for heading, picture in pictures.items()]
    write_text(out / "report.html", page.render(title=title, summary=summary, parts=shown, pictures=encoded))


def _main_picture(rows: pd.DataFrame, reference: str, differences: Sequence[Sequence[str]]) -> dict[str, bytes]:
    """Return the picture of differences or of means, by its heading; none if there is nothing to compare."""
    groups, pairs = list(_groups(rows)), differences
    if not pairs:
        rows = rows[~rows["system"].str.endswith(ALONE)]
        groups = [group for group in groups if group[1]]
        if len(groups) > 1:
            ap = rows.pivot_table("ap", ["set", "series"], "system", sort=False).groupby("set", sort=False)
            complete = ap.count().eq(ap.size(), axis=0)
            return {"Means": picture_of_means(ap.mean().where(complete))}
        pairs = [(reference, other) for other in rows["system"].unique() if other != reference]
    apart = [(name, table) for name, _, group in groups if len(table := intervals_of_pairs(group, pairs))]
    return {"Differences": picture_of_differences(apart)} if apart else {}


def compare(before: Path, after: Path) -> pd.DataFrame:
    """Return the change of each system's average precision between two folders of one experiment."""
    rows = [_read_rows(folder) for folder in (before, after)]
    recordings = recordings_of(rows[1], ["set", "series"])
    old, new = (each.groupby(["set", "series", "system"])["ap"].mean().unstack("system") for each in rows)
    series, systems = old.index.intersection(new.index), old.columns.intersection(new.columns)
    if not len(series) or not len(systems):
        raise InputError("nothing in common", f"{before}, {after}", "compare runs of one experiment")
    changes = {}
    for system in systems:
        difference = (new.loc[series, system] - old.loc[series, system]).dropna()
        mean, low, high = interval(difference, recordings)
        changes[system] = {
            "before": old.loc[series, system].mean(),
            "after": new.loc[series, system].mean(),
            "change": mean,
            "low": low,
            "high": high,
            "series that changed": int((difference.abs() > 1e-9).sum()),
            "more than noise": bool(low > 0 or high < 0),
        }
    return pd.DataFrame(changes).T


def means_as_text(rows: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """Return means over series with their intervals as text, for each system.

    Parameters
    ----------
    rows : DataFrame
        With columns system, series, recording and some of the metrics.
    metrics : dict
        Columns and their names in the table.

    Returns
    -------
    DataFrame [systems, metrics]
        Without metrics that no system has. Empty if there are no others.
    """
    recordings, table = recordings_of(rows), {}
    columns = [column for column in metrics if column in rows and rows[column].notna().any()]
    means = rows.astype(dict.fromkeys(columns, float)).groupby(["system", "series"], sort=False)[columns].mean()
    for system, of_system in means.groupby("system", sort=False):
        by_series = of_system.droplevel("system").dropna(axis=1, how="all")
        table[system] = {column: interval_text(by_series[column], recordings, ".2f") for column in by_series}
    return pd.DataFrame(table).T.reindex(columns=columns).rename(columns=metrics)


def _markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, in which a bar in a name ends no cell."""
    return str(table.rename(index=_escaped, columns=_escaped).to_markdown(floatfmt=".3f"))


def _escaped(name: object) -> str:
    return str(name).replace("|", "\\|")


class _Safe(str):
    """HTML that pandas has escaped."""

    def __html__(self) -> str:
        return self


def _rows(cells: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per system and cell, with the setting, hardware and versions of the cell."""
    rows = [
        {**row, "seconds": cell["seconds"][row["system"]], **cell["about"],
         **{f"hardware.{k}": v for k, v in cell["hardware"].items()},
         **{f"version.{k}": v for k, v in cell["versions"].items()}}
        for cell in cells
        for row in cell["rows"]
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    if {"located", "chance"} <= set(table):
        table["above chance"] = table["located"] - table["chance"]
    return table


def _read_rows(folder: Path) -> pd.DataFrame:
    path = folder / "cells.parquet"
    if not path.is_file():
        raise InputError("no cells", str(path), "run the experiment first: ape eval run")
    try:
        return pd.read_parquet(path)[["set", "series", "recording", "system", "ap"]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"not the cells of an experiment: {error}"[:200], str(path), "ape eval report DIR") from error


def _differences_by_series(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return the average precision of each series and system, and the lead of the reference."""
    ap = rows.pivot_table("ap", ["set", "family", "recording", "series"], "system", sort=False)
    if reference not in ap:
        return ap
    leads = ap.drop(columns=reference).rsub(ap[reference], axis=0).add_prefix(f"{reference} less ")
    return pd.concat([ap, leads], axis=1)


def _summary(rows: pd.DataFrame) -> str:
    """Return the numbers of series, recordings, seeds and systems, and the machine, as text."""
    count = {what: rows[what].nunique() for what in ("series", "recording", "seed")}
    machines = rows["hardware.machine"] + ", GPU " + rows["hardware.gpu"]
    return (
        f"{count['series']} series of {count['recording']} recordings, {count['seed']} seeds,"
        f" {rows['system'].nunique()} systems; {'; '.join(sorted(machines.unique()))};"
        f" ape-tsad {rows['version.ape-tsad'].iloc[0]}. Means over series, each the mean of its seeds; 95 %"
        " intervals by bootstrap over recordings."
    )


def _tables(rows: pd.DataFrame, reference: str, differences: Sequence[Sequence[str]]) -> list[tuple[str, pd.DataFrame]]:
    """Return headings and tables of each data set, and of its tuning and confirmation parts."""
    tables = []
    for name, is_whole, group in _groups(rows):
        recordings = recordings_of(group)
        systems = _systems(group, recordings)
        ap = group.groupby(["system", "series"], sort=False)["ap"].mean().unstack("system")
        tables.append((f"{name}: all systems", systems))
        if len(pairs := differences_of_pairs(group, differences)):
            tables.append((f"{name}: differences", pairs))
            tables.append((f"{name}: losses by more than {NOTABLE}", losses_of_pairs(group, differences)))
        for heading, metrics in TEXTS.items():
            if not (means := means_as_text(group, metrics)).empty:
                tables.append((f"{name}: {heading}", means.reindex(systems.index).dropna(how="all")))
        if reference in systems.index:
            tables.append((f"{name}: {reference} less", lead(ap, recordings, reference)))
        if len(backbones := _lead_on_each_backbone(ap, recordings)):
            tables.append((f"{name}: on each backbone, average precision less that of", backbones))
        if not is_whole:
            continue
        families = group.pivot_table("ap", "system", "family", sort=False)
        tables.append((f"{name}: average precision by family", families.reindex(systems.index)))
        if group["kept"].notna().any():
            share = pd.crosstab(group["system"], group["kept"], normalize="index")
            tables.append((f"{name}: what the acceptance kept, share of results", share))
    return [(heading, table.dropna(axis=1, how="all").rename_axis(None)) for heading, table in tables]


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, bool, pd.DataFrame]]:
    """Yield the rows of each data set, and of its parts if it has several, and whether they are all of the set."""
    for name, group in rows.groupby("set", sort=False):
        yield str(name), True, group
        if group["part"].nunique() > 1:
            yield from ((f"{name}, {part!s}", False, of_part) for part, of_part in group.groupby("part", sort=False))


def _systems(rows: pd.DataFrame, recordings: pd.Series) -> pd.DataFrame:
    """Return one row per system: means with intervals, spread over seeds, mean rank and seconds."""
    metrics = [metric for metric in METRICS if metric in rows and rows[metric].notna().any()]
    others = [metric for metric in (*IN_TIME, *ALARMS) if metric in rows]
    rows = rows.astype(dict.fromkeys(others, float))  # None where undefined
    by_series = rows.groupby(["system", "series"], sort=False)[[*metrics, *others]].mean()
    table = by_series.groupby("system", sort=False).mean()
    table.insert(0, "series", by_series.groupby("system").size())
    for metric in metrics:
        ends = [interval(by_series.loc[system][metric], recordings)[1:] for system in table.index]
        table[[f"{metric} low", f"{metric} high"]] = ends
    spread = rows.groupby(["system", "series"])["ap"].std().groupby("system").mean()
    table["sd over seeds"] = spread.reindex(table.index)
    ranks = by_series["ap"].unstack("system").rank(axis=1, ascending=False)
    table["mean rank"] = ranks.mean().reindex(table.index)
    table["seconds"] = rows.groupby(["system"])["seconds"].mean().reindex(table.index)
    return table.sort_values("ap", ascending=False)


def _lead_on_each_backbone(ap: pd.DataFrame, recordings: pd.Series) -> pd.DataFrame:
    """Return, for each backbone, the lead of our results over all other systems on that backbone, as text."""
    leads = {}
    systems = [str(system) for system in ap]
    for backbone in (system.removesuffix(f" + {OURS}") for system in systems if system.endswith(f" + {OURS}")):
        on_backbone = {
            system.removeprefix(backbone).lstrip(":+ "): system
            for system in systems
            if system.startswith((f"{backbone}:", f"{backbone} +"))
        }
        for ours in (OURS, "mined bank"):
            if ours in on_backbone:
                leads[f"{backbone} + {ours}"] = {
                    other: interval_text(ap[on_backbone[ours]] - ap[system], recordings)
                    for other, system in on_backbone.items()
                    if other != ours
                }
    return pd.DataFrame(leads).T
