"""Report of an experiment: means with intervals, paired differences, tests and ranks, as Parquet, Markdown and HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, select_autoescape
from scipy.stats import wilcoxon
from statsmodels.stats.multitest import multipletests

from ape.core.errors import InputError
from ape.core.files import write_bytes, write_text
from ape.evals.alarms import PROMISED
from ape.evals.bootstrap import interval
from ape.evals.experiment import ALONE, OURS
from ape.evals.report_pictures import picture_of_differences, picture_of_means, rank_diagram

METRICS = ("ap", "vus", "ucr")  # average precision, VUS-PR, UCR accuracy; with intervals
IN_TIME = ("outside", "found", "delay", "early")  # see `ape.evals.metrics.in_time`
ATTRIBUTED = ("named", "located", "chance")  # see `ape.evals.attributed`
ALARMS = ("caught", "fitting", "f1", "affiliation", "pieces", "covered")  # see `ape.evals.alarms`
FALSE = tuple(f"false {number}" for number in PROMISED)  # false alarms for each promised one
COMPARED = ("ap", "vus", "outside")  # of pairs of systems
NOTABLE = 0.05  # difference of average precision that counts as better or worse
FEWEST_RECORDINGS = 5  # with a difference, for Wilcoxon's test
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
    recordings = _recordings(rows[1], ["set", "series"])
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


def lead(ap: pd.DataFrame, recordings: pd.Series, reference: str) -> pd.DataFrame:
    """Return the lead of the reference over each other system.

    Parameters
    ----------
    ap : DataFrame [series, systems]
        Average precision.
    recordings : Series
        Recording of each series.
    reference : str

    Returns
    -------
    DataFrame
        Mean difference with its interval, counts of better and worse series, and the p value of Wilcoxon's signed-rank
        test over recordings, with Holm's correction.
    """
    others = [system for system in ap if system != reference]
    rows = []
    for other in others:
        difference = (ap[reference] - ap[other]).dropna()
        better, worse = int((difference > NOTABLE).sum()), int((difference < -NOTABLE).sum())
        rows.append((*interval(difference, recordings), better, worse, _p_value(difference, recordings)))
    table = pd.DataFrame(rows, index=others, columns=["mean", "low", "high", "better", "worse", "p"])
    table["p, Holm"] = _holm(table["p"])
    return table.sort_values("mean")


def _p_value(difference: pd.Series, recordings: pd.Series) -> float:
    """Return the p value of Wilcoxon's signed-rank test over recordings; NaN if too few of them differ."""
    by_recording = difference.groupby(recordings).mean()
    enough = (by_recording != 0).sum() >= FEWEST_RECORDINGS
    return float(wilcoxon(by_recording).pvalue) if enough else np.nan


def _holm(p_values: pd.Series) -> pd.Series:
    """Return the p values with Holm's correction; NaN counts for nothing."""
    corrected, tested = p_values.astype(float), p_values.notna()
    if tested.any():
        corrected[tested] = multipletests(corrected[tested], method="holm")[1]
    return corrected


