"""Tables of an experiment's cells: means with intervals, paired differences, tests, ranks; Parquet, Markdown, HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, select_autoescape
from scipy.stats import wilcoxon
from statsmodels.stats.multitest import multipletests

from ape.core.errors import InputError
from ape.core.files import write_bytes, write_text
from ape.evals.cases import tuned_on
from ape.tools.render import png

OURS = "APE"
METRICS = {"ap": "average precision", "vus": "VUS-PR", "ucr": "UCR accuracy"}
RESAMPLES = 4000
FAR = 0.05  # difference of average precision that counts as better or worse
PAGE = """<!doctype html><meta charset="utf-8"><title>{{ title }}</title>
<style>body{font:14px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}img{max-width:100%}</style>
<h1>{{ title }}</h1><p>{{ about }}</p>
{% for heading, table in parts %}<h2>{{ heading }}</h2>{{ table }}{% endfor %}
{% if picture %}<h2>Critical differences of ranks</h2><img alt="critical difference diagram"
 src="data:image/png;base64,{{ picture }}">{% endif %}"""


def frame_of(results: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a system and cell, with what it was measured with."""
    rows = [
        {**row, "seconds": each["seconds"][row["system"]], **each["about"],
         **{f"hardware.{k}": v for k, v in each["hardware"].items()},
         **{f"version.{k}": v for k, v in each["versions"].items()}}
        for each in results
        for row in each["rows"]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def write_report(out: Path, title: str, reference: str, results: list[dict[str, Any]]) -> None:
    """Leave ``cells.parquet``, ``differences.csv``, ``report.md`` and ``report.html`` in ``out``."""
    rows = frame_of(results)
    stored = io.BytesIO()
    rows.to_parquet(stored)
    write_bytes(out / "cells.parquet", stored.getvalue())
    parts, about = tables(rows, reference), described(rows)
    write_text(out / "differences.csv", paired(rows, reference).to_csv())
    markdown = "\n\n".join(f"## {heading}\n\n{table.to_markdown(floatfmt='.3f')}" for heading, table in parts)
    write_text(out / "report.md", f"# {title}\n\n{about}\n\n{markdown}\n")
    page = Environment(autoescape=select_autoescape(default=True)).from_string(PAGE)
    shown = [(heading, _Safe(table.round(3).to_html(border=0, na_rep=""))) for heading, table in parts]
    picture = base64.b64encode(diagram(rows)).decode()
    write_text(out / "report.html", page.render(title=title, about=about, parts=shown, picture=picture))


class _Safe(str):
    """HTML that pandas has escaped."""

    def __html__(self) -> str:
        return self


def described(rows: pd.DataFrame) -> str:
    """How many of what, on which machine."""
    count = {what: rows[what].nunique() for what in ("series", "recording", "seed")}
    machines = rows["hardware.machine"] + ", GPU " + rows["hardware.gpu"]
    return (
        f"{count['series']} series of {count['recording']} recordings, {count['seed']} seeds,"
        f" {rows['system'].nunique()} systems; {'; '.join(sorted(machines.unique()))};"
        f" ape-tsad {rows['version.ape-tsad'].iloc[0]}. Means over series, each the mean of its seeds; 95 %"
        " intervals by bootstrap over recordings."
    )


def tables(rows: pd.DataFrame, reference: str) -> list[tuple[str, pd.DataFrame]]:
    """For each set: the main table; what the reference is ahead by, with tests; backbones, families, acceptance."""
    parts = []
    for name, group in groups(rows):
        metrics = [metric for metric in METRICS if metric in group and group[metric].notna().any()]
        by_series = group.groupby(["system", "series"], sort=False)[metrics].mean()
        recordings = group.drop_duplicates("series").set_index("series")["recording"]
        main = by_series.groupby("system", sort=False).mean()
        main.insert(0, "series", by_series.groupby("system").size())
        for metric in metrics:
            spans = {system: interval(by_series.loc[system][metric], recordings) for system in main.index}
            main[f"{metric} low"] = [spans[system][1] for system in main.index]
            main[f"{metric} high"] = [spans[system][2] for system in main.index]
        spread = group.groupby(["system", "series"])["ap"].std().groupby("system").mean()
        main["sd over seeds"] = spread.reindex(main.index)
        wide = by_series["ap"].unstack("system")
        main["mean rank"] = wide.rank(axis=1, ascending=False).mean().reindex(main.index)
        main["seconds"] = group.groupby(["system"])["seconds"].mean().reindex(main.index)
        main = main.sort_values("ap", ascending=False)
        parts.append((f"{name}: all systems", main))
        if reference in main.index:
            parts.append((f"{name}: {reference} less", against(wide, recordings, reference)))
        if len(backbones := backbone_by_backbone(wide, recordings)):
            parts.append((f"{name}: on each backbone, average precision less that of", backbones))
        if name != group["set"].iloc[0]:
            continue  # a part of a set
        families = group.pivot_table("ap", "system", "family", sort=False)
        parts.append((f"{name}: average precision by family", families.reindex(main.index)))
        if group["kept"].notna().any():
            share = pd.crosstab(group["system"], group["kept"], normalize="index")
            parts.append((f"{name}: what the acceptance kept, share of results", share))
    return [(heading, table.dropna(axis=1, how="all").rename_axis(None)) for heading, table in parts]


def groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The sets; of UCR also by whether the default recipe was chosen on a recording, see `tuned_on`."""
    for name, group in rows.groupby("set", sort=False):
        yield str(name), group
        tuned = group["series"].map(tuned_on)
        if str(name).startswith("ucr") and tuned.any() and not tuned.all():
            yield f"{name}, recordings that the recipe was chosen on", group[tuned]
            yield f"{name}, other recordings", group[~tuned]


def backbone_by_backbone(wide: pd.DataFrame, recordings: pd.Series) -> pd.DataFrame:
    """For each backbone, what our results are ahead by of all others on the same backbone, as text."""
    found = {}
    systems = [str(system) for system in wide]
    for backbone in (system.removesuffix(f" + {OURS}") for system in systems if system.endswith(f" + {OURS}")):
        own = {each.removeprefix(backbone).lstrip(":+ "): each for each in systems if _is_of(each, backbone)}
        for ours in (OURS, "mined bank"):
            if ours in own:
                differences = {part: wide[own[ours]] - wide[other] for part, other in own.items() if part != ours}
                found[f"{backbone} + {ours}"] = {
                    part: "{:+.3f} [{:+.3f}, {:+.3f}]".format(*interval(each, recordings))
                    for part, each in differences.items()
                }
    return pd.DataFrame(found).T


def _is_of(system: str, backbone: str) -> bool:
    return system.startswith((f"{backbone}:", f"{backbone} +"))


def against(wide: pd.DataFrame, recordings: pd.Series, reference: str) -> pd.DataFrame:
    """What the reference is ahead by, of AP [series, systems]: interval, counts, Wilcoxon's p after Holm."""
    others = [system for system in wide if system != reference]
    found = []
    for other in others:
        difference = (wide[reference] - wide[other]).dropna()
        mean, low, high = interval(difference, recordings)
        by_recording = difference.groupby(recordings).mean()
        p = float(wilcoxon(by_recording).pvalue) if (by_recording != 0).sum() > 4 else np.nan
        found.append((mean, low, high, int((difference > FAR).sum()), int((difference < -FAR).sum()), p))
    table = pd.DataFrame(found, index=others, columns=["mean", "low", "high", "better", "worse", "p"])
    known = table["p"].notna()
    table["p, Holm"] = np.nan
    if known.any():
        table.loc[known, "p, Holm"] = multipletests(table.loc[known, "p"], method="holm")[1]
    return table.sort_values("mean")


def interval(values: pd.Series, recordings: pd.Series) -> tuple[float, float, float]:
    """Mean over series, and a 95 % bootstrap interval over recordings."""
    values = values.dropna()
    sums = values.groupby(recordings.reindex(values.index)).agg(["sum", "count"]).to_numpy()
    draw = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[draw, 0].sum(1) / sums[draw, 1].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def paired(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Average precision of each series and system, and what the reference is ahead by."""
    wide = rows.pivot_table("ap", ["set", "family", "recording", "series"], "system", sort=False)
    if reference not in wide:
        return wide
    ahead = wide.drop(columns=reference).rsub(wide[reference], axis=0).add_prefix(f"{reference} less ")
    return pd.concat([wide, ahead], axis=1)


def diagram(rows: pd.DataFrame) -> bytes:
    """PNG of the critical difference diagram (Demsar 2006): Nemenyi's test over recordings."""
    import scikit_posthocs
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ap = rows.groupby(["recording", "system"])["ap"].mean().unstack("system").dropna(axis=1)
    figure = Figure(figsize=(11, 1.5 + 0.22 * ap.shape[1]), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.9))
    if ap.shape[0] > 1 and ap.shape[1] > 2:
        ranks = ap.rank(axis=1, ascending=False).mean()
        different = scikit_posthocs.posthoc_nemenyi_friedman(ap.reset_index(drop=True))
        scikit_posthocs.critical_difference_diagram(ranks, different, ax=axes)
    else:
        axes.text(0.5, 0.5, "too few recordings or systems for ranks", ha="center")
        axes.set_axis_off()
    return png(figure)


def compare(before: Path, after: Path) -> pd.DataFrame:
    """What changed for each system between two folders of one experiment, and whether it is more than noise."""
    rows = [_cells_of(folder) for folder in (before, after)]
    recordings = rows[1].drop_duplicates("series").set_index("series")["recording"]
    old, new = (each.groupby(["series", "system"])["ap"].mean().unstack("system") for each in rows)
    series, systems = old.index.intersection(new.index), old.columns.intersection(new.columns)
    if not len(series) or not len(systems):
        raise InputError("nothing in common", f"{before}, {after}", "compare runs of one experiment")
    found = {}
    for system in systems:
        difference = (new.loc[series, system] - old.loc[series, system]).dropna()
        mean, low, high = interval(difference, recordings)
        found[system] = {
            "before": old.loc[series, system].mean(),
            "after": new.loc[series, system].mean(),
            "change": mean,
            "low": low,
            "high": high,
            "series that changed": int((difference.abs() > 1e-9).sum()),
            "more than noise": bool(low > 0 or high < 0),
        }
    return pd.DataFrame(found).T


def _cells_of(folder: Path) -> pd.DataFrame:
    path = folder / "cells.parquet"
    if not path.is_file():
        raise InputError("no cells", str(path), "run the experiment first: ape eval run")
    return pd.read_parquet(path)