def differences_of_pairs(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return the differences of pairs of systems, the first less the second.

    Parameters
    ----------
    rows : DataFrame
        With columns system, series, recording and metrics.
    pairs : sequence of (str, str)

    Returns
    -------
    DataFrame
        A row for each pair whose systems have a series in common: the number of these, the mean difference of each
        metric as text with its interval over recordings, the counts of series with better and worse average
        precision, and the p value of Wilcoxon's signed-rank test over recordings with Holm's correction over all pairs.
    """
    recordings, table = _recordings(rows), {}
    for title, apart in _apart(rows, pairs).items():
        texts = {
            metric: "{:+.3f} [{:+.3f}, {:+.3f}]".format(*interval(difference, recordings))
            for metric, difference in apart.items()
        }
        ap = apart["ap"].dropna()
        better, worse = int((ap > NOTABLE).sum()), int((ap < -NOTABLE).sum())
        counts = {"series": len(ap)} | texts | {"better": better, "worse": worse}
        table[title] = counts | {"p, Holm": _p_value(ap, recordings)}
    if not table:
        return pd.DataFrame()
    differences = pd.DataFrame(table).T
    differences["p, Holm"] = _holm(differences["p, Holm"])
    return differences


def intervals_of_pairs(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return mean, low and high of the differences of average precision, a row for each pair that was measured."""
    recordings = _recordings(rows)
    table = {title: interval(apart["ap"], recordings) for title, apart in _apart(rows, pairs).items()}
    return pd.DataFrame(table, index=["mean", "low", "high"]).T


def losses_of_pairs(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return the series on which the first of two systems has clearly less average precision, with the difference."""
    table = {}
    for title, apart in _apart(rows, pairs).items():
        ap = apart["ap"].sort_values()
        lost = [f"{series} {change:.3f}" for series, change in ap[ap < -NOTABLE].items()]
        table[title] = {"series": ", ".join(lost) or "none"}
    return pd.DataFrame(table).T


def _apart(rows: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> dict[str, pd.DataFrame]:
    """Return the differences [series, metrics] of each pair whose systems have a series in common."""
    metrics = [metric for metric in COMPARED if metric in rows]
    means = rows.groupby(["system", "series"])[metrics].mean()
    systems = set(means.index.get_level_values("system"))
    apart = {
        f"{first} less {second}": means.loc[[first]].droplevel("system") - means.loc[[second]].droplevel("system")
        for first, second in pairs
        if {first, second} <= systems
    }
    return {title: differences for title, differences in apart.items() if differences["ap"].notna().any()}


def false_alarms(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the false alarms of each system for each promised one, as text: means over series with their intervals.

    Parameters
    ----------
    rows : DataFrame
        With columns system, series, recording and some of ``false N``.

    Returns
    -------
    DataFrame [systems, promised numbers]
        Empty for cells of older versions, which have no such columns. A number is promised in a time as long as the
        training part.
    """
    recordings, table = _recordings(rows), {}
    columns = [column for column in FALSE if column in rows and rows[column].notna().any()]
    means = rows.astype(dict.fromkeys(columns, float)).groupby(["system", "series"], sort=False)[columns].mean()
    for system, of_system in means.groupby("system", sort=False):
        by_series = of_system.droplevel("system").dropna(axis=1, how="all")
        table[system] = {
            column: "{:.2f} [{:.2f}, {:.2f}]".format(*interval(by_series[column], recordings)) for column in by_series
        }
    return pd.DataFrame(table).T.rename(columns=lambda column: f"{column.removeprefix('false ')} promised")


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
    return pd.DataFrame(rows)


def _read_rows(folder: Path) -> pd.DataFrame:
    path = folder / "cells.parquet"
    if not path.is_file():
        raise InputError("no cells", str(path), "run the experiment first: ape eval run")
    try:
        return pd.read_parquet(path)[["set", "series", "recording", "system", "ap"]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"not the cells of an experiment: {error}"[:200], str(path), "ape eval report DIR") from error


def _recordings(rows: pd.DataFrame, by: str | list[str] = "series") -> pd.Series:
    return rows.drop_duplicates(by).set_index(by)["recording"]


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
        recordings = _recordings(group)
        systems = _systems(group, recordings)
        ap = group.groupby(["system", "series"], sort=False)["ap"].mean().unstack("system")
        tables.append((f"{name}: all systems", systems))
        if len(pairs := differences_of_pairs(group, differences)):
            tables.append((f"{name}: differences", pairs))
            tables.append((f"{name}: losses by more than {NOTABLE}", losses_of_pairs(group, differences)))
        if len(promised := false_alarms(group)):
            tables.append((f"{name}: false alarms for each promised one", promised.reindex(systems.index)))
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
    others = [metric for metric in (*IN_TIME, *ATTRIBUTED, *ALARMS, FALSE[0]) if metric in rows]
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
                    other: "{:+.3f} [{:+.3f}, {:+.3f}]".format(
                        *interval(ap[on_backbone[ours]] - ap[system], recordings)
                    )
                    for other, system in on_backbone.items()
                    if other != ours
                }
    return pd.DataFrame(leads).T
